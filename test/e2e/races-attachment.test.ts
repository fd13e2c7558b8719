/** A browser that is attached, replaced or let go of while the store or the page is slow. */
import { describe, expect, it } from "vitest";
import { FakeBrowserProvider } from "../../src/browser/fake.ts";
import type { BrowserLink } from "../../src/browser/browser.ts";
import type { Commit } from "../../src/store/store.ts";
import { startLoggedGateway } from "../support/logged-gateway.ts";
import { SteeredStore, storeAway } from "../support/steered-store.ts";

const JOIN = { type: "sandbox.join", sandboxId: "s" } as const;
const opensGate = ({ events, next }: Commit): boolean =>
  events.length === 0 && Object.keys(next.gates).length > 0;
const reports =
  (status: string) =>
  ({ events }: Commit): boolean =>
    events[0]?.type === "browser.changed" && events[0].changes.browser?.status === status;
const text = (value: string) => ({ type: "input", sandboxId: "s", events: [{ kind: "text", text: value }] });

async function bench(settings = {}) {
  const store = new SteeredStore();
  const test = await startLoggedGateway({ store, settings });
  await test.create("s");
  const received = (): unknown[] =>
    test.browser.received.map(({ event }) => (event.kind === "text" ? event.text : event));
  return { ...test, store, received };
}

describe("while the gate is being registered", () => {
  it("C2: all input waits for it, in order, and none is refused", async () => {
    const { store, raw, received } = await bench();
    const bot = await raw({ role: "agent", name: "bot" });
    const opening = store.holdCommit(opensGate);
    await bot.done("sandbox.joined", JOIN);
    const goOn = await opening;
    const answers = [bot.call(text("one")), bot.call(text("two")), bot.call(text("three"))];
    await bot.ping();
    expect(received()).toEqual([]);
    goOn();
    expect((await Promise.all(answers)).map(({ type }) => type)).toEqual(["done", "done", "done"]);
    expect(received()).toEqual(["one", "two", "three"]);
  });

  it("a store that is away for a moment leaves no browser behind that nobody can use", async () => {
    const { store, raw, received, browser } = await bench();
    const bot = await raw({ role: "agent", name: "bot" });
    let failures = 0;
    store.beforeCommit = (_sandboxId, commit) => {
      if (!opensGate(commit) || failures === 2) return;
      failures += 1;
      throw storeAway();
    };
    await bot.done("sandbox.joined", JOIN);
    await bot.next("event", ({ event }) => event.changes.browser?.status === "live");
    await bot.done("done", text("one"));
    expect(received()).toEqual(["one"]);
    expect(browser.links.size).toBe(1);
  });
});

describe("the browser's status", () => {
  it("is the present one although the store took an earlier one late", async () => {
    const { store, raw, state, browser } = await bench();
    const bot = await raw({ role: "agent", name: "bot" });
    await bot.done("sandbox.joined", JOIN);
    await bot.next("event", ({ event }) => event.changes.browser?.status === "live");
    let tried = (): void => {};
    const again = new Promise<void>((resolve) => (tried = resolve));
    let loads = 0;
    store.beforeCommit = (_sandboxId, commit) => {
      if (!reports("reconnecting")(commit)) return;
      store.beforeCommit = () => {};
      browser.restart();
      // One for the new status, one for the old status tried again.
      store.afterLoad = () => void ((loads += 1) === 2 && tried());
      throw storeAway();
    };
    browser.crash();
    await again;
    for (let turn = 0; turn < 5; turn += 1) await bot.ping();
    expect((await state("s")).browser?.status).toBe("live");
  });

  it("is live for who joins while the last room still lets go of the browser", async () => {
    const { raw, state, browser } = await bench({ lingerMs: 0 });
    const bot = await raw({ role: "agent", name: "bot" });
    await bot.done("sandbox.joined", JOIN);
    await bot.next("event", ({ event }) => event.changes.browser?.status === "live");
    const [link] = browser.links;
    browser.holdAnswers();
    bot.send(text("unanswered"));
    await bot.ping();
    const closed = drained(link as BrowserLink);
    await bot.close();
    await closed;
    const ann = await raw({ name: "ann" });
    await ann.done("sandbox.joined", JOIN);
    browser.answer();
    await ann.next("event", ({ event }) => event.changes.browser?.status === "idle");
    await ann.next("event", ({ event }) => event.changes.browser?.status === "live");
    expect((await state("s")).browser?.status).toBe("live");
    expect(browser.links.size).toBe(1);
  });
});

describe("input that waits for the first connection", () => {
  it("has a bound: more is refused with input_overflow", async () => {
    const provider = new FakeBrowserProvider();
    const store = new SteeredStore();
    const test = await startLoggedGateway({ store, browsers: provider });
    await test.create("s");
    const opening = store.holdCommit(opensGate);
    const bot = await test.raw({ role: "agent", name: "bot" });
    await bot.done("sandbox.joined", JOIN);
    const goOn = await opening;
    const answers = Array.from({ length: 2_000 }, (_, index) => bot.call(text(String(index))));
    await bot.ping();
    goOn();
    const failed = (await Promise.all(answers)).filter(({ type }) => type === "error");
    expect(failed.length).toBeGreaterThan(0);
    expect(failed).toEqual(failed.map(() => expect.objectContaining({ code: "input_overflow" })));
    const numbers = provider.browser.received.map(({ event }) => Number(event.kind === "text" && event.text));
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
  });
});

/** Resolves when somebody begins to drain the link. */
function drained(link: BrowserLink): Promise<void> {
  return new Promise((resolve) => {
    const drain = link.drain.bind(link);
    link.drain = () => {
      resolve();
      return drain();
    };
  });
}
