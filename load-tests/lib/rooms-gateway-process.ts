/**
 * A gateway that makes many sandboxes, and changes them, by itself: no client's calls are in what is measured.
 * Arguments: the URL of a Redis or `-` for memory; `tokens` where it asks for them.
 */
import { setTimeout as delay } from "node:timers/promises";
import { createGateway } from "../../src/gateway.ts";
import { NO_LIMITS } from "../../src/limits/settings.ts";
import { dispatch } from "../../src/room/dispatch.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { RedisStore } from "../../src/store/redis/redis-store.ts";
import type { Store } from "../../src/store/store.ts";
import { TOKENS } from "../../test/support/tokens.ts";
import { controllerOf } from "./numbered-event.ts";
import { serve } from "./processes.ts";
import { roomOf } from "./rooms.ts";
import { usage } from "./usage.ts";

const BY = { name: "bench", role: "operator" } as const;
/** Calls of the store under way at a time. */
const LANES = 64;
/** How often it is looked whether an event is due. */
const LOOK_MS = 20;

export type RoomsQuestion =
  /** Makes sandboxes, numbered from 0. */
  | { readonly of: "make"; readonly rooms: number }
  /** Changes each of them so many times. */
  | { readonly of: "events"; readonly rooms: number; readonly each: number }
  /** Changes them all the time, one after the other, until `rest`. */
  | { readonly of: "stream"; readonly rooms: number; readonly perSecond: number }
  /** Ends that. Answered with each sandbox's last number, once no change is under way. */
  | { readonly of: "rest"; readonly rooms: number }
  /** What the process's event loop waits for: how many of each kind, `{ Timeout: 3, … }`. */
  | { readonly of: "resources" };

serve(async ([redisUrl = "-", access]) => {
  const store: Store = redisUrl === "-" ? new MemoryStore() : await RedisStore.connect({ url: redisUrl });
  const gateway = createGateway({
    port: 0,
    store,
    limits: NO_LIMITS,
    ...(access === "tokens" && TOKENS),
  });
  const url = await gateway.listen();
  const signal = new AbortController().signal;
  let changes = 0;
  /** Somebody else drives from here on: one event. */
  const change = async (room: number): Promise<void> => {
    changes += 1;
    const controller = controllerOf(changes);
    await dispatch(store, roomOf(room), { type: "control.take", controller, force: true, by: BY });
  };
  let rest = async (): Promise<void> => {};
  const answer = async (question: unknown): Promise<unknown> => {
    const asked = question as RoomsQuestion;
    switch (asked.of) {
      case "make":
        return inLanes(asked.rooms, (room) => gateway.rooms.create(roomOf(room), null, BY, signal));
      case "events":
        return inLanes(asked.rooms * asked.each, (index) => change(index % asked.rooms));
      case "stream":
        rest = startStream(asked.perSecond, (made) => change(made % asked.rooms));
        return true;
      case "rest": {
        await rest();
        return Promise.all(range(asked.rooms, async (room) => (await store.load(roomOf(room)))?.state.seq));
      }
      case "resources":
        return counted(process.getActiveResourcesInfo());
      default:
        return usage(question);
    }
  };
  const close = async (): Promise<void> => {
    await rest().catch(() => {});
    await gateway.close();
  };
  return { info: { url }, answer, close };
});

/** Makes a change so many times a second; resolves what it returns once none is under way any more. */
function startStream(perSecond: number, change: (made: number) => Promise<void>): () => Promise<void> {
  const resting = new AbortController();
  const run = async (): Promise<void> => {
    const from = performance.now();
    let made = 0;
    while (!resting.signal.aborted) {
      const due = Math.floor(((performance.now() - from) / 1_000) * perSecond) - made;
      // What a busy loop could not make in time is left out: it would come as a burst.
      await Promise.all(range(Math.min(due, LANES), (index) => change(made + index)));
      made += due;
      await delay(LOOK_MS);
    }
  };
  const running = run();
  return () => {
    resting.abort();
    return running;
  };
}

async function inLanes(count: number, work: (index: number) => Promise<unknown>): Promise<number> {
  let begun = 0;
  const lane = async (): Promise<void> => {
    while (begun < count) {
      const index = begun;
      begun += 1;
      await work(index);
    }
  };
  await Promise.all(range(LANES, lane));
  return count;
}

function range<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

function counted(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
