/** The values of all cookies that a browser has, in all its contexts. */
import type { CdpConnection } from "./cdp-connection.ts";

/** Contexts beyond these are not looked at. */
const MAX_CONTEXTS = 200;

/** Rejects when the browser goes meanwhile. */
export async function cookieValues(connection: CdpConnection): Promise<Set<string>> {
  const { browser } = connection;
  const { browserContextIds } = await browser.send("Target.getBrowserContexts");
  const contexts = [undefined, ...browserContextIds.slice(0, MAX_CONTEXTS)];
  const found = await Promise.all(
    contexts.map(async (browserContextId) => {
      const params = browserContextId === undefined ? {} : { browserContextId };
      // One that is disposed of meanwhile has none.
      const { cookies } = await browser.send("Storage.getCookies", params).catch(() => ({ cookies: [] }));
      return cookies.map(({ value }) => value);
    }),
  );
  return new Set(found.flat());
}
