/** A room's hold on its browser: attached while somebody needs it, with the gate and the preview that go with it. */
import type { LookupFunction } from "node:net";
import type { DownMessage } from "../../protocol/down.ts";
import { BatonError } from "../../protocol/errors.ts";
import type { InputEvent } from "../../protocol/input.ts";
import type { Dialog, Tab } from "../../protocol/preview.ts";
import type { Sandbox } from "../../protocol/sandbox.ts";
import { nanoid } from "nanoid";
import type { BrowserLink } from "../browser/browser.ts";
import type { Driver } from "../core/access.ts";
import { GATE_LEASE_MS, type Command, type CommandOf } from "../core/commands.ts";
import { sandboxNotFound, type Outcome } from "./dispatch.ts";
import { publicView, type SandboxState } from "../core/state.ts";
import { Gate, isBehind, type Aim, type Known } from "./gate.ts";
import { Preview } from "./preview.ts";
import { now } from "./proof.ts";
import { TabNumbers } from "./tab-numbers.ts";
import type { RoomContext } from "./context.ts";
import { untilStored } from "./until-stored.ts";

export interface AttachmentHooks {
  readonly dispatch: (command: Command) => Promise<Outcome>;
  /** To those who may see the page (G3). */
  readonly show: (message: DownMessage) => void;
  readonly sees: (connectionId: string) => boolean;
  readonly send: (connectionIds: readonly string[], message: DownMessage) => void;
  readonly current: () => Sandbox;
  /** The store knows other than what events have told. */
  readonly missed: () => void;
}

/** Where an agent's own connection goes in. */
export interface Entrance {
  readonly gate: Gate;
  readonly link: BrowserLink;
  /** `ws(s)://` address of the very browser that the gate stands before. */
  readonly endpoint: string;
  /** Where its host name leads. Undefined: wherever the system says. */
  readonly lookup: LookupFunction | undefined;
}

interface Attached {
  readonly gateId: string;
  readonly attachedAt: number;
  readonly link: BrowserLink;
  readonly gate: Gate;
}

/** How long an input waits for the very first connection to the browser. */
const FIRST_INPUT_MS = 5_000;
/** Inputs that wait so; more are refused. */
const MAX_WAITING = 256;
/** How long a detach waits for a page that does not answer. */
const DETACH_MS = 3_000;

export class Attachment {
  readonly preview: Preview;
  readonly #sandboxId: string;
  readonly #context: RoomContext;
  readonly #hooks: AttachmentHooks;
  #attached: Attached | null = null;
  /** Attaching and detaching take turns. */
  #turn: Promise<void> = Promise.resolve();
  #turns = 0;
  /** The browser's status goes to the store in order. */
  #reports: Promise<void> = Promise.resolve();
  #waiting = 0;
  #replacing = false;
  readonly #numbers = new TabNumbers();
  #closed = false;

  constructor(sandboxId: string, context: RoomContext, hooks: AttachmentHooks) {
    this.#sandboxId = sandboxId;
    this.#context = context;
    this.#hooks = hooks;
    this.preview = new Preview(context.stream, {
      metrics: context.metrics,
      aliveMs: context.settings.aliveMs,
      tabNumber: (tabId) => this.#numbers.of(tabId),
      sees: hooks.sees,
      alive: (viewerIds, alive, seq) =>
        hooks.send(viewerIds, { type: "preview.alive", sandboxId, alive, seq, serverTime: Date.now() }),
    });
    this.#queue(() => context.previous);
  }

  get tabs(): Tab[] {
    return this.#numbers.list(this.#attached?.link.tabs ?? []);
  }

  get dialog(): Dialog | null {
    return this.#attached?.link.dialog ?? null;
  }

  /** Somebody is here: attach, or stay attached. */
  need(): void {
    if (this.#closed || this.#attached) return;
    this.#queue(() => this.#attach());
  }

  update(sandbox: Sandbox): void {
    const attached = this.#attached;
    attached?.gate.update(sandbox);
    this.#follow(sandbox);
  }

  /** The store came back with something else than what was known. */
  reset(sandbox: Sandbox): void {
    this.#attached?.gate.reset(sandbox);
    this.#follow(sandbox);
  }

  /** What the store knew may be lost: it is asked before anything else is let through. */
  doubt(): void {
    this.#attached?.gate.doubt();
  }

  /** Says again how the browser looks from here: somebody may have said that this node is gone. */
  restate(): void {
    if (this.#attached) this.#status(this.#attached.gateId, this.#attached.link);
  }

  #follow(sandbox: Sandbox): void {
    const attached = this.#attached;
    if (!sandbox.browser || !attached || sandbox.browser.attachedAt === attached.attachedAt) return;
    if (this.#replacing) return;
    this.#replacing = true;
    this.#queue(async () => {
      this.#replacing = false;
      await this.#detach();
      await this.#attach();
    });
  }

