/** A WebSocket whose every message and whose end somebody judges. */
import { once } from "node:events";
import type { WebSocket } from "ws";
import { within } from "./within.ts";

const OPEN_MS = 10_000;

export interface Judge {
  /** May throw: what is wrong with it. */
  message(data: Buffer, isBinary: boolean): void;
  /** An end that this side did not ask for. May throw. */
  closed(code: number, reason: string): void;
  wrong(error: Error): void;
}

export class JudgedSocket {
  readonly #socket: WebSocket;
  readonly #gone: Promise<void>;
  #ownEnd = false;
  #closed = false;
  #changed: () => void = () => {};

  constructor(socket: WebSocket, judge: Judge) {
    this.#socket = socket;
    const judged = (look: () => void): void => {
      try {
        look();
      } catch (error) {
        judge.wrong(error as Error);
      }
      this.#changed();
    };
    socket.on("error", () => {});
    socket.on("message", (data: Buffer, isBinary: boolean) => judged(() => judge.message(data, isBinary)));
    this.#gone = new Promise((resolve) => {
      socket.once("close", (code: number, reason: Buffer) => {
        this.#closed = true;
        judged(() => {
          if (!this.#ownEnd) judge.closed(code, reason.toString());
        });
        resolve();
      });
    });
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Rejects when it is not open in time. */
  async opened(what: string): Promise<void> {
    await within(once(this.#socket, "open"), `the handshake of ${what}`, OPEN_MS);
  }

  send(data: string | Uint8Array): void {
    if (!this.#closed) this.#socket.send(data);
  }

  async close(): Promise<void> {
    this.#ownEnd = true;
    this.#socket.close();
    await within(this.#gone, "the end of a socket", OPEN_MS).catch(() => this.#socket.terminate());
  }

  cut(): void {
    this.#ownEnd = true;
    this.#socket.terminate();
  }

  /** Resolves when `check` holds, or the socket is closed. Rejects when neither comes in time. */
  async until(check: () => boolean, deadlineMs: number, what: string): Promise<void> {
    const over = (): boolean => check() || this.#closed;
    if (over()) return;
    const done = new Promise<void>((resolve) => {
      this.#changed = () => {
        if (over()) resolve();
      };
    });
    try {
      await within(done, what, deadlineMs);
    } finally {
      this.#changed = () => {};
    }
  }
}
