/**
 * The last check before anything reaches a browser: one per browser and node. It lets through only the input of the
 * party that may drive in the epoch it knows, only for a short time after the store confirmed that epoch, and proves
 * to the others that nothing older is under way (C1 to C6).
 */
import { BatonError } from "../../protocol/errors.ts";
import type { InputEvent } from "../../protocol/input.ts";
import type { Sandbox } from "../../protocol/sandbox.ts";
import { isNamed, mayDrive, type Driver } from "../core/access.ts";
import { GATE_LEASE_MS } from "../core/commands.ts";
import { BrowserError, type BrowserLink } from "../browser/browser.ts";
import type { Metrics } from "../ops/metrics.ts";
import type { Channel } from "./channel.ts";
import { PrivateTime } from "./private-time.ts";
import { Proof, unproven, type Moment } from "./proof.ts";

export interface GateOptions {
  readonly link: BrowserLink;
  readonly metrics: Metrics;
  /** Number of the tab that input goes to now. */
  readonly shownTab: () => number | undefined;
  /** Nothing older than `epoch` is under way: tell everybody. */
  readonly drained: (epoch: number) => Promise<void>;
  /** The page has not answered yet: keep the others waiting. */
  readonly renew: (epoch: number) => Promise<void>;
  /**
   * Asks the store who drives, and makes sure that drains know of this gate. What it resolves to was true at a moment
   * after the call. Rejects with `BatonError` when that cannot be known.
   */
  readonly confirm: () => Promise<Known>;
}

/** A drain that lasts longer than this is taken for a page that hangs: it may then be left. */
const HUNG_MS = 1_000;

/** What the sender of input believed: refused when it is no longer so. */
export interface Aim {
  readonly epoch?: number;
  readonly tab?: number;
}

export type Known = Pick<Sandbox, "epoch" | "seq" | "control"> & Partial<Pick<Sandbox, "handoff">>;

/** Of an earlier moment; when it is read later, of a history that the store lost the end of. */
export function isBehind(
  state: Pick<Sandbox, "epoch" | "seq">,
  known: Pick<Sandbox, "epoch" | "seq">,
): boolean {
  return state.epoch < known.epoch || (state.epoch === known.epoch && state.seq < known.seq);
}

export class Gate {
  readonly #options: GateOptions;
  /** What this gate believes. `null`: nothing yet, or no more: closed. */
  #known: Known | null = null;
  #open = false;
  #draining: Promise<void> | null = null;
  #drainingSince = Infinity;
  /** Epochs up to this one are of a history that the store lost: nothing goes on under them. */
  #lost = 0;
  readonly #proof: Proof;
  readonly #channels = new Set<Channel>();
  readonly #private: PrivateTime;
  #passedOver = 0;

  constructor(options: GateOptions) {
    this.#options = options;
    this.#private = new PrivateTime(options.link);
    this.#proof = new Proof(async () => this.update(await options.confirm()));
  }

  /**
   * Nothing passes before this. Everybody must know of the gate by then: a drain waits for those it knows (C2).
   * @param asked when the store was asked for that: what it answered is a first proof (C3)
   */
  open(known: Known, asked: Moment): void {
    this.#open = true;
    if (known.control.privacy && known.control.phase === "active") this.#private.missed();
    this.update(known);
    this.#proof.start(asked);
  }

