/**
 * Calls a user's listener. What it throws surfaces as the platform's uncaught error, as from an `EventTarget`: one
 * faulty listener must neither be hidden nor keep the others, or the SDK's own bookkeeping, from running.
 */
export function notify(listener: () => void): void {
  try {
    listener();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
