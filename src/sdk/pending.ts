import type { BatonError } from "../../protocol/errors.ts";
import type { DownMessage } from "../../protocol/down.ts";
import type { UpMessage } from "../../protocol/up.ts";
import { retryAfterMs, spread } from "./backoff.ts";

/** Longest that a call waits, all its repetitions together, for limits that it is over. */
export const MAX_LIMITED_MS = 30_000;
/** So often a call is repeated that was over a limit. */
const MAX_REPEATS = 5;
/** Where the gateway does not say when to come back. */
const UNSAID_MS = 1_000;

type WithoutId<T> = T extends { id?: string } ? Omit<T, "id"> : never;
/** Any message that is answered by its `id`, before it has one. */
export type CallMessage = WithoutId<Exclude<UpMessage, { type: "hello" | "ping" | "preview.ack" }>>;
export type Answer = Extract<DownMessage, { id: string }>;

export interface Request {
  readonly message: CallMessage;
  /**
   * `connection`: fails when the socket goes away. `client`: is sent again on every new socket, and where it was over a
   * limit for the moment, until it is answered, so the message must be safe to repeat (H6).
   */
  readonly lifetime: "connection" | "client";
  /** The SDK's own, of which there are few: not refused when too many of the caller's wait. */
  readonly internal?: true;
  answered(answer: Answer): void;
  failed(error: BatonError): void;
}

interface Entry {
  readonly request: Request;
  readonly text: string;
  /** The socket that it was last sent on. */
  sentOn: number;
  /** Runs while the call waits because of a limit: no socket gets it meanwhile. */
  held: ReturnType<typeof setTimeout> | undefined;
  repeats: number;
  limitedMs: number;
}

/** The requests without an answer, oldest first. */
export class PendingRequests {
  readonly #entries = new Map<string, Entry>();
  #lastId = 0;

  get size(): number {
    return this.#entries.size;
  }

  add(request: Request): { id: string; text: string } {
    this.#lastId += 1;
    const id = this.#lastId.toString(36);
    const text = JSON.stringify({ ...request.message, id });
    this.#entries.set(id, { request, text, sentOn: 0, held: undefined, repeats: 0, limitedMs: 0 });
    return { id, text };
  }

  remove(id: string): void {
    this.#take(id);
  }

  /**
   * A call was over a limit: keeps it until it may be sent again, then calls `due`, and `flush` sends it. Returns false
   * when it is not safe to repeat or has waited long enough: it has then to fail.
   */
  hold(id: string, error: BatonError, due: () => void): boolean {
    const entry = this.#entries.get(id);
    if (!entry || entry.request.lifetime !== "client") return false;
    const waitMs = spread(retryAfterMs(error) || UNSAID_MS);
    if (entry.repeats >= MAX_REPEATS || entry.limitedMs + waitMs > MAX_LIMITED_MS) return false;
    entry.repeats += 1;
    entry.limitedMs += waitMs;
    entry.sentOn = 0;
    entry.held = setTimeout(() => {
      entry.held = undefined;
      due();
    }, waitMs);
    return true;
  }

  markSent(id: string, socketNumber: number): void {
    const entry = this.#entries.get(id);
    if (entry) entry.sentOn = socketNumber;
  }

  /** Returns false when nobody waits for this answer (any more). */
  settle(answer: Answer): boolean {
    const request = this.#take(answer.id);
    request?.answered(answer);
    return request !== undefined;
  }

  fail(id: string, error: BatonError): boolean {
    const request = this.#take(id);
    request?.failed(error);
    return request !== undefined;
  }

  /** Sends, in the order of the calls, what has not been sent on this socket. */
  flush(socketNumber: number, send: (text: string) => void): void {
    for (const entry of this.#entries.values()) {
      if (entry.sentOn === socketNumber || entry.held !== undefined) continue;
      entry.sentOn = socketNumber;
      send(entry.text);
    }
  }

  /** Fails everything, or only what does not outlive the socket. */
  failAll(lifetime: "connection" | "all", error: (request: Request) => BatonError): void {
    for (const [id, { request }] of this.#entries) {
      if (lifetime === "connection" && request.lifetime === "client") continue;
      this.#take(id);
      request.failed(error(request));
    }
  }

  #take(id: string): Request | undefined {
    const entry = this.#entries.get(id);
    clearTimeout(entry?.held);
    this.#entries.delete(id);
    return entry?.request;
  }
}
