/**
 * One socket that sends whatever a script says, and the judge of all that comes back: every message is of the protocol,
 * every request has one answer of the right kind, every close has a cause.
 */
import { WebSocket } from "ws";
import { decodeUp, idOf, MAX_MESSAGE_BYTES } from "../../protocol/codec.ts";
import { DownMessage } from "../../protocol/down.ts";
import { BatonError, CLOSE, ERRORS } from "../../protocol/errors.ts";
import { FRAME_HEADER_BYTES, decodeFrame } from "../../protocol/frame.ts";
import type { UpMessage } from "../../protocol/up.ts";
import { PROTOCOL_VERSION, SUBPROTOCOL } from "../../protocol/version.ts";
import { JudgedSocket } from "./judged-socket.ts";
import { Following, type Histories } from "./histories.ts";
import { noFacts, type Facts } from "./script.ts";
import { ANSWER_OF } from "./up-messages.ts";
import { shown, Violation } from "./violation.ts";

/** Messages that are not of the protocol, after which a socket may be closed for it. */
const FORGIVEN = 100;

/** Closes that any client must be ready for, whatever it sent. */
const ALWAYS_POSSIBLE: ReadonlySet<number> = new Set([CLOSE.slow_consumer.code, CLOSE.rate_limited.code]);

/** What answers were seen, for the report. */
export interface Tally {
  readonly answers: Map<string, number>;
  readonly codes: Map<string, number>;
}

export function count(map: Map<string, number>, key: string): void {
  map.set(key, (map.get(key) ?? 0) + 1);
}

export interface ClientContext {
  readonly url: string;
  readonly histories: Histories;
  readonly tally: Tally;
  /** The first thing that went wrong ends the run. */
  readonly wrong: (error: Error) => void;
}

/** Calls that share an id, until all of them are answered: which answer is whose cannot be told. */
interface Due {
  readonly texts: string[];
  /** How many there may be of each type of answer, beside errors. */
  readonly types: Map<string, number>;
  answered: number;
}

/** What was read lately: most messages come to several sockets in the same words. */
const lately = new Map<string, DownMessage>();
const MAX_LATELY = 64;

/** @throws Violation */
function decoded(text: string): DownMessage {
  const before = lately.get(text);
  if (before) return before;
  const parsed = DownMessage.safeParse(JSON.parse(text));
  if (!parsed.success)
    throw new Violation(`not a message of the protocol: ${shown(text)}: ${parsed.error.message}`);
  const [oldest] = lately.keys();
  if (oldest !== undefined && lately.size >= MAX_LATELY) lately.delete(oldest);
  lately.set(text, parsed.data);
  return parsed.data;
}

export class SocketClient {
  readonly #context: ClientContext;
  readonly #socket: JudgedSocket;
  /** Requests without an answer, by id. */
  readonly #due = new Map<string, Due>();
  readonly #following = new Map<string, Following>();
  readonly #facts = new Map<string, Facts>();
  /** Answers without an id: at least, at most, and so far. */
  #unnamed = { least: 0, most: 0, got: 0 };
  #mistakes = 0;
  #greeted = false;
  #largestBytes = 0;
  #otherVersion = false;
  #pings = 0;

  static async open(context: ClientContext): Promise<SocketClient> {
    const client = new SocketClient(context);
    await client.#socket.opened("a socket");
    return client;
  }

