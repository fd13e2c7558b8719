/** The process's monotonic clock, which the limits count on: it stands still until a test moves it. */
import { vi } from "vitest";

/**
 * Until the end of the test. Tokens are taken for ten seconds on this clock after the last look at what was revoked,
 * and that look comes by the real one: a larger step must be made without them.
 *
 * @returns moves it forward
 */
export function stillClock(): (ms: number) => void {
  let now = performance.now();
  vi.spyOn(performance, "now").mockImplementation(() => now);
  return (ms) => {
    now += ms;
  };
}
