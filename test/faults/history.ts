/**
 * What a run saw, in the order in which the runner saw it. The checker reads nothing else, so that a history on disk
 * can be judged again. Times are epoch milliseconds; every process of a run reads the same machine's clock.
 */
import { createWriteStream, type WriteStream } from "node:fs";
import type { ErrorCode } from "../../protocol/errors.ts";
import type { Handoff } from "../../protocol/handoff.ts";
import type { Position } from "../../protocol/ids.ts";
import type { Sandbox, SandboxEvent } from "../../protocol/sandbox.ts";

export type CallOp = "request" | "accept" | "complete" | "cancel" | "take" | "release" | "pass";

export type Fact =
  /** The sandbox as it was created: what the log is applied to. */
  | { readonly kind: "created"; readonly sandbox: Sandbox }
  /** `forMs`: how long it lasts; 0 for a moment. */
  | { readonly kind: "fault"; readonly fault: string; readonly target: string; readonly forMs: number }
  | { readonly kind: "healed"; readonly fault: string; readonly target: string }
  /** A fault that the run could not inflict or lift. */
  | { readonly kind: "note"; readonly text: string }
  /** `key` is also the handoff's message (request) or note (complete, cancel), so that the log names the call. */
  | {
      readonly kind: "call";
      readonly call: string;
      readonly op: CallOp;
      readonly actor: string;
      readonly to?: string;
      readonly resumes?: boolean;
    }
  | { readonly kind: "answered"; readonly call: string; readonly handoff: Handoff | null }
  | { readonly kind: "refused"; readonly call: string; readonly code: ErrorCode }
  /** Nobody can say what became of it. */
  | { readonly kind: "abandoned"; readonly call: string; readonly why: string }
  /** `epoch` is absent when the sender says none. `hand`: whose input the gateway must take it for. */
  | {
      readonly kind: "input";
      readonly tag: string;
      readonly hand: string;
      readonly node: string;
      readonly epoch?: number;
    }
  | { readonly kind: "input.done"; readonly tag: string }
  | { readonly kind: "input.refused"; readonly tag: string; readonly code: ErrorCode }
  | {
      readonly kind: "join";
      readonly actor: string;
      readonly socket: number;
      readonly id: string;
      readonly since?: Position;
    }
  | {
      readonly kind: "joined";
      readonly actor: string;
      readonly socket: number;
      readonly id: string;
      readonly node: string;
      readonly position: Position;
      readonly snapshot?: Sandbox;
    }
  | {
      readonly kind: "event";
      readonly actor: string;
      readonly socket: number;
      readonly node: string;
      readonly event: SandboxEvent;
    }
  /** A resume prompt was offered to an agent, and what became of its claim: `code` when it was refused. */
  | { readonly kind: "prompt"; readonly actor: string; readonly node: string; readonly requestId: string }
  | {
      readonly kind: "claimed";
      readonly actor: string;
      readonly node: string;
      readonly requestId: string;
      readonly code?: ErrorCode;
    }
  /** An agent's handler was run. */
  | { readonly kind: "handled"; readonly actor: string; readonly requestId: string }
  /** An input as the page saw it; `at` is the page's clock, `n` the page's own count. */
  | { readonly kind: "page"; readonly n: number; readonly tag: string }
  /** What the SDK of this actor shows at the end. */
  | { readonly kind: "shown"; readonly actor: string; readonly sandbox: Sandbox }
  /** What a node answers at the end, when everything is quiet. */
  | {
      readonly kind: "final";
      readonly node: string;
      readonly sandbox: Sandbox;
      readonly log: SandboxEvent[];
    };

export type Entry = Fact & { readonly at: number };
export type EntryOf<K extends Fact["kind"]> = Extract<Entry, { kind: K }>;

export function ofKind<K extends Fact["kind"]>(history: readonly Entry[], kind: K): EntryOf<K>[] {
  return history.filter((entry): entry is EntryOf<K> => entry.kind === kind);
}

export class History {
  readonly entries: Entry[] = [];
  readonly path: string;
  readonly #file: WriteStream;

  /** @param path NDJSON, one entry a line, written as the run goes */
  constructor(path: string) {
    this.path = path;
    this.#file = createWriteStream(path);
  }

  add(fact: Fact, at: number = Date.now()): void {
    const entry: Entry = { ...fact, at };
    this.entries.push(entry);
    this.#file.write(`${JSON.stringify(entry)}\n`);
  }

  /** Resolves when everything is on disk. */
  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.#file.end(resolve));
  }
}
