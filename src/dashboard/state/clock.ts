import { signal } from "@preact/signals";

/** Add it to `Date.now()` for the gateway's clock; kept by the connection. */
let offsetMs = 0;

/** The gateway's time in epoch milliseconds, once a second: for ages and countdowns. */
export const now = signal(Date.now());

/** The gateway's time at this moment. */
export function gatewayNow(): number {
  return Date.now() + offsetMs;
}

export function setClockOffset(ms: number): void {
  offsetMs = ms;
}

/** Starts the ticking; returns its end. */
export function startClock(): () => void {
  const timer = setInterval(() => {
    now.value = gatewayNow();
  }, 1_000);
  return () => clearInterval(timer);
}
