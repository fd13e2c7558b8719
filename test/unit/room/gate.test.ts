/** The gate by itself: what it believes, what proves it, and what that lets through. */
import { describe, expect, it, onTestFinished, vi } from "vitest";
import type { Control } from "../../../protocol/control.ts";
import type { InputEvent } from "../../../protocol/input.ts";
import { FakeBrowserProvider } from "../../../src/browser/fake.ts";
import type { Driver } from "../../../src/core/access.ts";
import { GATE_PROOF_MS } from "../../../src/core/commands.ts";
import { Metrics } from "../../../src/ops/metrics.ts";
import { Gate, type Known } from "../../../src/room/gate.ts";
import { now } from "../../../src/room/proof.ts";
import { storeAway } from "../../support/steered-store.ts";

const AGENT: Driver = { kind: "agent" };
const ANNA: Driver = { kind: "person", name: "anna" };

function byAgent(epoch: number, seq: number): Known {
  return { epoch, seq, control: { mode: "ai", phase: "active", since: 0 } };
}
function byAnna(epoch: number, seq: number, phase: Control["phase"] = "active"): Known {
  return { epoch, seq, control: { mode: "human", controller: "anna", phase, since: 0 } };
}

interface Question {
  readonly answer: (known: Known) => void;
  readonly fail: (error: Error) => void;
}

/** Both of this process's clocks, stopped; the test moves each. */
class Clocks {
  monotonic = 10_000;
  wall = 1_700_000_000_000;

  constructor() {
    vi.spyOn(performance, "now").mockImplementation(() => this.monotonic);
    vi.spyOn(Date, "now").mockImplementation(() => this.wall);
  }

  advance(ms: number): void {
    this.monotonic += ms;
    this.wall += ms;
  }
}

/** A gate that has just been opened, and a store that answers when the test says so. */
async function bench(known: Known = byAgent(1, 1)) {
  const clocks = new Clocks();
  const provider = new FakeBrowserProvider();
  const link = provider.attach({ endpoint: async () => "ws://127.0.0.1:1/fake" });
  await link.ready();
  const questions: Question[] = [];
  const acknowledged: number[] = [];
  const gate = new Gate({
    link,
    metrics: new Metrics(),
    shownTab: () => undefined,
    drained: async (epoch) => void acknowledged.push(epoch),
    renew: async () => {},
    confirm: () => new Promise((answer, fail) => questions.push({ answer, fail })),
  });
  gate.open(known, now());
  onTestFinished(async () => {
    provider.browser.answer();
    for (const { fail } of questions) fail(storeAway());
    await gate.close();
  });
  const submit = (driver: Driver, event: InputEvent = { kind: "text", text: "typed" }) =>
    gate.submit(driver, {}, [event]).then(
      () => "passed",
      (error: { code: string }) => error.code,
    );
  /** The question asked last, which there must be. */
  const asked = (count: number): Question => {
    expect(questions).toHaveLength(count);
    return questions[count - 1] as Question;
  };
  return { gate, clocks, link, browser: provider.browser, questions, asked, acknowledged, submit };
}

