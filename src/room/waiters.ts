/** Calls that wait until a sandbox is as they need it. */
import { BatonError } from "../../protocol/errors.ts";
import type { Sandbox } from "../../protocol/sandbox.ts";

interface Waiter {
  readonly check: (sandbox: Sandbox) => boolean;
  readonly resolve: (sandbox: Sandbox) => void;
  readonly reject: (error: Error) => void;
}

export class Waiters {
  readonly #waiters = new Set<Waiter>();

  /**
   * Resolves with the first state to come that satisfies `check`.
   * @throws BatonError `timeout`; the signal's reason when aborted; what `fail` is called with
   */
  async wait(check: Waiter["check"], timeoutMs: number, signal: AbortSignal | undefined): Promise<Sandbox> {
    const cleanups: (() => void)[] = [];
    try {
      return await new Promise<Sandbox>((resolve, reject) => {
        const waiter: Waiter = { check, resolve, reject };
        this.#waiters.add(waiter);
        const timer = setTimeout(
          () => reject(new BatonError("timeout", "The time given ran out. Ask again to wait on.")),
          timeoutMs,
        );
        const abort = (): void =>
          reject(signal?.reason instanceof Error ? signal.reason : new Error("aborted"));
        signal?.addEventListener("abort", abort, { once: true });
        cleanups.push(
          () => this.#waiters.delete(waiter),
          () => clearTimeout(timer),
          () => signal?.removeEventListener("abort", abort),
        );
      });
    } finally {
      for (const cleanup of cleanups) cleanup();
    }
  }

  look(sandbox: Sandbox): void {
    for (const waiter of this.#waiters) if (waiter.check(sandbox)) waiter.resolve(sandbox);
  }

  fail(error: Error): void {
    for (const waiter of this.#waiters) waiter.reject(error);
  }
}
