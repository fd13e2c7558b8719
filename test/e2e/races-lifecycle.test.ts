/** Sandboxes and their browsers as they are made, removed and made again, and the end of a gateway. */
import { describe, expect, it, vi } from "vitest";
import { BrowserError, type BrowserProvider, type LaunchedBrowser } from "../../src/browser/browser.ts";
import { FakeBrowserProvider } from "../../src/browser/fake.ts";
import { OPEN_GRANT } from "../../src/core/access.ts";
import { startGateway } from "../support/gateway.ts";
import { startLoggedGateway } from "../support/logged-gateway.ts";
import { SteeredStore } from "../support/steered-store.ts";

const BY = { name: "ann", role: "admin", grant: OPEN_GRANT, address: "127.0.0.1" } as const;
const LAUNCH = { launch: true } as const;

/** Keeps what it started, and how it went on; a launch is done when the test lets it. */
class Launches implements BrowserProvider {
  readonly attach: BrowserProvider["attach"] = (options) => this.#fake.attach(options);
  readonly answers: BrowserProvider["answers"] = (endpoint) => this.#fake.answers(endpoint);
  readonly #fake = new FakeBrowserProvider();
  readonly browser = this.#fake.browser;
  readonly started: { closed: boolean }[] = [];
  starting: Promise<void> = Promise.resolve();

  async launch(): Promise<LaunchedBrowser> {
    const { starting } = this;
    const launched = { closed: false };
    this.started.push(launched);
    const close = async (): Promise<void> => {
      launched.closed = true;
    };
    return {
      pid: undefined,
      endpoint: async (signal) => {
        const aborted = new Promise<never>((_, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
        });
        await Promise.race([starting, aborted]);
        if (launched.closed) throw new BrowserError("browser_unavailable", "It was ended");
        return "ws://fake.invalid/";
      },
      close,
      discard: close,
    };
  }

  get running(): number {
    return this.started.filter(({ closed }) => !closed).length;
  }
}

async function workshop() {
  const launches = new Launches();
  const store = new SteeredStore();
  const test = await startLoggedGateway({ browsers: launches, store });
  return { ...test, rooms: test.gateway.rooms, launches, store };
}

describe("a launched browser", () => {
  it("is not ended by the removal of the sandbox that had its id before", async () => {
    const { rooms, launches, raw } = await workshop();
    await rooms.create("s", LAUNCH, BY, AbortSignal.timeout(5_000));
    const bot = await raw({ role: "agent", name: "bot" });
    await bot.done("sandbox.joined", { type: "sandbox.join", sandboxId: "s" });
    await bot.next("event", ({ event }) => event.changes.browser?.status === "live");
    launches.browser.holdAnswers();
    bot.send({ type: "input", sandboxId: "s", events: [{ kind: "text", text: "unanswered" }] });
    await bot.ping();
    const removed = rooms.remove("s");
    await bot.next("sandbox.left");
    await rooms.create("s", LAUNCH, BY, AbortSignal.timeout(5_000));
    launches.browser.answer();
    await removed;
    expect(launches.started.map(({ closed }) => closed)).toEqual([true, false]);
    await bot.done("sandbox.joined", { type: "sandbox.join", sandboxId: "s" });
    await bot.next("event", ({ event }) => event.changes.browser?.status === "live");
  });

  it("that two calls wait for is there for the second when the first gives up", async () => {
    const { rooms, launches } = await workshop();
    let start = (): void => {};
    launches.starting = new Promise((resolve) => (start = resolve));
    const impatient = new AbortController();
    const first = rooms.create("s", LAUNCH, BY, impatient.signal);
    const refused = expect(first).rejects.toThrow("gave up");
    await vi.waitUntil(() => launches.started.length === 1);
    const second = rooms.create("s", LAUNCH, BY, AbortSignal.timeout(5_000));
    impatient.abort(new Error("gave up"));
    await refused;
    start();
    await second;
    expect(launches.running).toBe(1);
  });

  it("does not stay when another call made the sandbox without one meanwhile", async () => {
    const { rooms, launches } = await workshop();
    let start = (): void => {};
    launches.starting = new Promise((resolve) => (start = resolve));
    const late = rooms.create("s", LAUNCH, BY, AbortSignal.timeout(5_000));
    const refused = expect(late).rejects.toMatchObject({ code: "sandbox_exists" });
    await vi.waitUntil(() => launches.started.length === 1);
    await rooms.create("s", null, BY, AbortSignal.timeout(5_000));
    start();
    await refused;
    expect(launches.running).toBe(0);
  });
});

describe("deadlines", () => {
  it("H4: of one sandbox that cannot be looked at keep no other's waiting", async () => {
    const store = new SteeredStore();
    const test = await startGateway({ store, settings: { handoffTtlMs: 50 } });
    const { rooms, operations } = test.gateway;
    const request = { reason: "mfa", message: "code" } as const;
    const broken = new Error("this one is broken");
    for (const sandboxId of ["broken", "sound"]) {
      await rooms.create(sandboxId, null, BY, AbortSignal.timeout(5_000));
      await operations.request(sandboxId, BY, request);
    }
    store.afterLoad = (sandboxId) => {
      if (sandboxId === "broken") throw broken;
    };
    const { room, release } = await rooms.acquire("sound");
    await room.until(({ handoff }) => handoff?.status === "expired", 5_000);
    release();
  });
});

describe("waiting in a room", () => {
  it("that was removed or closed is refused at once", async () => {
    const { rooms } = await workshop();
    const never = (): boolean => false;
    for (const sandboxId of ["a", "b"]) await rooms.create(sandboxId, null, BY, AbortSignal.timeout(5_000));
    const [a, b] = [await rooms.acquire("a"), await rooms.acquire("b")];
    await rooms.remove("a");
    await expect(a.room.until(never, 60_000)).rejects.toMatchObject({ code: "sandbox_not_found" });
    await rooms.close();
    await expect(b.room.until(never, 60_000)).rejects.toMatchObject({ code: "unavailable" });
  });

  it("ends with the gateway, and leaves no timer behind that keeps a process up", async () => {
    const lingerMs = 123_456;
    const store = new SteeredStore();
    const test = await startLoggedGateway({ store, settings: { lingerMs } });
    await test.gateway.rooms.create("s", null, BY, AbortSignal.timeout(5_000));
    const { room, release } = await test.gateway.rooms.acquire("s");
    const set = vi.spyOn(globalThis, "setTimeout");
    const cleared = vi.spyOn(globalThis, "clearTimeout");
    const waiting = room.until(() => false, 60_000);
    const refused = expect(waiting).rejects.toMatchObject({ code: "unavailable" });
    await test.gateway.close();
    await refused;
    release();
    const lingering = set.mock.calls.flatMap(([, ms], index) =>
      ms === lingerMs ? [set.mock.results[index]?.value as NodeJS.Timeout] : [],
    );
    const ended = new Set(cleared.mock.calls.map(([timer]) => timer));
    vi.restoreAllMocks();
    expect(lingering.filter((timer) => !ended.has(timer))).toEqual([]);
  });
});
