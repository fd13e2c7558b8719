/** Chromium tells what pages logged to whoever enables a console later. This makes it forget. */
import type { CdpConnection } from "./cdp-connection.ts";

/** More targets than these are left as they are. */
const MAX_TARGETS = 500;

const WITH_CONSOLE: ReadonlySet<string> = new Set([
  "page",
  "iframe",
  "worker",
  "shared_worker",
  "service_worker",
]);

/** Rejects when the browser goes meanwhile. */
export async function forgetConsole(connection: CdpConnection): Promise<void> {
  const { targetInfos } = await connection.browser.send("Target.getTargets", { filter: [{}] });
  const targets = targetInfos.filter(({ type }) => WITH_CONSOLE.has(type)).slice(0, MAX_TARGETS);
  await Promise.all(
    targets.map(async ({ targetId }) => {
      const session = await connection.attach(targetId);
      await Promise.allSettled([session.send("Runtime.discardConsoleEntries"), session.send("Log.clear")]);
      if (session.id !== undefined)
        connection.browser.post("Target.detachFromTarget", { sessionId: session.id });
    }),
  );
}
