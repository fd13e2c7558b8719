/** A client of the run: types without asking, calls until it is answered, survives its nodes. */
import { setTimeout as pause } from "node:timers/promises";
import { BatonError } from "../../protocol/errors.ts";
import type { Role } from "../../protocol/sandbox.ts";
import type { BatonClient, SandboxHandle } from "../../src/sdk/api.ts";
import { connect } from "../../src/sdk/node.ts";
import type { CallOp, History } from "./history.ts";
import type { Random } from "./random.ts";
import { Wire, type WireNode } from "./wire.ts";

/** A call without an answer for this long is given up. */
const CALL_MS = 30_000;
const RETRY_MS = 100;
/** Inputs without an answer; a person does not type further ahead of a page that hangs. */
const MAX_TYPED_AHEAD = 16;

export interface World {
  readonly nodes: readonly WireNode[];
  readonly sandboxId: string;
  readonly history: History;
  readonly random: Random;
  /** Aborted when the faults are over: everybody brings what they do to its end. */
  readonly finishing: AbortSignal;
}

export interface ActorOptions {
  readonly name: string;
  readonly role: Role;
  readonly home: number;
  readonly rogue?: boolean;
}

export interface CallDetails {
  readonly op: CallOp;
  readonly to?: string;
  readonly resumes?: boolean;
}

export class Actor {
  readonly name: string;
  readonly client: BatonClient;
  readonly sandbox: SandboxHandle;
  readonly random: Random;
  readonly world: World;
  readonly #wire: Wire;
  #calls = 0;
  #typed = 0;

  constructor(world: World, { name, role, home, rogue = false }: ActorOptions) {
    this.name = name;
    this.world = world;
    this.random = world.random.fork(name);
    const { nodes, history } = world;
    const hand = role === "agent" ? "ai" : name;
    this.#wire = new Wire({ actor: name, nodes, home, history, rogue, hand });
    this.client = connect({
      url: nodes[home]?.url ?? "",
      role,
      name,
      clientId: `client-of-${name}`,
      WebSocket: this.#wire.WebSocket,
      reconnectMinMs: 20,
      reconnectMaxMs: 300,
    });
    this.sandbox = this.client.sandbox(world.sandboxId);
    this.sandbox.subscribe(() => {});
  }

  /** Cuts this client's connection. */
  cut(): void {
    this.#wire.cut();
  }

  close(): void {
    this.client.close();
    this.#wire.close();
  }

  /**
   * Makes one call, again and again under one key while the answer says that it may help. Resolves to whether it was
   * done.
   */
  async call(
    details: CallDetails,
    run: (key: string, signal: AbortSignal) => Promise<unknown>,
  ): Promise<boolean> {
    const { history } = this.world;
    this.#calls += 1;
    const call = `${this.name}-${this.#calls}`;
    history.add({ kind: "call", call, actor: this.name, ...details });
    const signal = AbortSignal.timeout(CALL_MS);
    for (;;) {
      try {
        const { handoff } = (await run(call, signal)) as Awaited<ReturnType<SandboxHandle["getHandoff"]>>;
        history.add({ kind: "answered", call, handoff });
        return true;
      } catch (error) {
        if (error instanceof BatonError && !error.retryable) {
          history.add({ kind: "refused", call, code: error.code });
          return false;
        }
        if (signal.aborted || !(error instanceof BatonError)) {
          history.add({ kind: "abandoned", call, why: String(error) });
          return false;
        }
        await pause(RETRY_MS);
      }
    }
  }

  /** Types until the faults are over, whoever drives. */
  async type(everyMs: number): Promise<void> {
    const { finishing } = this.world;
    const open = new Set<Promise<void>>();
    while (!finishing.aborted) {
      if (open.size < MAX_TYPED_AHEAD) {
        this.#typed += 1;
        const typed = this.sandbox.input.text(`${this.name}:${this.#typed};`).catch(() => {});
        open.add(typed);
        void typed.then(() => open.delete(typed));
      }
      // The pace of the load, not a wait for anything.
      await pause(everyMs);
    }
    await Promise.all(open);
  }

  /** A rest of the actor's own pace; shorter when the run finishes. */
  async rest(minMs: number, maxMs: number): Promise<void> {
    const { finishing } = this.world;
    if (finishing.aborted) return;
    await pause(this.random.between(minMs, maxMs), undefined, { signal: finishing }).catch(() => {});
  }
}
