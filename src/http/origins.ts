/** Which pages may call the gateway. Programs send no `Origin`, and are not asked. */

const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]);

export interface Origins {
  /** Whether a page of this origin may call, on this `Host`. */
  readonly originAllowed: (origin: string, host: string | undefined) => boolean;
  /**
   * Whether the gateway answers under this name. On loopback only loopback's names are its own: a stranger's name that
   * leads here is a page that wants to be taken for the gateway's (DNS rebinding).
   */
  readonly hostAllowed: (host: string | undefined) => boolean;
}

/** Whether only this machine reaches what listens there. */
export function isLoopback(host: string): boolean {
  return LOOPBACK.has(host) || host === "::1" || /^127(?:\.\d{1,3}){3}$/.test(host);
}

/**
 * @param listenHost the address the gateway listens on
 * @param publicUrl where people open it
 * @param alsoAllowed origins of other pages that may call
 */
export function origins(
  listenHost: string,
  publicUrl: () => string,
  alsoAllowed: readonly string[] = [],
): Origins {
  const loopbackOnly = isLoopback(listenHost);
  const hostAllowed = (host: string | undefined): boolean => {
    if (!loopbackOnly) return true;
    if (host === undefined || !URL.canParse(`http://${host}`)) return false;
    const { hostname } = new URL(`http://${host}`);
    // Names below `localhost` are loopback's by definition (RFC 6761).
    if (LOOPBACK.has(hostname) || hostname.endsWith(".localhost")) return true;
    return host === new URL(publicUrl()).host;
  };
  return {
    hostAllowed,
    originAllowed: (origin, host) =>
      hostAllowed(host) &&
      (origin === `http://${host}` ||
        origin === `https://${host}` ||
        origin === new URL(publicUrl()).origin ||
        alsoAllowed.includes(origin)),
  };
}
