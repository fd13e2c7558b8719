/**
 * The gateway that is fuzzed, in a process of its own: a crash is a death that others see. Tells its parent every
 * failure that nobody answered, and what it holds in memory.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { inspect } from "node:util";
import { pino } from "pino";
import { createGateway } from "../../src/gateway.ts";
import { NO_LIMITS } from "../../src/limits/settings.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import type { Unsubscribe } from "../../src/store/store.ts";
import { TOKENS } from "../support/tokens.ts";
import { fuzzProvider } from "./fuzz-browser.ts";
import type { Measure, ToChild, ToParent } from "./gateway-child.ts";

const [, , upstream = "", mode] = process.argv;

function tell(message: ToParent): void {
  process.send?.(message);
}

process.on("unhandledRejection", (reason) =>
  tell({ kind: "fault", text: `unhandled rejection: ${inspect(reason)}` }),
);
process.on("uncaughtException", (error) => {
  tell({ kind: "fault", text: `uncaught exception: ${inspect(error)}` });
  process.exitCode = 70;
  process.disconnect();
  setImmediate(() => process.exit());
});
// Node says so when listeners pile up.
process.on("warning", (warning) => tell({ kind: "fault", text: `warning: ${inspect(warning)}` }));
// Nobody is there any more to be told.
process.on("disconnect", () => process.exit());

/** Counts who listens to it. */
class CountingStore extends MemoryStore {
  listeners = 0;

  override async subscribe(...args: Parameters<MemoryStore["subscribe"]>): Promise<Unsubscribe> {
    return this.#count(await super.subscribe(...args));
  }

  override async subscribeLobby(...args: Parameters<MemoryStore["subscribeLobby"]>): Promise<Unsubscribe> {
    return this.#count(await super.subscribeLobby(...args));
  }

  #count(unsubscribe: Unsubscribe): Unsubscribe {
    this.listeners += 1;
    let counted = true;
    return () => {
      if (counted) this.listeners -= 1;
      counted = false;
      unsubscribe();
    };
  }
}

// A short log, so that it is full, and followers meet its end, soon.
const store = new CountingStore({ logLength: 200, auditLength: 500, maxMarks: 500 });
// An error in the log is a failure that the caller was told of as `internal`, or nobody at all.
const logger = pino(
  { level: "error", base: null },
  { write: (line: string) => tell({ kind: "fault", text: `logged: ${line}` }) },
);
const gateway = createGateway({
  port: 0,
  browsers: fuzzProvider(upstream),
  store,
  ...(mode === "tokens" && TOKENS),
  // Limits have tests of their own; here they would only keep most messages out.
  limits: NO_LIMITS,
  logger,
  // Short, so that what waits for them is seen to end.
  settings: { graceMs: 150, drainWaitMs: 2_000, resumeWaitMs: 20, lingerMs: 30, aliveMs: 200 },
  helloTimeoutMs: 2_000,
});

const delay = monitorEventLoopDelay({ resolution: 10 });
delay.enable();

async function measure(): Promise<Measure> {
  const longestBlockMs = delay.max / 1e6;
  for (let round = 0; round < 3; round += 1) {
    global.gc?.();
    await new Promise(setImmediate);
  }
  delay.reset();
  const { heapUsed, external, rss } = process.memoryUsage();
  const resources: Record<string, number> = {};
  for (const name of process.getActiveResourcesInfo()) resources[name] = (resources[name] ?? 0) + 1;
  return {
    heapUsed,
    external,
    rss,
    rooms: gateway.rooms.size,
    listeners: store.listeners,
    resources,
    longestBlockMs,
  };
}

/** Longest that the event loop may stand still: beyond it one message holds up everybody. */
const MAX_BLOCK_MS = 3_000;

process.on("message", (message: ToChild) => {
  const blockedMs = delay.max / 1e6;
  if (blockedMs > MAX_BLOCK_MS) {
    tell({ kind: "fault", text: `nobody was answered for ${Math.round(blockedMs)} ms` });
    delay.reset();
  }
  // Behind what is under way in this turn: what it throws is told first.
  setImmediate(() => {
    void (message.ask === "measure" ? measure() : Promise.resolve(null)).then((value) =>
      tell({ kind: "answer", id: message.id, value }),
    );
  });
});

tell({ kind: "ready", url: await gateway.listen() });
