import { BrowserError } from "./browser.ts";

/** Far above what `/json/version` is (about 500 bytes); an address that answers more is not a browser's. */
const MAX_ANSWER_BYTES = 64 * 1024;

/**
 * Turns what a person has (`http://host:9222`) into the browser target's `ws(s)://` address; a `ws(s)://` address
 * is taken as it is. Rejects with `BrowserError` `browser_attach_failed`, or with the signal's reason.
 */
export async function resolveEndpoint(endpoint: string, signal: AbortSignal): Promise<string> {
  if (/^wss?:\/\//i.test(endpoint)) return endpoint;
  if (!/^https?:\/\//i.test(endpoint)) {
    throw attachFailed(`"${endpoint}" is not a CDP address; give ws(s)://… or http(s)://host:port`);
  }
  const url = new URL("json/version", endpoint.endsWith("/") ? endpoint : `${endpoint}/`);
  let body: string;
  try {
    const response = await fetch(url, { signal, redirect: "error" });
    body = await readBounded(response);
    if (!response.ok) {
      // Chromium says why, for example that it wants an IP address in place of the host name.
      throw attachFailed(
        `${url.href} answered ${response.status} "${body.slice(0, 160).trim()}"; check the address`,
      );
    }
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (error instanceof BrowserError) throw error;
    throw attachFailed(
      `${url.href} does not answer; start the browser with --remote-debugging-port and check the address`,
      error,
    );
  }
  const found = webSocketUrl(body);
  if (!found) throw attachFailed(`${url.href} did not answer as a browser does; check the address`);
  const target = new URL(found);
  // Behind a port mapping or a proxy a browser that names itself by loopback means the address it was asked at.
  if (isLoopback(target.hostname) && target.host !== url.host) {
    target.host = url.host;
    target.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  }
  return target.href;
}

/**
 * Whether the very browser that `endpoint` (`ws://host:port/devtools/browser/…`) names is there now: after its end
 * another one may have got its port. Never rejects.
 */
export async function answersAt(endpoint: string, signal: AbortSignal): Promise<boolean> {
  try {
    const { origin, pathname } = new URL(endpoint.replace(/^ws/i, "http"));
    return new URL(await resolveEndpoint(origin, signal)).pathname === pathname;
  } catch {
    return false;
  }
}

function isLoopback(hostname: string): boolean {
  return /^(?:localhost|0\.0\.0\.0|127(?:\.\d{1,3}){3}|\[::1?\])$/.test(hostname);
}

async function readBounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > MAX_ANSWER_BYTES)
      throw attachFailed("the address answers far more than a browser does; check it");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function webSocketUrl(body: string): string | undefined {
  try {
    const { webSocketDebuggerUrl } = JSON.parse(body) as { webSocketDebuggerUrl?: unknown };
    return typeof webSocketDebuggerUrl === "string" && /^wss?:\/\//i.test(webSocketDebuggerUrl)
      ? webSocketDebuggerUrl
      : undefined;
  } catch {
    return undefined;
  }
}

export function attachFailed(message: string, cause?: unknown): BrowserError {
  return new BrowserError("browser_attach_failed", message, { cause });
}
