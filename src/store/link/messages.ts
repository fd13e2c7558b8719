/** What goes over the link, JSON each. Both ends are of one version: nothing here is checked. */
import type { ErrorCode, ErrorDetails } from "../../../protocol/errors.ts";
import type { SandboxEvent } from "../../../protocol/sandbox.ts";
import type { LobbyChange, NodeMembers, Store } from "../store.ts";

/** Methods that are a question and an answer. */
export const METHODS = [
  "create",
  "now",
  "load",
  "confirm",
  "commit",
  "remove",
  "read",
  "list",
  "due",
  "announce",
  "roster",
  "beat",
  "leave",
  "mark",
  "marksSince",
  "appendAudit",
  "readAudit",
  "auditHead",
  "healthy",
] as const satisfies readonly (keyof Store)[];
export type Method = (typeof METHODS)[number];

export type ToHost =
  | { readonly kind: "call"; readonly id: number; readonly method: Method; readonly args: readonly unknown[] }
  /** `topic` is the worker's name for it. Without a sandbox: the lobby. Answered once every later commit is told. */
  | { readonly kind: "subscribe"; readonly id: number; readonly topic: number; readonly sandboxId?: string }
  | { readonly kind: "unsubscribe"; readonly topic: number };

export type ToWorker =
  /** Without a value: the method answers nothing. */
  | { readonly kind: "answer"; readonly id: number; readonly value?: unknown }
  | {
      readonly kind: "refusal";
      readonly id: number;
      readonly code: ErrorCode;
      readonly message: string;
      readonly details?: ErrorDetails;
    }
  | { readonly kind: "event"; readonly topic: number; readonly it: SandboxEvent }
  | { readonly kind: "roster"; readonly topic: number; readonly it: NodeMembers }
  | { readonly kind: "removed"; readonly topic: number }
  | { readonly kind: "lobby"; readonly topic: number; readonly it: LobbyChange }
  /** The worker did not take what it was told for so long that some of it was dropped, of any topic. */
  | { readonly kind: "lost" };
