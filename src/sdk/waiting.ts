import { BatonError } from "../../protocol/errors.ts";

/** Longest that a timer can count; a longer one would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export interface WaitingOptions {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
}

/**
 * A promise that `start` settles. It rejects with the signal's reason when aborted, and with `timeout` after
 * `timeoutMs`. Whatever settles it, timer, abort listener and what `start` returned are cleaned up.
 */
export function waiting<T>(
  what: string,
  options: WaitingOptions,
  start: (resolve: (value: T) => void, reject: (error: unknown) => void) => () => void,
): Promise<T> {
  const { signal, timeoutMs } = options;
  return new Promise<T>((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    let over = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let stop = () => {};
    const finish = (settle: () => void) => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      stop();
      settle();
    };
    const abort = () => finish(() => reject(signal?.reason));
    signal?.addEventListener("abort", abort);
    if (timeoutMs !== undefined && timeoutMs <= MAX_TIMER_MS) {
      const message = `${what} took longer than ${timeoutMs} ms. It may still happen: wait again, or look at the state.`;
      timer = setTimeout(() => finish(() => reject(new BatonError("timeout", message))), timeoutMs);
    }
    stop = start(
      (value) => finish(() => resolve(value)),
      (error) => finish(() => reject(error)),
    );
    // Settled inside `start`, when its clean-up was not known yet.
    if (over) stop();
  });
}