  /** Learns a newer state. The old holder is shut out before this returns; the drain goes on by itself. */
  update(known: Known): void {
    if (!this.#open || known.epoch <= this.#lost) return;
    const before = this.#known;
    if (before && !isBehind(before, known)) return;
    this.#known = known;
    // A grant is acted upon only when the store confirms it: this gate may have been passed over, and then no drain
    // would wait for it; or the store may have lost the grant.
    const granted = before?.epoch !== known.epoch || before.control.phase !== "active";
    if (known.control.phase === "active" && granted) this.#proof.doubt();
    this.#tell();
    if (known.control.phase === "draining") this.#draining ??= this.#drain();
  }

  /** The store came back without what this gate knew: shut until who drives is settled under a newer epoch. */
  reset(known: Known): void {
    const before = this.#known?.epoch ?? 0;
    this.missed();
    this.#known = null;
    this.#lost = Math.max(this.#lost, known.epoch < before ? before : 0);
    this.#proof.doubt();
    this.#tell();
    this.update(known);
  }

  /** Others did not wait for this gate: what happened meanwhile is unknown here. */
  missed(): void {
    this.#passedOver += 1;
  }

  /** How often that was so. */
  get passedOver(): number {
    return this.#passedOver;
  }

  /** Lets nothing through until the store has confirmed again who drives, and that drains know of this gate. */
  doubt(): void {
    this.#proof.doubt();
    this.#tell();
  }

  /** Cookie values that a person was given in private, as they stand in JSON (G3). */
  get secrets(): readonly string[] {
    return this.#private.secrets;
  }

  /** A person drove in private, some time before (G3). */
  get wasPrivate(): boolean {
    return this.#private.happened;
  }

  get known(): Known | null {
    return this.#known;
  }

  /** Whether what is known of control is still certain. While it is, it is kept so (C3). */
  get current(): boolean {
    if (!this.#open || !this.#known || !this.#proof.valid) return false;
    this.#proof.keep();
    return true;
  }

  /** Whether a command of the agent's may leave at this very moment (C1, C6). */
  get agentMayDrive(): boolean {
    return this.current && this.#known !== null && mayDrive(this.#known.control, { kind: "agent" });
  }

  /** Makes sure of who drives. @throws BatonError `unavailable`, `input_overflow`, `sandbox_not_found` */
  async prove(): Promise<void> {
    if (!this.#proof.valid) await this.#proof.obtain();
    if (!this.#known) throw unproven();
  }

  /** Another way to the browser: shut and waited for like the link. Returns its removal. */
  join(channel: Channel): () => void {
    this.#channels.add(channel);
    return () => void this.#channels.delete(channel);
  }

  /**
   * Puts a batch into the page. Resolves when the browser has handled it.
   * @param aim what the sender believed: epoch and tab, as far as it said so
   * @throws BatonError `not_controller`, `browser_unavailable`, `invalid_message`, `input_overflow`, `target_refused`,
   *   `unavailable` when the store cannot say who drives
   */
  async submit(driver: Driver, aim: Aim, events: readonly InputEvent[]): Promise<void> {
    const leaving = events.every(isWayOut);
    const refusal = (): BatonError | null =>
      this.#refusal(driver, aim, leaving) ?? (events.every(isRelease) ? null : this.#stale(aim));
    try {
      // A refusal needs no proof: it is always safe.
      const early = refusal();
      if (early) throw early;
      if (this.#proof.valid) this.#proof.keep();
      else await this.#proof.obtain();
      const late = refusal();
      if (late) throw late;
    } catch (error) {
      this.#options.metrics.inputs.inc({ outcome: "refused" }, events.length);
      throw error;
    }
    const admitted = this.#known?.epoch;
    // The link may keep an event back for a moment; what leaves after control or the tab moved is dropped there (C6).
    const sent = events.map(async (event) =>
      this.#options.link.dispatch(
        event,
        () =>
          this.#known?.epoch === admitted &&
          this.#proof.valid &&
          !this.#refusal(driver, aim, leaving) &&
          (isRelease(event) || !this.#stale(aim)),
      ),
    );
    const results = await Promise.allSettled(sent);
    const failed = results.find((result) => result.status === "rejected");
    this.#options.metrics.inputs.inc({ outcome: failed ? "failed" : "dispatched" }, events.length);
    if (failed) throw this.#explain(failed.reason, driver, aim, leaving);
  }

  /** Shuts everybody out and resolves when nothing is under way. */
  async close(): Promise<void> {
    this.#open = false;
    this.#known = null;
    this.#tell();
    await this.#draining;
    await Promise.all([this.#options.link.drain(), ...this.#each((channel) => channel.end())]);
  }

  #tell(): void {
    for (const channel of this.#channels) channel.changed();
  }

  #each(ask: (channel: Channel) => Promise<void>): Promise<void>[] {
    return [...this.#channels].map(ask);
  }

  async #drain(): Promise<void> {
    const stop = this.#options.metrics.drainSeconds.startTimer();
    this.#drainingSince = performance.now();
    const renewing = setInterval(() => {
      const known = this.#known;
      if (known) void this.#options.renew(known.epoch).catch(() => {});
    }, GATE_LEASE_MS / 3);
    try {
      // Control may move on while the page answers. Only the epoch that was known before the wait is proven by it:
      // input of a later holder may have left meanwhile.
      let drained: number | undefined;
      for (;;) {
        const known = this.#known;
        if (known?.control.phase !== "draining" || known.epoch === drained) break;
        drained = known.epoch;
        await Promise.all([this.#options.link.drain(), ...this.#each((channel) => channel.drain(known))]);
        await (known.control.privacy === "private" ? this.#private.begin() : this.#private.end());
        await this.#options.drained(drained);
      }
    } finally {
      clearInterval(renewing);
      stop();
      this.#draining = null;
      this.#drainingSince = Infinity;
    }
  }

  /** @param leaving the input only leaves the page: whoever is next may do that before the drain is over */
  #refusal(driver: Driver, { epoch }: Aim, leaving: boolean): BatonError | null {
    const known = this.#known;
    if (!known && this.#open) return unproven();
    const hangs = performance.now() - this.#drainingSince >= HUNG_MS;
    const mayPass = leaving && hangs ? isNamed : mayDrive;
    if (known && mayPass(known.control, driver) && (epoch === undefined || epoch === known.epoch)) {
      if (this.#options.link.status === "live") return null;
      return new BatonError(
        "browser_unavailable",
        "The browser is not connected. Wait until the preview is live again.",
        {
          status: this.#options.link.status,
        },
      );
    }
    return notController(known, driver, epoch);
  }

  /** C7: the sender looked at another tab. */
  #stale({ tab }: Aim): BatonError | null {
    if (tab === undefined) return null;
    const shown = this.#options.shownTab();
    if (tab === shown) return null;
    return new BatonError("stale_tab", "Another tab is shown now. Look at it, then send the input again.", {
      ...(shown !== undefined && { tab: shown }),
    });
  }

  #explain(reason: unknown, driver: Driver, aim: Aim, leaving: boolean): BatonError {
    if (reason instanceof BatonError) return reason;
    if (!(reason instanceof BrowserError)) {
      return new BatonError("internal", "The input could not be sent. Try again.", undefined, {
        cause: reason,
      });
    }
    if (reason.code === "fenced")
      return (
        this.#refusal(driver, aim, leaving) ??
        this.#stale(aim) ??
        (this.#proof.valid ? null : unproven()) ??
        notController(this.#known, driver, aim.epoch)
      );
    return new BatonError(reason.code, reason.message, undefined, { cause: reason });
  }
}

function notController(known: Known | null, driver: Driver, epoch: number | undefined): BatonError {
  const control = known?.control;
  const controller = control?.controller ?? (control?.mode === "ai" ? "ai" : undefined);
  const stale = known !== null && epoch !== undefined && epoch !== known.epoch;
  const details = {
    ...(controller !== undefined && { controller }),
    ...(control && { controlMode: control.mode, phase: control.phase }),
    ...(known && { epoch: known.epoch }),
    ...(stale && { stale: true }),
  };
  return new BatonError("not_controller", `${why()} The input was dropped.`, details);

  function why(): string {
    if (!control) return "Control is being established. Wait for the next event.";
    if (control.phase === "draining") return "Control is changing hands. Wait for control.active.";
    if (stale && mayDrive(control, driver))
      return "Control has moved since this was sent. Send it again with the present epoch.";
    if (controller === "ai") return "The agent drives now. Take control first.";
    if (controller === undefined) return "A handoff is waiting and nobody drives. Accept it first.";
    return `${controller} drives now. Wait for them, or ask them to pass control.`;
  }
}

/**
 * Leaves a page, its tab, or the dialog that blocks it. The browser does it, not the page: it works where a page hangs,
 * and is then what ends a drain that would have no end.
 */
function isWayOut(event: InputEvent): boolean {
  return event.kind === "navigate" || event.kind === "tab" || event.kind === "dialog";
}

/** Lets go of something: always in order, whatever is shown. */
function isRelease(event: InputEvent): boolean {
  return (event.kind === "mouse" || event.kind === "key") && event.action === "up";
}
