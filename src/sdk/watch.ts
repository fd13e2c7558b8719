import { BatonError } from "../../protocol/errors.ts";
import type { SandboxUpdate } from "./api.ts";
import { AsyncQueue, endAt } from "./async-queue.ts";
import type { Follower } from "./follower.ts";

/** Most updates that wait for a consumer. */
export const MAX_WATCH_BACKLOG = 10_000;

/** State now, then every change. Nothing is lost without a word: a consumer that falls too far behind gets an error. */
export function watch(
  follower: Follower,
  signal: AbortSignal | undefined,
): AsyncIterableIterator<SandboxUpdate> {
  let stopSignal = () => {};
  let stopListening = () => {};
  const queue = new AsyncQueue<SandboxUpdate>({
    limit: MAX_WATCH_BACKLOG,
    full: () =>
      new BatonError(
        "too_many",
        `${MAX_WATCH_BACKLOG} updates waited to be consumed. Start a new watch and consume it faster: do slow work outside the loop.`,
        { limit: "watchBacklog", max: MAX_WATCH_BACKLOG },
      ),
    stopped: () => {
      stopSignal();
      stopListening();
    },
  });
  stopSignal = endAt(signal, () => queue.cancel());
  if (signal?.aborted) return queue;
  if (follower.current) queue.push(follower.current);
  stopListening = follower.listen({
    update: (update) => queue.push(update),
    ended: ({ error, clean }) => (clean ? queue.end() : queue.fail(error)),
  });
  follower.follow();
  return queue;
}