  private constructor(context: ClientContext) {
    this.#context = context;
    const socket = new WebSocket(`${context.url.replace("http", "ws")}/v1/connect`, [SUBPROTOCOL]);
    this.#socket = new JudgedSocket(socket, {
      message: (data, isBinary) => {
        if (isBinary) this.#frame(data);
        else this.#message(data.toString("utf8"));
      },
      closed: (code, reason) => this.#checkClose(code, reason),
      wrong: context.wrong,
    });
  }

  get closed(): boolean {
    return this.#socket.closed;
  }

  facts(sandboxId: string): Facts {
    const facts = this.#facts.get(sandboxId) ?? noFacts();
    this.#facts.set(sandboxId, facts);
    return facts;
  }

  following(sandboxId: string): Following | undefined {
    return this.#following.get(sandboxId);
  }

  send(text: string): void {
    if (this.#socket.closed) return;
    this.#expect(text);
    this.#largestBytes = Math.max(this.#largestBytes, Buffer.byteLength(text));
    this.#socket.send(text);
  }

  binary(bytes: Uint8Array): void {
    if (this.#socket.closed) return;
    this.#mistake(undefined, "binary");
    this.#socket.send(bytes);
  }

  /** Resolves when what was sent before was read, or the socket is closed. */
  async roundTrip(deadlineMs: number): Promise<void> {
    if (this.#socket.closed) return;
    this.#pings += 1;
    const id = `sync-${this.#pings}`;
    this.send(JSON.stringify({ type: "ping", id }));
    await this.#until(() => !this.#due.has(id), deadlineMs, "a ping");
  }

  /** Resolves when nothing is owed any more. */
  async answered(deadlineMs: number): Promise<void> {
    await this.#until(
      () => this.#due.size === 0 && this.#unnamed.got >= this.#unnamed.least,
      deadlineMs,
      "calls",
    );
  }

  /** Says goodbye, and resolves when the socket is gone. */
  close(): Promise<void> {
    return this.#socket.close();
  }

  cut(): void {
    this.#socket.cut();
  }

  async #until(check: () => boolean, deadlineMs: number, what: string): Promise<void> {
    await this.#socket.until(check, deadlineMs, what).catch(() => {
      const owed = [...this.#due.values()].map(
        ({ texts, answered }) => `${texts.map((text) => shown(text)).join(" or ")} (${answered} answered)`,
      );
      const unnamed = this.#unnamed.least - this.#unnamed.got;
      throw new Violation(
        `no answer within ${deadlineMs} ms to ${what}; owed: ${owed.slice(0, 5).join(" ; ") || `${unnamed} without an id`}`,
      );
    });
  }

  /** Notes what the gateway owes for this text. */
  #expect(text: string): void {
    let message: UpMessage;
    try {
      message = decodeUp(text);
    } catch (error) {
      const id = idOf(text);
      const code = error instanceof BatonError ? error.code : "invalid_json";
      // Before `hello` the version says more than the fields do.
      if (!this.#greeted && /"hello"/.test(text)) this.#otherVersion = true;
      return this.#mistake(id, code, text);
    }
    if (message.type === "hello") {
      if (message.version !== PROTOCOL_VERSION) this.#otherVersion = true;
      // `welcome`, or a refusal.
      this.#unnamed.least += 1;
      this.#unnamed.most += 1;
      this.#mistakes += 1;
      return;
    }
    // Perhaps: the welcome may be on its way.
    if (!this.#greeted) this.#mistakes += 1;
    if ("id" in message && message.id !== undefined) return this.#owe(message.id, message.type, text);
    // Only a refusal of these is answered.
    this.#unnamed.most += 1;
  }

  #mistake(id: string | undefined, type: string, text = type): void {
    this.#mistakes += 1;
    if (id !== undefined) return this.#owe(id, type, text);
    this.#unnamed.least += 1;
    this.#unnamed.most += 1;
  }

  #owe(id: string, type: string, text: string): void {
    const due = this.#due.get(id) ?? { texts: [], types: new Map<string, number>(), answered: 0 };
    this.#due.set(id, due);
    due.texts.push(text);
    const answer = ANSWER_OF[type];
    if (answer !== undefined) count(due.types, answer);
  }

  #message(text: string): void {
    const message = decoded(text);
    count(this.#context.tally.answers, message.type);
    if (message.type === "error") this.#refusal(message);
    if (message.type === "welcome") this.#greeted = true;
    if (message.type === "welcome" || (message.type === "error" && message.id === undefined)) {
      this.#unnamed.got += 1;
      if (this.#unnamed.got > this.#unnamed.most)
        throw new Violation(`nobody asked for this: ${shown(text)}`);
    } else if ("id" in message && message.id !== undefined) this.#answer(message.id, message.type, text);
    this.#follow(message);
  }

  #refusal(message: Extract<DownMessage, { type: "error" }>): void {
    const { code } = message;
    count(this.#context.tally.codes, code);
    if (code === "internal") throw new Violation(`internal: ${JSON.stringify(message)}`);
    if (message.retryable !== ERRORS[code].retryable)
      throw new Violation(`${code} is not retryable as documented: ${JSON.stringify(message)}`);
    if (message.message === "") throw new Violation(`${code} says nothing`);
  }

  #answer(id: string, type: string, text: string): void {
    const due = this.#due.get(id);
    if (!due) throw new Violation(`answered, but not asked, or answered before: ${shown(text)}`);
    due.answered += 1;
    const left = due.types.get(type) ?? 0;
    if (type !== "error" && left === 0)
      throw new Violation(
        `${due.texts.map((asked) => shown(asked)).join(" or ")} was answered by ${shown(text)}`,
      );
    due.types.set(type, left - 1);
    if (due.answered === due.texts.length) this.#due.delete(id);
  }

  #follow(message: DownMessage): void {
    if (message.type === "sandbox.joined") {
      const { sandboxId, snapshot, position } = message;
      const before = this.#following.get(sandboxId)?.sandbox;
      // Only with a snapshot it is said here what the events that follow are counted from.
      this.#following.set(sandboxId, snapshot ? new Following(position, snapshot) : new Following());
      this.#note(sandboxId, snapshot ?? before);
      return this.#tabs(sandboxId, message.tabs);
    }
    if (message.type === "event") {
      const { event } = message;
      this.#context.histories.saw(event);
      const following = this.#following.get(event.sandboxId);
      following?.event(event);
      this.#note(event.sandboxId, following?.sandbox ?? event.changes);
      const facts = this.facts(event.sandboxId);
      [facts.epoch, facts.seq] = [event.epoch, event.seq];
      return;
    }
    if (message.type === "sandbox.left") return void this.#following.delete(message.sandboxId);
    if (message.type === "browser.tabs") return this.#tabs(message.sandboxId, message.tabs);
    if (message.type !== "result") return;
    // Which sandbox it is about is not said; its request is what others need.
    const { handoff } = message.result;
    if (handoff) for (const facts of this.#facts.values()) facts.requestId ??= handoff.requestId;
  }

  #note(
    sandboxId: string,
    known: { handoff?: { requestId: string } | null; epoch?: number } | undefined,
  ): void {
    const facts = this.facts(sandboxId);
    if (known?.handoff) facts.requestId = known.handoff.requestId;
    if (known?.epoch !== undefined) facts.epoch = known.epoch;
  }

  #tabs(sandboxId: string, tabs: readonly { number: number; tabId: string; active: boolean }[]): void {
    const facts = this.facts(sandboxId);
    facts.tab = tabs.find(({ active }) => active)?.number;
    facts.tabId = tabs.at(-1)?.tabId;
  }

  #frame(bytes: Buffer): void {
    const frame = decodeFrame(bytes);
    if (!frame) throw new Violation(`not a frame: ${bytes.subarray(0, FRAME_HEADER_BYTES).toString("hex")}`);
  }

  #checkClose(code: number, reason: string): void {
    const because: Record<number, boolean> = {
      1009: this.#largestBytes > MAX_MESSAGE_BYTES,
      [CLOSE.protocol_error.code]: this.#mistakes > FORGIVEN,
      [CLOSE.unsupported_version.code]: this.#otherVersion,
      [CLOSE.hello_timeout.code]: !this.#greeted,
      // Who speaks of tokens must have good ones.
      [CLOSE.unauthorized.code]: true,
    };
    if (because[code] ?? ALWAYS_POSSIBLE.has(code)) return;
    throw new Violation(`a socket was closed without a cause: ${code} ${reason}`);
  }
}
