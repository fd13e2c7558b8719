/** For what must reach the store although nobody waits for it. */
import { BatonError } from "../../protocol/errors.ts";

/** A store that is away is asked again after this long, doubled up to the second value. */
const RETRY_MS = 100;
const MAX_RETRY_MS = 2_000;

/**
 * Runs `step` until it succeeds, again while it fails with something retryable. Resolves to undefined when it
 * failed and is no longer wanted.
 * @throws what is not retryable
 */
export async function untilStored<T>(step: () => Promise<T>, wanted: () => boolean): Promise<T | undefined> {
  for (let waitMs = RETRY_MS; ; waitMs = Math.min(waitMs * 2, MAX_RETRY_MS)) {
    try {
      return await step();
    } catch (error) {
      if (!(error instanceof BatonError && error.retryable)) throw error;
    }
    if (!wanted()) return undefined;
    await new Promise((resolve) => setTimeout(resolve, waitMs));
    if (!wanted()) return undefined;
  }
}
