/**
 * Who may see the page (G3). In a private takeover only the controller does. The curtain falls no later than anybody
 * here hears of it, and rises only when a drain has ended without privacy: by then nothing of the private time is
 * under way any more.
 */
import { encodeDown } from "../../protocol/codec.ts";
import type { DownMessage } from "../../protocol/down.ts";
import type { Dialog, Tab } from "../../protocol/preview.ts";
import type { Sandbox } from "../../protocol/sandbox.ts";
import type { Catchup } from "../store/store.ts";
import { SharedText } from "../transport/shared-text.ts";
import { standsFor, type Client, type Member } from "./member.ts";
import type { Preview } from "./preview.ts";

type Known = Pick<Sandbox, "seq" | "control">;

/** What of the page is behind the curtain. */
export interface Stage {
  readonly preview: Pick<Preview, "conceal" | "reveal">;
  readonly tabs: Tab[];
  readonly dialog: Dialog | null;
}

export interface CurtainHooks {
  readonly sandboxId: string;
  readonly members: ReadonlyMap<string, Member>;
  readonly stage: () => Stage;
}

export class Curtain {
  readonly #hooks: CurtainHooks;
  #drawn: boolean;
  #controller: string | undefined;
  /** Number of the last event that is known to have happened, which the replica may not have heard of yet. */
  #ahead = 0;

  /** A drain that was found under way may be the end of a private time that nobody here has seen. */
  constructor({ control }: Known, hooks: CurtainHooks) {
    this.#hooks = hooks;
    this.#drawn = isPrivate(control) || control.phase === "draining";
    this.#controller = control.controller;
  }

  sees(client: Pick<Client, "role" | "name">): boolean {
    return !this.#drawn || standsFor(client, this.#controller);
  }

  isSeenBy(connectionId: string): boolean {
    const member = this.#hooks.members.get(connectionId);
    return member !== undefined && this.sees(member.client);
  }

  /** What this client may see of the page beside its picture. */
  pageFor(client: Client): { tabs: Tab[]; dialog: Dialog | null } {
    if (!this.sees(client)) return { tabs: [], dialog: null };
    const { tabs, dialog } = this.#hooks.stage();
    return { tabs, dialog };
  }

  /** Sends to those who may see the page. */
  show(message: DownMessage): void {
    const text = new SharedText(encodeDown(message));
    for (const { client, backlog } of this.#hooks.members.values())
      if (!backlog && this.sees(client)) client.sendText(text);
  }

  /** The replica moved on by one event. Nobody was told yet. */
  follow(known: Known): void {
    if (known.seq < this.#ahead) return;
    const { control } = known;
    this.#move(control, isPrivate(control) || (this.#drawn && control.phase === "draining"));
  }

  /** The replica holds everything that the store has. */
  reached(known: Known): void {
    this.#ahead = 0;
    this.follow(known);
  }

  /** The replica was replaced: what happened in between is unknown, and what was thought to be ahead may be lost. */
  restart({ control }: Known): void {
    this.#ahead = 0;
    this.#move(control, isPrivate(control) || control.phase === "draining");
  }

  /** The store told somebody here of a state that the replica has yet to reach. */
  foresee({ seq, control }: Known, replica: Known): void {
    if (seq <= Math.max(replica.seq, this.#ahead) || !isPrivate(control)) return;
    this.#ahead = seq;
    this.#move(control, true);
  }

  /** The same from what a joining member is about to be told. */
  foreseeIn(past: Catchup, replica: Known): void {
    if (past.kind === "snapshot") return this.foresee(past.snapshot, replica);
    for (const { seq, changes } of past.events)
      if (changes.control) this.foresee({ seq, control: changes.control }, replica);
  }

  /** Takes the page from those who may no longer see it, and gives it to those who now may, before this returns. */
  #move({ controller }: Known["control"], drawn: boolean): void {
    // Everybody saw, and sees: most events of most sandboxes.
    if (!this.#drawn && !drawn) {
      this.#controller = controller;
      return;
    }
    const { sandboxId, members, stage } = this.#hooks;
    const saw = new Set([...members.values()].filter(({ client }) => this.sees(client)));
    const rises = this.#drawn && !drawn;
    this.#controller = controller;
    this.#drawn = drawn;
    const changed = [...members.values()].filter((member) => this.sees(member.client) !== saw.has(member));
    for (const { client, backlog } of changed) {
      // Who is still joining is told with the rest.
      if (backlog) continue;
      const { tabs, dialog } = this.pageFor(client);
      client.send({ type: "browser.tabs", sandboxId, tabs });
      client.send({ type: "browser.dialog", sandboxId, dialog });
    }
    if (rises) stage().preview.reveal();
    else if (changed.length > 0) stage().preview.conceal();
  }
}

function isPrivate({ privacy }: Known["control"]): boolean {
  return privacy === "private";
}