/** All that was already under way has gone on. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("what a gate believes", () => {
  it("C2: an answer that was overtaken by an event does not shut the gate again", async () => {
    const { gate, clocks, submit, asked, acknowledged } = await bench();
    clocks.advance(GATE_PROOF_MS - 1);
    expect(await submit(AGENT)).toBe("passed");
    const late = asked(1);
    gate.update(byAnna(2, 2, "draining"));
    gate.update(byAnna(2, 3));
    late.answer(byAnna(2, 2, "draining"));
    await settled();
    asked(2).answer(byAnna(2, 3));
    await settled();
    expect(await submit(ANNA)).toBe("passed");
    gate.update(byAnna(2, 2, "draining"));
    gate.update(byAgent(1, 9));
    expect(await submit(ANNA)).toBe("passed");
    expect(acknowledged).toEqual([2]);
  });

  it("C1: without the end of its history it is shut until there is an epoch newer than what was lost", async () => {
    const { gate, submit, asked } = await bench(byAnna(5, 9));
    gate.reset(byAgent(4, 7));
    expect(await submit(ANNA)).toBe("unavailable");
    expect(await submit(AGENT)).toBe("unavailable");
    gate.update(byAgent(5, 8));
    expect(await submit(AGENT)).toBe("unavailable");
    gate.update(byAgent(6, 8));
    const typed = submit(AGENT);
    asked(1).answer(byAgent(6, 8));
    expect(await typed).toBe("passed");
  });

  it("C3: within one epoch, it goes on with what is left as soon as the store has confirmed that", async () => {
    const { gate, submit, asked, browser } = await bench(byAnna(5, 9));
    gate.reset(byAnna(5, 8));
    const typed = submit(ANNA);
    await settled();
    expect(browser.received).toEqual([]);
    asked(1).answer(byAnna(5, 8));
    expect(await typed).toBe("passed");
  });
});

describe("what proves a gate", () => {
  it("C3: a grant is acted upon only when the store confirms it, also by the gate that drained for it", async () => {
    const { gate, submit, asked, acknowledged, browser } = await bench();
    gate.update(byAnna(2, 2, "draining"));
    await settled();
    expect(acknowledged).toEqual([2]);
    gate.update(byAnna(2, 3));
    const typed = submit(ANNA);
    await settled();
    expect(browser.received).toEqual([]);
    asked(1).answer(byAnna(2, 3));
    expect(await typed).toBe("passed");
  });

  it("C3: a grant that the store confirms no more lets nothing through", async () => {
    const { gate, submit, asked, browser } = await bench();
    gate.update(byAnna(2, 2));
    const typed = submit(ANNA);
    asked(1).answer(byAgent(3, 3));
    await settled();
    asked(2).answer(byAgent(3, 3));
    expect(await typed).toBe("not_controller");
    expect(browser.received).toEqual([]);
  });

  it("C3: a doubt ends the proof, and an answer to an older question settles nothing", async () => {
    const { gate, submit, asked, browser, clocks } = await bench();
    clocks.advance(GATE_PROOF_MS - 1);
    expect(await submit(AGENT)).toBe("passed");
    const older = asked(1);
    gate.doubt();
    const typed = submit(AGENT);
    older.answer(byAgent(1, 1));
    await settled();
    expect(browser.received).toHaveLength(1);
    asked(2).answer(byAgent(1, 1));
    expect(await typed).toBe("passed");
  });

  it.each(["monotonic", "wall"] as const)("C3: the proof ends by the %s clock", async (clock) => {
    const { clocks, submit, asked, browser } = await bench();
    clocks[clock] += GATE_PROOF_MS - 1;
    expect(await submit(AGENT)).toBe("passed");
    clocks[clock] += 1;
    const typed = submit(AGENT);
    asked(1).fail(storeAway());
    expect(await typed).toBe("unavailable");
    expect(browser.received).toHaveLength(1);
  });

  it("C3: the proof counts from before the question", async () => {
    const { clocks, submit, asked } = await bench();
    clocks.advance(GATE_PROOF_MS);
    const typed = submit(AGENT);
    clocks.advance(GATE_PROOF_MS);
    asked(1).answer(byAgent(1, 1));
    expect(await typed).toBe("unavailable");
  });

  it("C3: is renewed while input goes on, which waits for nothing", async () => {
    const { clocks, submit, asked, questions } = await bench();
    for (let round = 1; round <= 5; round += 1) {
      clocks.advance(GATE_PROOF_MS / 2);
      expect(await submit(AGENT)).toBe("passed");
      expect(questions).toHaveLength(round - 1);
      clocks.advance(1);
      expect(await submit(AGENT)).toBe("passed");
      asked(round).answer(byAgent(1, 1));
      await settled();
    }
  });

  it("C6: input that waited in the queue until the proof was over is dropped there", async () => {
    const { clocks, submit, browser, link } = await bench();
    browser.holdAnswers();
    const first = submit(AGENT, { kind: "navigate", to: "reload" });
    const queued = submit(AGENT);
    await settled();
    clocks.advance(GATE_PROOF_MS);
    browser.answer();
    expect(await first).toBe("passed");
    expect(await queued).toBe("unavailable");
    expect(browser.received.map(({ event }) => event.kind)).toEqual(["navigate"]);
    await link.drain();
  });
});

describe("a page that hangs", () => {
  it("C2: whoever is next may leave it once the drain has lasted a second, and nobody else may", async () => {
    const { gate, clocks, submit, browser } = await bench();
    browser.holdAnswers();
    const stuck = submit(AGENT);
    await settled();
    gate.update(byAnna(2, 2, "draining"));
    const leave: InputEvent = { kind: "tab", action: "open" };
    clocks.advance(999);
    expect(await submit(ANNA, leave)).toBe("not_controller");
    clocks.advance(1);
    const left = submit(ANNA, leave);
    await settled();
    expect(await submit(ANNA)).toBe("not_controller");
    expect(await submit(AGENT, leave)).toBe("not_controller");
    browser.answer();
    expect(await Promise.all([stuck, left])).toEqual(["passed", "passed"]);
    expect(browser.received).toHaveLength(1);
    expect(browser.pages).toHaveLength(2);
  });
});
