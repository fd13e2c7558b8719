import { batch, computed, signal } from "@preact/signals";
import type { Dialog, Tab } from "../../../protocol/preview.ts";
import type { Member, Sandbox } from "../../../protocol/sandbox.ts";
import type { BatonClient, SandboxHandle, SandboxUpdate } from "../../sdk/api.ts";
import { viewControl } from "../lib/control-view.ts";
import { whyMissing } from "../lib/rights.ts";
import { appendEntries, describeEvent, describePast, type TimelineEntry } from "../lib/event-words.ts";
import type { Outcome } from "../lib/outcome-words.ts";
import { grant, leaseHandle, rights } from "./connection.ts";
import { Picture } from "./picture.ts";
import { showError, showRefusal } from "./toasts.ts";

/** One sandbox as the viewer shows it: state, picture, timeline and calls. */
export class Room {
  readonly me: string;
  readonly handle: SandboxHandle;
  readonly picture = new Picture();

  readonly sandbox = signal<Sandbox | undefined>(undefined);
  readonly members = signal<readonly Member[]>([]);
  /** How many are here beside those. */
  readonly moreMembers = signal(0);
  readonly tabs = signal<readonly Tab[]>([]);
  readonly dialog = signal<Dialog | null>(null);
  readonly connected = signal(false);
  /** Why there is nothing to show: no such sandbox, or it was removed. */
  readonly missing = signal<string | undefined>(undefined);
  readonly timeline = signal<readonly TimelineEntry[]>([]);
  readonly outcome = signal<Outcome | undefined>(undefined);
  /** The call that runs now, for the button that started it. */
  readonly busy = signal<string | undefined>(undefined);
  /** Survives closing the panel: nobody types a note twice. */
  readonly note = signal("");
  readonly donePanelOpen = signal(false);
  readonly takeOverAsked = signal(false);
  readonly shareAsked = signal(false);

  readonly control = computed(() => {
    const sandbox = this.sandbox.value;
    return sandbox === undefined ? undefined : viewControl(sandbox, this.me, rights.value);
  });
  readonly youHold = computed(() => this.connected.value && this.control.value?.youHold === true);
  readonly youDrive = computed(() => this.connected.value && this.control.value?.youDrive === true);
  /** Another person drives in private: there is nothing of the page to show (G3). */
  readonly hidden = computed(() => this.control.value?.hidden === true);
  readonly activeTab = computed(() => this.tabs.value.find((tab) => tab.active));

  readonly #ends: (() => void)[] = [];

  constructor(client: BatonClient, sandboxId: string) {
    this.me = client.name;
    const { handle, release } = leaseHandle(client, sandboxId);
    this.handle = handle;
    this.#ends.push(
      release,
      handle.subscribe(
        (update) => this.#update(update),
        (error) => {
          this.missing.value = whyMissing(error, grant.peek());
        },
      ),
      handle.input.onRefused(showRefusal),
    );
  }

  /** Runs a call, one at a time; a refusal becomes a toast. Resolves to whether it succeeded. */
  async run(name: string, call: () => Promise<unknown>): Promise<boolean> {
    if (this.busy.peek() !== undefined) return false;
    this.busy.value = name;
    try {
      await call();
      return true;
    } catch (error) {
      showError(error);
      return false;
    } finally {
      this.busy.value = undefined;
    }
  }

  /** Input whose refusal the person should see. */
  attempt(input: Promise<unknown>): void {
    input.catch(showError);
  }

  close(): void {
    for (const end of this.#ends.splice(0)) end();
    this.picture.dispose();
  }

  #update(update: SandboxUpdate): void {
    batch(() => {
      const previous = this.sandbox.peek();
      this.sandbox.value = update.sandbox;
      this.members.value = update.members;
      this.moreMembers.value = update.moreMembers;
      this.tabs.value = update.tabs;
      this.dialog.value = update.dialog;
      this.connected.value = update.connected;
      if (this.hidden.value) this.picture.forget();
      // Another life of this name: the gateway came back without its memory, or the sandbox was made anew.
      if (previous === undefined || previous.createdAt !== update.sandbox.createdAt) {
        const known = update.event !== undefined && !/^(?:handoff|sandbox)\./.test(update.event.type);
        this.timeline.value = appendEntries(
          describePast(update.sandbox, this.me),
          // A handle that was in use already tells its last event; the snapshot's past holds those of the handoff.
          known ? [describeEvent(update.event, this.me)] : [],
        );
      } else if (update.event !== undefined) {
        const entry = describeEvent(update.event, this.me);
        this.timeline.value = appendEntries(this.timeline.peek(), [entry]);
      } else if (update.sandbox.seq > previous.seq) {
        const at = update.sandbox.updatedAt;
        this.timeline.value = appendEntries(this.timeline.peek(), [
          { key: `gap.${update.sandbox.seq}`, at, tone: "plain", text: "Caught up after a gap" },
        ]);
      }
      if (update.sandbox.handoff?.status === "pending") this.#forgetOldOutcome(update.sandbox);
    });
  }

  #forgetOldOutcome(sandbox: Sandbox): void {
    const outcome = this.outcome.peek();
    if (outcome !== undefined && outcome.requestId !== sandbox.handoff?.requestId)
      this.outcome.value = undefined;
  }
}
