/** An agent's CDP socket that sends whatever a script says. Every message it sends is answered once, or the socket ends. */
import { WebSocket } from "ws";
import { CLOSE, ERRORS } from "../../protocol/errors.ts";
import { scanCommand } from "../../src/cdp/scan.ts";
import { SESSION } from "./cdp-messages.ts";
import { count, type Tally } from "./socket-client.ts";
import { shown, Violation } from "./violation.ts";
import { JudgedSocket } from "./judged-socket.ts";

/** Why the gate itself refuses, beside the documented codes. */
const GATE_CODES: ReadonlySet<string> = new Set(["private"]);

interface CdpMessage {
  readonly id?: number;
  readonly method?: string;
  readonly params?: { readonly sessionId?: string };
  readonly result?: object;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: string };
}

interface Asked {
  readonly text: string;
  readonly sessionId: string | undefined;
}

export interface CdpContext {
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly tally: Tally;
  readonly wrong: (error: Error) => void;
  /** The sandbox was removed, or its browser said what no browser says: connections may end for it. */
  readonly mayEnd: () => boolean;
}

export class CdpClient {
  readonly #context: CdpContext;
  readonly #socket: JudgedSocket;
  /** Messages without an answer, by id; those that have none are `none`. */
  readonly #due = new Map<string, Asked[]>();
  /** Answers that may still come although their session has ended, by id. */
  readonly #excused = new Map<string, number>();
  #session: string | undefined;
  #askedToClose = false;
  #syncs = 0;

  static async open(context: CdpContext): Promise<CdpClient> {
    const client = new CdpClient(context);
    await client.#socket.opened("an agent");
    return client;
  }

  private constructor(context: CdpContext) {
    this.#context = context;
    const socket = new WebSocket(context.url, { perMessageDeflate: false, headers: context.headers });
    this.#socket = new JudgedSocket(socket, {
      message: (data) => this.#message(data.toString("utf8")),
      closed: (code, reason) => this.#checkClose(code, reason),
      wrong: context.wrong,
    });
  }

  get closed(): boolean {
    return this.#socket.closed;
  }

  send(text: string): void {
    this.bytes(Buffer.from(text.replaceAll(SESSION, this.#session ?? "S0"), "utf8"));
  }

  bytes(bytes: Uint8Array): void {
    if (this.#socket.closed) return;
    const scanned = scanCommand(Buffer.from(bytes));
    const id = scanned.ok ? scanned.envelope.id : scanned.id;
    if (scanned.ok && scanned.envelope.method === "Browser.close") this.#askedToClose = true;
    const key = id === undefined ? "none" : String(id);
    const due = this.#due.get(key) ?? [];
    this.#due.set(key, due);
    due.push({
      text: Buffer.from(bytes).toString("utf8"),
      sessionId: scanned.ok ? scanned.envelope.sessionId : undefined,
    });
    this.#socket.send(bytes);
  }

  /** Resolves when what was sent before was read: the gate answers this one itself. */
  async roundTrip(deadlineMs: number): Promise<void> {
    this.#syncs += 1;
    const id = 1_000_000 + this.#syncs;
    this.send(JSON.stringify({ id, method: "Baton.disable" }));
    await this.#until(() => !this.#due.has(String(id)), deadlineMs);
  }

  async answered(deadlineMs: number): Promise<void> {
    await this.#until(() => this.#due.size === 0, deadlineMs);
  }

  close(): Promise<void> {
    return this.#socket.close();
  }

  cut(): void {
    this.#socket.cut();
  }

  async #until(check: () => boolean, deadlineMs: number): Promise<void> {
    await this.#socket.until(check, deadlineMs, "an answer").catch(() => {
      const owed = [...this.#due.values()].flat().map(({ text }) => shown(text));
      throw new Violation(`no answer within ${deadlineMs} ms to ${owed.slice(0, 5).join(" ; ")}`);
    });
  }

  #message(text: string): void {
    const message = JSON.parse(text) as CdpMessage;
    if (message.method !== undefined) {
      if (typeof message.params !== "object") throw new Violation(`an event without params: ${shown(text)}`);
      count(this.#context.tally.answers, "cdp event");
      const { sessionId } = message.params;
      if (message.method === "Target.attachedToTarget") this.#session = sessionId ?? this.#session;
      if (message.method === "Target.detachedFromTarget" && sessionId !== undefined) this.#excuse(sessionId);
      return;
    }
    const { id, result, error } = message;
    count(this.#context.tally.answers, error ? "cdp error" : "cdp result");
    if ((result === undefined) === (error === undefined))
      throw new Violation(`neither result nor error: ${shown(text)}`);
    if (error) this.#refusal(error, text);
    const key = id === undefined ? "none" : String(id);
    const due = this.#due.get(key);
    const excused = this.#excused.get(key) ?? 0;
    if (!due && excused > 0) return void this.#excused.set(key, excused - 1);
    if (!due) throw new Violation(`answered, but not asked, or answered before: ${shown(text)}`);
    due.pop();
    if (due.length === 0) this.#due.delete(key);
  }

  /** Chromium answers nothing more for a session that has ended. */
  #excuse(sessionId: string): void {
    for (const [key, due] of this.#due) {
      const left = due.filter((asked) => asked.sessionId !== sessionId);
      if (left.length === due.length) continue;
      this.#excused.set(key, (this.#excused.get(key) ?? 0) + due.length - left.length);
      if (left.length === 0) this.#due.delete(key);
      else this.#due.set(key, left);
    }
  }

  #refusal({ code, message, data }: NonNullable<CdpMessage["error"]>, text: string): void {
    if (!Number.isInteger(code) || message === "") throw new Violation(`no CDP error: ${shown(text)}`);
    if (data === undefined) return;
    const { code: reason } = JSON.parse(data) as { code?: string };
    if (reason === undefined) return;
    count(this.#context.tally.codes, reason);
    if (reason === "internal" || !(Object.hasOwn(ERRORS, reason) || GATE_CODES.has(reason)))
      throw new Violation(`not a documented code: ${shown(text)}`);
  }

  #checkClose(code: number, reason: string): void {
    const because: Record<number, boolean> = {
      [CLOSE.normal.code]: this.#askedToClose,
      [CLOSE.browser_gone.code]: this.#context.mayEnd(),
      [CLOSE.internal.code]: this.#context.mayEnd(),
      [CLOSE.resync.code]: true,
      [CLOSE.rate_limited.code]: true,
    };
    if (because[code] !== true)
      throw new Violation(`an agent's socket was closed without a cause: ${code} ${reason}`);
  }
}
