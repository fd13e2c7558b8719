/** One client in one room, as the room sees it. */
import type { AgentPolicy } from "../../protocol/agent.ts";
import type { DownMessage } from "../../protocol/down.ts";
import type { Position } from "../../protocol/ids.ts";
import type { SandboxEvent } from "../../protocol/sandbox.ts";
import type { Role } from "../../protocol/sandbox.ts";
import type { SharedText } from "../transport/shared-text.ts";
import type { FrameSink } from "./preview.ts";

/** What a room may do with a client. Sessions implement it for sockets, the event stream for HTTP. */
export interface Client extends FrameSink {
  readonly connectionId: string;
  readonly clientId: string;
  readonly name: string;
  readonly role: Role;
  /** Of an agent's CDP socket: `held` commands wait for control to return. */
  readonly cdp?: { readonly policy: AgentPolicy; readonly held: number };
  send(message: DownMessage): void;
  /** The same, encoded once for all who get it. */
  sendText(text: SharedText): void;
  /** The room can no longer bring this client up to date; it must come back with its position. */
  lost(): void;
  /** The sandbox is gone, and with it the membership. */
  removed(sandboxId: string): void;
}

export interface JoinOptions {
  /** Ties the answer to its request. */
  readonly id: string;
  /** The client's position; events after it are sent if the log still has them, else a snapshot. */
  readonly since?: Position;
  /** Takes resume prompts. */
  readonly resume?: boolean;
  /** Reads the log only: needs no browser, and is not shown to others. */
  readonly passive?: boolean;
}

export interface Member extends Required<Pick<JoinOptions, "resume" | "passive">> {
  readonly client: Client;
  /** Number of the last event this client was given. */
  seq: number;
  /** Events that arrive while the client's past is being read; `null` once it is up to date. */
  backlog: { readonly event: SandboxEvent; readonly text: SharedText }[] | null;
}

/** People, and programs that stand in for one by name. Their leaving starts the grace time (H5). */
export function standsFor(client: Pick<Client, "role" | "name">, controller: string | undefined): boolean {
  return client.name === controller && client.role !== "agent" && client.role !== "viewer";
}