  /** @throws BatonError `not_controller`, `browser_unavailable`, `stale_tab`, `invalid_message`, `input_overflow` */
  async submit(driver: Driver, aim: Aim, events: readonly InputEvent[]): Promise<void> {
    if (this.#turns > 0 || this.#attached?.link.status === "connecting") await this.#connected();
    if (!this.#attached) {
      throw new BatonError(
        "browser_unavailable",
        "This sandbox has no connected browser. Attach one, or wait until the preview is live.",
      );
    }
    await this.#attached.gate.submit(driver, aim, events);
  }

  /**
   * The gate, and the browser behind it, for an agent's own connection. Waits for a browser that is being attached.
   * @throws BatonError `browser_unavailable`, `input_overflow`
   */
  async entrance(): Promise<Entrance> {
    this.need();
    if (this.#turns > 0 || this.#attached?.link.status === "connecting") await this.#connected();
    const attached = this.#attached;
    const endpoint = attached?.link.endpoint;
    if (!attached || endpoint === undefined) {
      throw new BatonError(
        "browser_unavailable",
        "This sandbox has no connected browser. Attach one, or wait until the preview is live.",
        { ...(attached && { status: attached.link.status }) },
      );
    }
    return { gate: attached.gate, link: attached.link, endpoint, lookup: attached.link.lookup };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#queue(() => this.#detach());
    await this.#turn;
    this.preview.close();
  }

  /**
   * Whoever has only just come waits for the browser to be attached; the fence is checked when that is done.
   * @throws BatonError `input_overflow`
   */
  async #connected(): Promise<void> {
    if (this.#waiting >= MAX_WAITING) {
      throw new BatonError(
        "input_overflow",
        "The browser is not connected yet and too much input waits for it. Wait until the preview is live.",
      );
    }
    this.#waiting += 1;
    const signal = AbortSignal.timeout(FIRST_INPUT_MS);
    const late = new Promise<void>((resolve) => {
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
    try {
      await Promise.race([this.#turn, late]);
      if (this.#attached?.link.status === "connecting")
        await this.#attached.link.ready(signal).catch(() => {});
    } finally {
      this.#waiting -= 1;
    }
  }

  #queue(step: () => Promise<void>): void {
    this.#turns += 1;
    this.#turn = this.#turn
      .then(step)
      .catch((error: unknown) => {
        this.#context.log.error(
          { err: error, sandboxId: this.#sandboxId },
          "attaching or detaching the browser failed",
        );
      })
      .finally(() => (this.#turns -= 1));
  }

  async #attach(): Promise<void> {
    if (this.#attached || this.#closed) return;
    const wanted = (): boolean => !this.#closed;
    const loaded = await untilStored(() => this.#context.store.load(this.#sandboxId), wanted);
    if (!loaded?.state.browser || this.#closed) return;
    await this.#forgetGone(loaded.state);
    const gateId = nanoid();
    const { source, attachedAt } = loaded.state.browser;
    const link = this.#context.browsers.attach(this.#sandboxId, source);
    const register: CommandOf<"gate.open"> = {
      type: "gate.open",
      gateId,
      nodeId: this.#context.nodeId,
      attachedAt,
    };
    const gate = new Gate({
      link,
      metrics: this.#context.metrics,
      shownTab: () => {
        const shown = link.tabs.find(({ active }) => active);
        return shown && this.#numbers.of(shown.tabId);
      },
      drained: async (epoch) => {
        const outcome = await this.#persist(gateId, () => ({ type: "gate.drained", gateId, epoch }));
        // Too late: its lease had run out, and it was passed over.
        if (!outcome || Object.hasOwn(outcome.state.gates, gateId)) return;
        gate.missed();
        gate.doubt();
      },
      renew: async (epoch) => {
        await this.#hooks.dispatch({ type: "gate.renew", gateId, epoch, leaseMs: GATE_LEASE_MS });
      },
      confirm: () => this.#confirm(register, link),
    });
    this.#attached = { gateId, attachedAt, link, gate };
    link.subscribe({
      status: () => this.#status(gateId, link),
      tabs: () => this.#hooks.show({ type: "browser.tabs", sandboxId: this.#sandboxId, tabs: this.tabs }),
      dialog: (dialog) => this.#hooks.show({ type: "browser.dialog", sandboxId: this.#sandboxId, dialog }),
    });
    // Registered before it lets anything through: from here on no drain ends without this gate.
    let asked = now();
    let registered: Outcome | undefined;
    try {
      registered = await untilStored(() => {
        asked = now();
        return this.#hooks.dispatch(register);
      }, wanted);
      if (!registered) return;
    } catch (error) {
      this.#attached = null;
      await link.close();
      return ignoreMissing(error);
    }
    gate.open(publicView(registered.state), asked);
    // The replica may be ahead of that.
    this.update(this.#hooks.current());
    this.#status(gateId, link);
    this.preview.use(link);
  }

  /** What the store says now, once it knows this gate: a drain forgets one that was silent for its lease. */
  async #confirm(register: CommandOf<"gate.open">, link: BrowserLink): Promise<Known> {
    const { store } = this.#context;
    const before = this.#hooks.current();
    const confirmed = await store.confirm(this.#sandboxId);
    if (!confirmed) throw sandboxNotFound(this.#sandboxId);
    let { state } = confirmed;
    if (isBehind(state, before)) {
      // The store came back without what was already in force: the room finds out, and settles it.
      this.#hooks.missed();
      throw new BatonError(
        "unavailable",
        "The store lost its last changes, and control is being settled anew. Look who drives, then send it again.",
      );
    }
    if (!Object.hasOwn(state.gates, register.gateId)) {
      ({ state } = await this.#hooks.dispatch(register));
      if (this.#attached?.gateId === register.gateId) this.#attached.gate.missed();
      this.#status(register.gateId, link);
    }
    if (state.seq !== this.#hooks.current().seq) this.#hooks.missed();
    return publicView(state);
  }

  /** A node that was killed leaves its gate behind, and what it saw of the browser. */
  async #forgetGone(state: SandboxState): Promise<void> {
    const { store, nodeId: here, nodes } = this.#context;
    const forget = async (command: Command): Promise<void> => {
      await this.#hooks.dispatch(command).catch(() => {});
    };
    // Only one whose end is certain need not be waited for: also this node's own earlier one.
    for (const [gateId, { nodeId }] of Object.entries(state.gates))
      if (store.exclusive || nodeId === here) await forget({ type: "gate.close", gateId });
    const gone = new Set(Object.values(state.gates).flatMap(({ nodeId, status }) => (status ? nodeId : [])));
    for (const nodeId of gone) if (!nodes.isLiving(nodeId)) await forget({ type: "node.gone", nodeId });
  }

  async #detach(): Promise<void> {
    const attached = this.#attached;
    if (!attached) return;
    const { gateId, link, gate } = attached;
    this.#attached = null;
    this.preview.use(null);
    // A hung page must not keep a shutdown waiting for ever. Closing the link ends the wait.
    const hung = setTimeout(() => void link.close(), DETACH_MS);
    await gate.close();
    clearTimeout(hung);
    await link.close();
    await this.#reports;
    await this.#hooks.dispatch({ type: "gate.close", gateId }).catch(ignoreMissing);
  }

  #status(gateId: string, link: BrowserLink): void {
    // What is true when its turn comes: an earlier status must not overwrite it.
    const report = (): Command => ({ type: "gate.status", gateId, status: link.status });
    this.#reports = this.#reports.then(async () => void (await this.#persist(gateId, report)));
  }

  /** Until it is stored or this gate is gone: others wait for it. */
  async #persist(gateId: string, command: () => Command): Promise<Outcome | undefined> {
    const wanted = (): boolean => this.#attached?.gateId === gateId;
    if (!wanted()) return undefined;
    try {
      return await untilStored(() => this.#hooks.dispatch(command()), wanted);
    } catch (error) {
      if (!(error instanceof BatonError && error.code === "sandbox_not_found"))
        this.#context.log.error({ err: error, sandboxId: this.#sandboxId }, "a gate could not report");
      return undefined;
    }
  }
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof BatonError && error.code === "sandbox_not_found")) throw error;
}
