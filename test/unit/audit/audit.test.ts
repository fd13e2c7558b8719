import { describe, expect, it, vi } from "vitest";
import { Audit, type AuditEntry, type AuditOptions } from "../../../src/audit/audit.ts";
import { exportLines } from "../../../src/audit/chain.ts";
import { linesOf } from "../../../src/audit/lines.ts";
import { verify } from "../../../src/audit/verify.ts";
import { MemoryStore } from "../../../src/store/memory.ts";
import type { AuditHead, AuditLine } from "../../../src/store/store.ts";
import { storeAway } from "../../support/steered-store.ts";

type Append = (write: () => Promise<boolean>) => Promise<boolean>;

/** Answers as a test says, and tells when lines were written. */
class ShakyStore extends MemoryStore {
  append: Append = async (write) => write();
  appends = 0;
  readonly #written = new Set<() => void>();

  override async appendAudit(expected: AuditHead, lines: readonly AuditLine[]): Promise<boolean> {
    this.appends += 1;
    const isIn = await this.append(async () => super.appendAudit(expected, lines));
    if (isIn) for (const tell of this.#written) tell();
    return isIn;
  }

  /** Resolves when the log has so many lines. */
  async untilWritten(seq: number): Promise<void> {
    while ((await this.auditHead()).seq < seq) {
      await new Promise<void>((resolve) => {
        const tell = (): void => {
          this.#written.delete(tell);
          resolve();
        };
        this.#written.add(tell);
      });
    }
  }

  async lines(): Promise<Record<string, unknown>[]> {
    const lines = await this.readAudit(0, 100_000);
    return lines.map(({ text }) => JSON.parse(text) as Record<string, unknown>);
  }

  async actions(): Promise<unknown[]> {
    return (await this.lines()).map(({ action }) => action);
  }
}

const away: Append = async () => {
  throw storeAway();
};
const hangs: Append = async () => new Promise<boolean>(() => {});
/** It is written, and nobody here learns of it. */
const losesAnswer: Append = async (write) => {
  await write();
  throw storeAway();
};

function setUp(options: Partial<AuditOptions> = {}, store = new ShakyStore()) {
  const logged: string[] = [];
  const say =
    (level: string) =>
    (fields: Readonly<Record<string, unknown>>): void => {
      logged.push(`${level} ${Object.keys(fields).join(" ")}`.trim());
    };
  const log = { info: say("info"), warn: say("warn"), error: say("error") };
  const audit = new Audit({ store, log, nodeId: "n1", now: () => 1_700_000_000_000, ...options });
  return { audit, store, logged };
}

const entry = (action: string): AuditEntry => ({ action, outcome: "ok" });

async function expectIntact(store: MemoryStore): Promise<void> {
  const verdict = await verify(linesOf(exportLines(store)), { from: { seq: 0, hash: "" } });
  expect(verdict.problems).toEqual([]);
  expect(verdict.last).toEqual(await store.auditHead());
}

describe("the audit log", () => {
  it("says who did what, in one order of fields, each line with the hash of the one before", async () => {
    const { audit, store } = setUp();
    await audit.record({
      detail: { z: true, a: 1.5, text: "x" },
      code: "not_controller",
      epoch: 7,
      tokenId: "t1",
      requestId: "r1",
      sandboxId: "box",
      address: "127.0.0.1",
      role: "operator",
      subject: "ann",
      outcome: "refused",
      action: "handoff.accept",
      at: 5,
    });
    await audit.record(entry("link.revoke"));
    const [first, second] = await store.readAudit(0, 10);
    expect(first?.text).toBe(
      '{"seq":1,"at":5,"node":"n1","action":"handoff.accept","outcome":"refused","subject":"ann","role":"operator",' +
        '"address":"127.0.0.1","sandboxId":"box","requestId":"r1","tokenId":"t1","epoch":7,"code":"not_controller",' +
        '"detail":{"a":1.5,"text":"x","z":true},"prev":""}',
    );
    expect(second?.text).toBe(
      `{"seq":2,"at":1700000000000,"node":"n1","action":"link.revoke","outcome":"ok","prev":"${first?.hash}"}`,
    );
    await expectIntact(store);
  });

  it("takes nothing that an entry does not have, cuts what is long, and never writes a token", async () => {
    const { audit, store } = setUp();
    const token = `eyJhbGciOiJIUzI1NiJ9.${"eyJzdWIiOiJhbm4ifQ".repeat(400)}.c2lnbmF0dXJl`;
    const careless = {
      ...entry("control.take"),
      subject: `ann ${token} x`,
      typed: "hunter2",
      detail: {
        long: "x".repeat(5_000),
        reason: `Bearer ${token}`,
        [token]: "y",
        page: { body: "hunter2" },
        ...Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`k${index}`, index])),
      },
    } as unknown as AuditEntry;
    await audit.record(careless);
    const [line] = await store.lines();
    const text = JSON.stringify(line);
    expect(text).not.toMatch(/eyJ|hunter2|c2lnb/);
    expect(line).toMatchObject({ subject: "ann [token] x", detail: { reason: "Bearer [token]" } });
    const detail = line?.["detail"] as Record<string, string>;
    expect(detail["long"]).toBe("x".repeat(200));
    expect(Object.keys(detail).length).toBeLessThanOrEqual(16);
  });

  it("is ASCII whatever the names are, and reads as they were", async () => {
    const { audit, store } = setUp();
    const subject = 'Ünï "q" \\ \u{1f600}\ud800 \u2028\u0000\u007f';
    await audit.record({ ...entry("x"), subject });
    const [line] = await store.readAudit(0, 1);
    expect(line?.text).toMatch(/^[ -~]+$/);
    expect(JSON.parse(line?.text ?? "")).toMatchObject({ subject });
    await expectIntact(store);
  });

  it("writes together what comes together, in the order in which it came", async () => {
    const { audit, store } = setUp();
    const actions = Array.from({ length: 450 }, (_, index) => `a${index}`);
    await Promise.all(actions.map(async (action) => audit.record(entry(action))));
    expect(await store.actions()).toEqual(actions);
    expect(store.appends).toBe(3);
    await expectIntact(store);
  });

  it("of several nodes is one chain, with every entry once", async () => {
    const store = new ShakyStore();
    const nodes = ["n1", "n2", "n3"].map((nodeId) => setUp({ nodeId }, store).audit);
    const actions: string[] = [];
    for (let round = 0; round < 30; round += 1) {
      const some = nodes.map(async (node, index) => {
        actions.push(`${round} ${index}`);
        await node.record(entry(`${round} ${index}`));
      });
      await Promise.all(some);
    }
    expect(new Set(await store.actions())).toEqual(new Set(actions));
    expect(await store.actions()).toHaveLength(actions.length);
    await expectIntact(store);
  });

  it("keeps entries while the store is away: nobody waits for longer than one attempt", async () => {
    const { audit, store, logged } = setUp({ closeMs: 50 });
    await audit.record(entry("before"));
    store.append = away;
    await Promise.all(["one", "two"].map(async (action) => audit.record(entry(action))));
    // Known to be away: not even an attempt that hangs is waited for.
    store.append = hangs;
    await audit.record(entry("three"));
    expect(await store.actions()).toEqual(["before"]);
    expect(logged).toEqual(["warn err waiting"]);
    await audit.close();
  });

  it("writes them, in order and each at its time, when the store is back", async () => {
    let now = 1;
    const { audit, store, logged } = setUp({ now: () => now });
    let attempts = 0;
    store.append = async (write) => {
      attempts += 1;
      return attempts <= 3 ? away(write) : write();
    };
    await audit.record(entry("one"));
    now = 2;
    await audit.record(entry("two"));
    now = 3;
    await store.untilWritten(2);
    await audit.record(entry("three"));
    expect((await store.lines()).map(({ at, action }) => `${String(at)} ${String(action)}`)).toEqual([
      "1 one",
      "2 two",
      "3 three",
    ]);
    expect(logged).toEqual(["warn err waiting", "info"]);
    await expectIntact(store);
  });

  it("also when the end of the log cannot be read", async () => {
    const { audit, store } = setUp();
    let asked = 0;
    const heads = vi.spyOn(store, "auditHead").mockImplementation(async () => {
      asked += 1;
      heads.mockRestore();
      throw storeAway();
    });
    await audit.record(entry("one"));
    await store.untilWritten(1);
    expect(asked).toBe(1);
    expect(await store.actions()).toEqual(["one"]);
  });

  it("a write whose answer was lost is in once", async () => {
    const { audit, store } = setUp();
    await audit.record(entry("one"));
    store.append = losesAnswer;
    await audit.record(entry("two"));
    store.append = async (write) => write();
    await audit.record(entry("three"));
    await store.untilWritten(3);
    expect(await store.actions()).toEqual(["one", "two", "three"]);
    await expectIntact(store);
  });

  it("a write whose answer was lost is in once also when others wrote behind it", async () => {
    const store = new ShakyStore();
    const [one, other] = [setUp({ nodeId: "n1" }, store), setUp({ nodeId: "n2" }, store)];
    store.append = losesAnswer;
    await one.audit.record(entry("in"));
    store.append = async (write) => write();
    await other.audit.record(entry("behind"));
    await one.audit.record(entry("last"));
    await store.untilWritten(3);
    expect(await store.actions()).toEqual(["in", "behind", "last"]);
    await expectIntact(store);
  });

  it("a write that failed is made when others wrote in its place", async () => {
    const store = new ShakyStore();
    const [one, other] = [setUp({ nodeId: "n1" }, store), setUp({ nodeId: "n2" }, store)];
    store.append = away;
    await one.audit.record(entry("late"));
    store.append = async (write) => write();
    await other.audit.record(entry("before"));
    await store.untilWritten(2);
    expect(await store.actions()).toEqual(["before", "late"]);
    await expectIntact(store);
  });

  it("beyond its bound the newest entries are lost, and the next line says how many", async () => {
    const { audit, store, logged } = setUp({ maxWaiting: 3 });
    store.append = away;
    for (const action of ["a", "b", "c", "d", "e"]) await audit.record(entry(action));
    expect(logged).toContain("error");
    store.append = async (write) => write();
    await store.untilWritten(4);
    // The first was tried before, and nobody knew that it failed for certain: it is written as it was.
    expect(await store.actions()).toEqual(["a", "audit.lost", "b", "c"]);
    expect((await store.lines())[1]).toMatchObject({ outcome: "refused", detail: { entries: 2 } });
    await audit.record(entry("f"));
    expect(await store.actions()).toEqual(["a", "audit.lost", "b", "c", "f"]);
    await expectIntact(store);
  });

  it("does not insist when others always come first, and tries again later", async () => {
    const { audit, store } = setUp();
    let races = 0;
    store.append = async (write) => {
      races += 1;
      return races <= 30 ? false : write();
    };
    await audit.record(entry("one"));
    expect(races).toBe(20);
    await store.untilWritten(1);
    expect(await store.actions()).toEqual(["one"]);
  });

  it("closing tries once more, at once", async () => {
    // Shorter than any pause between attempts.
    const { audit, store, logged } = setUp({ closeMs: 40 });
    let attempts = 0;
    store.append = async (write) => {
      attempts += 1;
      return attempts === 1 ? away(write) : write();
    };
    await audit.record(entry("one"));
    await audit.close();
    expect(await store.actions()).toEqual(["one"]);
    expect(attempts).toBe(2);
    await audit.record(entry("too late"));
    expect(logged.at(-1)).toBe("error");
  });

  it("closing ends in time, and says what is lost", async () => {
    for (const append of [away, hangs]) {
      const { audit, store, logged } = setUp({ closeMs: 50 });
      store.append = append;
      const recorded = audit.record(entry("one"));
      const start = performance.now();
      await audit.close();
      expect(performance.now() - start).toBeLessThan(1_500);
      await recorded;
      expect(logged).toContain("error lost");
      expect(store.appends).toBeLessThanOrEqual(2);
    }
  });
});
