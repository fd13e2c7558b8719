/** The requests that a client was told of: what comes later about any other one may be of a private time. */

/** The oldest are forgotten first. */
const MAX_REQUESTS = 20_000;

export const BEGINNINGS: ReadonlySet<string> = new Set([
  "Network.requestWillBeSent",
  "Network.requestWillBeSentExtraInfo",
  "Network.webSocketCreated",
  "Network.webTransportCreated",
  "Network.directTCPSocketCreated",
  "Network.directUDPSocketCreated",
]);

const ENDINGS: ReadonlySet<string> = new Set([
  "Network.loadingFailed",
  "Network.loadingFinished",
  "Network.webSocketClosed",
]);

export class ShownRequests {
  /** Each with whether it has ended. */
  readonly #ended = new Map<string, boolean>();

  has(id: string): boolean {
    return this.#ended.has(id);
  }

  /** Notes what the client is told. */
  note(method: string, id: string): void {
    const ends = ENDINGS.has(method);
    if (!ends && !BEGINNINGS.has(method)) return;
    if (!this.#ended.has(id) && this.#ended.size >= MAX_REQUESTS) {
      const oldest = this.#ended.keys().next().value;
      if (oldest !== undefined) this.#ended.delete(oldest);
    }
    this.#ended.set(id, ends);
  }

  /** Those whose answer is still to come. */
  unfinished(): string[] {
    return [...this.#ended].flatMap(([id, ended]) => (ended ? [] : id));
  }
}

const REQUEST_ID = Buffer.from('"requestId":"');
/** It is among the first of an event's parameters. */
const LOOK_BYTES = 4_096;

/** The request that an event of the network is about. */
export function requestOf(bytes: Buffer): string | undefined {
  const head = bytes.subarray(0, LOOK_BYTES);
  const at = head.indexOf(REQUEST_ID);
  if (at === -1) return undefined;
  const start = at + REQUEST_ID.length;
  const end = head.indexOf(0x22, start);
  return end === -1 ? undefined : head.toString("latin1", start, end);
}
