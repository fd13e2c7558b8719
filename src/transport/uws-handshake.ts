/** Handshakes on uWebSockets.js: what makes a WebSocket, and those of pipes, which wait until something is ready. */
import { BatonError } from "../../protocol/errors.ts";
import { firstProtocol, openingFor, shuttingDown } from "./handshake.ts";
import type { Handshake, Opening, PipeOptions } from "./transport.ts";
import type { Exchange, RequestHead, Upgrade } from "./uws-exchange.ts";

const KEY = /^[+/0-9A-Za-z]{22}==$/;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

export function asksForUpgrade({ headers }: RequestHead): boolean {
  return headers.has("upgrade");
}

/** RFC 6455, 4.2.1, but for the parts that were seen to before. Why it is no handshake, or undefined. */
export function flawIn({ method, headers }: RequestHead, { protocols }: Handshake): BatonError | undefined {
  const flaw = (problem: string): BatonError => new BatonError("invalid_message", problem);
  if (method !== "GET") return flaw("A handshake is a GET. Use a WebSocket client.");
  if (headers.get("upgrade")?.toLowerCase() !== "websocket") {
    return flaw("This address upgrades to websocket only. Use a WebSocket client.");
  }
  if (!KEY.test(headers.get("sec-websocket-key") ?? "")) {
    return flaw("Sec-WebSocket-Key is not 16 bytes in base64. Use a WebSocket client.");
  }
  if (headers.get("sec-websocket-version") !== "13") {
    return flaw("Sec-WebSocket-Version is not 13. Use a WebSocket client of RFC 6455.");
  }
  if (protocols.some((offer) => !TOKEN.test(offer)) || new Set(protocols).size < protocols.length) {
    return flaw(
      "Sec-WebSocket-Protocol is not a list of distinct names. Offer each once, separated by commas.",
    );
  }
  return undefined;
}

/** Pipes that are not open yet. */
export class UwsOpenings {
  readonly #options: PipeOptions;
  readonly #accept: (exchange: Exchange, opening: Opening, upgrade: Upgrade) => void;
  /** Handshakes that wait for `open`, each with what refuses it. */
  readonly #waiting = new Set<() => void>();

  /** @param accept makes a pipe of the exchange, and accepts the opening */
  constructor(
    options: PipeOptions,
    accept: (exchange: Exchange, opening: Opening, upgrade: Upgrade) => void,
  ) {
    this.#options = options;
    this.#accept = accept;
  }

  /** Never rejects, as long as the opening's methods don't throw. */
  async upgrade(exchange: Exchange, handshake: Handshake, upgrade: Omit<Upgrade, "protocol">): Promise<void> {
    const leaving = new AbortController();
    const shutDown = (): void => {
      leaving.abort();
      exchange.refuse(shuttingDown());
    };
    exchange.onGone(() => leaving.abort());
    this.#waiting.add(shutDown);
    const opening = await openingFor(handshake, this.#options, leaving.signal);
    this.#waiting.delete(shutDown);
    const isRefused = opening instanceof BatonError;
    if (!exchange.live) return isRefused ? undefined : opening.abandon();
    if (isRefused) return exchange.refuse(opening);
    const protocol = firstProtocol(handshake.protocols) ?? "";
    this.#accept(exchange, opening, { ...upgrade, protocol });
  }

  /** Refuses those that wait for `open`. */
  shutDown(): void {
    for (const refuse of this.#waiting) refuse();
  }
}
