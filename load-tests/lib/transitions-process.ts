/**
 * Changes many sandboxes as a node does, and follows them. The plain way writes as many bytes to as many places and
 * tells a subscriber, in one transaction: the least that a store of state, log and messages has to do. It asks nothing,
 * compares nothing, remembers no answer and keeps no deadline.
 */
import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";
import { nanoid } from "nanoid";
import type { SandboxEvent } from "../../protocol/sandbox.ts";
import type { Command } from "../../src/core/commands.ts";
import { initialState } from "../../src/core/state.ts";
import { announce } from "../../src/core/step.ts";
import { transition } from "../../src/core/transition.ts";
import { dispatch } from "../../src/room/dispatch.ts";
import { RedisStore } from "../../src/store/redis/redis-store.ts";
import { serve } from "./processes.ts";

const SANDBOXES = 256;
/** From the first call to the beginning of the count. */
const SETTLE_MS = 100;
/** Events kept, as in the store. */
const LOG_LENGTH = 1_000;
const CONTROLLER = "bench";

export interface LoadOrder {
  readonly way: "plain" | "transitions";
  readonly inFlight: number;
  readonly windowMs: number;
}

export interface Load {
  /** Milliseconds of each that ended within the window. */
  readonly taken: readonly number[];
  /** All that were made, those before and after the window included. */
  readonly total: number;
}

/** Changes one sandbox once. */
type Change = (sandboxId: string, turn: number) => Promise<unknown>;

serve(async ([url = "", prefix = ""]) => {
  const ids = Array.from({ length: SANDBOXES }, (_, index) => `${prefix}-${index}`);
  const store = await RedisStore.connect({ url });
  const [writer, follower] = [new Redis(url), new Redis(url)];
  const now = await store.now();
  await Promise.all(
    ids.map(async (sandboxId) => {
      const empty = initialState(sandboxId, null, now);
      const { state, events } = announce(empty, empty, "sandbox.created", now);
      await store.create(state, events, null);
      await store.subscribe(sandboxId, { event: ignore, removed: ignore, lost: ignore, roster: ignore });
      await follower.ssubscribe(channelOf(sandboxId));
    }),
  );
  // A node parses what arrives.
  follower.on("smessage", (_channel: string, message: string) => void JSON.parse(message));

  const ways: Readonly<Record<LoadOrder["way"], Change>> = {
    transitions: (sandboxId, turn) => dispatch(store, sandboxId, commandOf(turn)),
    plain: plainWrites(writer),
  };
  return {
    info: {},
    answer: (question) => {
      const { way, inFlight, windowMs } = question as LoadOrder;
      return load(ids, ways[way], inFlight, windowMs);
    },
    close: async () => {
      writer.disconnect();
      follower.disconnect();
      await store.close();
    },
  };
});

/** Where each sandbox is in its round of three commands, for each way; a change that failed would end the run. */
const turns = new Map<Change, Map<string, number>>();

async function load(
  ids: readonly string[],
  change: Change,
  inFlight: number,
  windowMs: number,
): Promise<Load> {
  const done = turns.get(change) ?? new Map<string, number>();
  turns.set(change, done);
  const taken: number[] = [];
  let total = 0;
  let [from, to] = [Infinity, Infinity];
  // Each lane has sandboxes of its own: what is measured is not the conflict of two who want the same.
  const lanes = Array.from({ length: inFlight }, async (_, lane) => {
    const own = ids.filter((_id, index) => index % inFlight === lane);
    for (let next = 0; performance.now() < to; next += 1) {
      const sandboxId = own[next % own.length] ?? "";
      const turn = done.get(sandboxId) ?? 0;
      const askedAt = performance.now();
      await change(sandboxId, turn);
      const at = performance.now();
      done.set(sandboxId, turn + 1);
      total += 1;
      if (at >= from && at < to) taken.push(at - askedAt);
    }
  });
  const window = (async () => {
    await delay(SETTLE_MS);
    from = performance.now();
    to = from + windowMs;
  })();
  await Promise.all([window, ...lanes]);
  return { taken, total };
}

function commandOf(turn: number): Command {
  const by = { name: CONTROLLER, role: "operator" } as const;
  switch (turn % 3) {
    case 0:
      return {
        type: "handoff.request",
        requestId: nanoid(),
        reason: "approval",
        message: "The order is ready. Please check the amount and the address before it is sent.",
        requestedBy: "agent",
        expiresInMs: 1_800_000,
        by,
      };
    case 1:
      return { type: "handoff.accept", controller: CONTROLLER, by };
    default:
      return {
        type: "handoff.complete",
        controller: CONTROLLER,
        returnControlTo: "ai",
        runResumePrompt: false,
        override: false,
        by,
      };
  }
}

/** The same bytes as a real handoff's: its three states and events, for all sandboxes the same ones. */
function plainWrites(redis: Redis): Change {
  const now = Date.now();
  let state = initialState("plain", null, now);
  const payloads = [0, 1, 2].map((turn) => {
    const step = transition(state, commandOf(turn), now);
    if (step.kind !== "changed") throw new Error(`the sample handoff's command ${turn} was ${step.kind}`);
    state = step.state;
    return { state: JSON.stringify(step.state), event: textOf(step.events) };
  });
  return async (sandboxId, turn) => {
    const payload = payloads[turn % payloads.length];
    if (!payload) return;
    await redis
      .multi()
      .set(`plain:state:${sandboxId}`, payload.state)
      .xadd(`plain:log:${sandboxId}`, "MAXLEN", "~", LOG_LENGTH, "*", "event", payload.event)
      .spublish(channelOf(sandboxId), payload.event)
      .exec();
  };
}

function textOf(events: readonly SandboxEvent[]): string {
  return JSON.stringify({ events });
}

function channelOf(sandboxId: string): string {
  return `plain:channel:${sandboxId}`;
}

function ignore(): void {}
