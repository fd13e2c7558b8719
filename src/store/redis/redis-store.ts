/**
 * A store in Redis, standalone, behind Sentinels or as a Cluster: any number of nodes share it. What it answers as
 * committed is as durable as Redis's own configuration makes it; with `replicas`, so many replicas have it too.
 */
import type { Position } from "../../../protocol/ids.ts";
import type { Sandbox, SandboxEvent } from "../../../protocol/sandbox.ts";
import { publicView, type SandboxState } from "../../core/state.ts";
import {
  MAX_DECISION_AGE_MS,
  type AuditHead,
  type AuditLine,
  type Catchup,
  type Commit,
  type CommitRecord,
  type CommitResult,
  type Loaded,
  type LobbyChange,
  type MarksSince,
  type NodeMembers,
  type SandboxListener,
  type Store,
  type Unsubscribe,
} from "../store.ts";
import { RedisAudit } from "./audit.ts";
import { Bus, type ChannelName } from "./bus.ts";
import { Deadline } from "./deadline.ts";
import { unavailable } from "./errors.ts";
import { ALL_PARTITIONS, COMMON_PARTITION, Keys } from "./keys.ts";
import { silent, withoutRepeats, type RedisLogger } from "./logger.ts";
import { RedisMarks } from "./marks.ts";
import { Members, pairs } from "./members.ts";
import { Router } from "./router.ts";
import type { Script } from "./script.ts";
import { COMMIT, CONFIRM, CREATE, DUE, IDS, LOAD, PROBE, READ, REMOVE, TOUCH } from "./scripts.ts";
import { parseRedisUrl } from "./url.ts";

/** Commits remembered per sandbox for repeated requests; older keys count as new. */
const RECORDS = 512;

export interface RedisStoreOptions {
  /** See `parseRedisUrl`. */
  readonly url: string;
  /** Shown by CLIENT LIST, to tell nodes apart. */
  readonly nodeId?: string;
  /** Replicas that must have a change before it is answered. Default 0: the master's word is enough. */
  readonly replicas?: number;
  /** After this long every method has answered. Default 2,000. */
  readonly commandTimeoutMs?: number;
  /** Each subscriber connection sends itself a message this often; one that is late by as much again is replaced. Default 2,000. */
  readonly probeMs?: number;
  /** Events kept per sandbox, at least, for those who resume; a longer absence costs a snapshot. Default 1,000. */
  readonly logLength?: number;
  /** Marks that may stand at a time. Default 100,000. */
  readonly maxMarks?: number;
  /** Audit lines kept. Default 100,000. */
  readonly auditLength?: number;
  readonly logger?: RedisLogger;
}

export class RedisStore implements Store {
  readonly exclusive = false;
  readonly #router: Router;
  readonly #keys: Keys;
  readonly #bus: Bus;
  readonly #members: Members;
  readonly #marks: RedisMarks;
  readonly #audit: RedisAudit;
  readonly #durable: boolean;
  readonly #logLength: number;

  /**
   * @throws TypeError the URL is wrong
   * @throws BatonError `unavailable`: there is no Redis at the address, or not one that can be used
   */
  static async connect(options: RedisStoreOptions): Promise<RedisStore> {
    const place = parseRedisUrl(options.url);
    const logger = withoutRepeats(options.logger ?? silent);
    const router = await Router.connect({
      place,
      name: `baton:${(options.nodeId ?? "node").replace(/[^\w:.-]/g, "_")}`,
      replicas: options.replicas ?? 0,
      commandTimeoutMs: options.commandTimeoutMs ?? 2_000,
      logger,
    });
    return new RedisStore(router, new Keys(place.prefix, place.db), { ...options, logger });
  }

  private constructor(router: Router, keys: Keys, options: RedisStoreOptions) {
    this.#router = router;
    this.#keys = keys;
    this.#members = new Members(router, keys);
    const write = async (
      ...what: [Script, readonly string[], readonly (string | number)[]]
    ): Promise<unknown> => this.#write(COMMON_PARTITION, ...what);
    this.#marks = new RedisMarks({ router, keys, write, max: options.maxMarks });
    this.#audit = new RedisAudit({ router, keys, write, length: options.auditLength });
    this.#durable = (options.replicas ?? 0) > 0;
    this.#logLength = options.logLength ?? 1_000;
    this.#bus = new Bus({
      endpointOf: (partition) => router.endpointOf(partition),
      partitionOf: (endpoint) =>
        ALL_PARTITIONS.find((partition) => router.endpointOf(partition) === endpoint),
      probeChannel: (partition) => keys.channel(partition, `probe:${crypto.randomUUID()}`),
      open: async (endpoint) => router.open(endpoint, "subscriber"),
      publish: async (partition, channel, message) =>
        Number(await router.script(partition, PROBE, [channel], [message])),
      refresh: async () => router.refresh(),
      timeoutMs: router.timeoutMs,
      probeMs: options.probeMs ?? 2_000,
      logger: options.logger ?? silent,
    });
    router.onChange(() => this.#bus.reassign());
  }

  async now(): Promise<number> {
    const [seconds, micros] = (await this.#router.command(COMMON_PARTITION, "TIME")) as [string, string];
    return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
  }

  async create(state: SandboxState, events: readonly SandboxEvent[], dueAt: number | null): Promise<boolean> {
    const { partition, box, log, channel } = this.#keys.of(state.sandboxId);
    const { due, ids, lobby, mark } = this.#keys.partition(partition);
    const args = [...this.#written(state, dueAt), ...eventArguments(events)];
    return (await this.#write(partition, CREATE, [box, log, due, ids, channel, lobby, mark], args)) === 1;
  }

  async load(sandboxId: string, key?: string): Promise<Loaded | null> {
    const { partition, box, records } = this.#keys.of(sandboxId);
    return loadedOf(await this.#router.script(partition, LOAD, [box, records], ["", key ?? ""]));
  }

  async confirm(sandboxId: string): Promise<Loaded | null> {
    const { partition, box, records } = this.#keys.of(sandboxId);
    const { mark } = this.#keys.partition(partition);
    return loadedOf(await this.#write(partition, CONFIRM, [box, records, mark], [""]));
  }

  async commit(sandboxId: string, commit: Commit): Promise<CommitResult> {
    const { partition, box, log, records, channel } = this.#keys.of(sandboxId);
    const { due, lobby, mark } = this.#keys.partition(partition);
    const answer = await this.#write(
      partition,
      COMMIT,
      [box, log, due, records, channel, lobby, mark],
      [
        ...this.#written(commit.next, commit.dueAt),
        commit.expectedVersion,
        commit.decidedAt,
        MAX_DECISION_AGE_MS,
        commit.record.key,
        JSON.stringify(commit.record),
        RECORDS,
        ...eventArguments(commit.events),
      ],
    );
    const [kind, value] = answer as [CommitResult["kind"], (string | number)?];
    switch (kind) {
      case "committed":
        return { kind, version: Number(value) };
      case "repeated":
        return { kind, record: JSON.parse(String(value)) as CommitRecord };
      case "conflict":
      case "missing":
        return { kind };
    }
  }

  async remove(sandboxId: string): Promise<boolean> {
    const { partition, box, log, records, roster, channel } = this.#keys.of(sandboxId);
    const { due, ids, lobby, mark } = this.#keys.partition(partition);
    const keys = [box, log, due, ids, channel, lobby, mark, records, roster];
    return (await this.#write(partition, REMOVE, keys, [sandboxId, JSON.stringify(sandboxId)])) === 1;
  }

  async read(sandboxId: string, since: Position | null): Promise<Catchup | null> {
    const { partition, box, log } = this.#keys.of(sandboxId);
    const position = since ? [since.epoch, since.seq] : ["", ""];
    const answer = (await this.#router.script(partition, READ, [box, log], position)) as
      readonly string[] | null;
    if (!answer) return null;
    const [kind, ...texts] = answer;
    if (kind === "events") return { kind, events: texts.map((text) => JSON.parse(text) as SandboxEvent) };
    return { kind: "snapshot", snapshot: publicView(JSON.parse(texts[0] ?? "") as SandboxState) };
  }

  async list(options: { readonly cursor?: string; readonly limit: number }): ReturnType<Store["list"]> {
    return this.#within(this.#list(options.cursor ?? "", options.limit));
  }

  async #list(cursor: string, limit: number): ReturnType<Store["list"]> {
    const groups = await Promise.all(
      this.#router.groups.map(async (group) => {
        const keys = group.map((partition) => this.#keys.partition(partition).ids);
        return this.#router.script(group[0] ?? 0, IDS, keys, [cursor, limit + 1]);
      }),
    );
    const ids = (groups as readonly (readonly string[])[]).flat().sort();
    const page = ids.slice(0, limit);
    const states = await Promise.all(
      page.map(async (sandboxId) => {
        const { partition, box } = this.#keys.of(sandboxId);
        return this.#router.command(partition, "HGET", box, "state");
      }),
    );
    const last = page.at(-1);
    return {
      // One that was removed since is left out.
      sandboxes: states.flatMap((text) =>
        typeof text === "string" ? [publicView(JSON.parse(text) as SandboxState)] : [],
      ),
      ...(ids.length > page.length && last !== undefined && { cursor: last }),
    };
  }

  async due(limit: number): Promise<readonly string[]> {
    const groups = await Promise.allSettled(
      this.#router.groups.map(async (group) => {
        const keys = group.map((partition) => this.#keys.partition(partition).due);
        return this.#router.script(group[0] ?? 0, DUE, keys, [limit]);
      }),
    );
    const found = groups.flatMap((group) =>
      group.status === "fulfilled" ? pairs(group.value as readonly string[]) : [],
    );
    // One master's failure must not stop the clocks of what the others hold.
    const failed = groups.find((group) => group.status === "rejected");
    if (failed && found.length === 0) throw failed.reason;
    return found
      .sort(([, a], [, b]) => Number(a) - Number(b))
      .slice(0, limit)
      .map(([id]) => id);
  }

  async subscribe(sandboxId: string, listener: SandboxListener): Promise<Unsubscribe> {
    const { partition, channel } = this.#keys.of(sandboxId);
    return this.#listen(
      [{ partition, name: channel }],
      () => listener.lost(),
      (received, active) => {
        const message = received as SandboxMessage;
        for (const event of message.events ?? []) if (active()) listener.event(event);
        if (message.removed === true) listener.removed();
        if (message.roster) listener.roster(message.roster);
      },
    );
  }

  async subscribeLobby(listener: (change: LobbyChange) => void): Promise<Unsubscribe> {
    const channels = ALL_PARTITIONS.map((partition) => ({
      partition,
      name: this.#keys.partition(partition).lobby,
    }));
    return this.#listen(
      channels,
      () => listener({ kind: "lost" }),
      (received) => {
        const message = received as LobbyMessage;
        if (message.changed) listener({ kind: "changed", sandbox: message.changed });
        if (message.removed !== undefined) listener({ kind: "removed", sandboxId: message.removed });
      },
    );
  }

  async announce(sandboxId: string, here: NodeMembers): Promise<void> {
    return this.#within(this.#members.announce(sandboxId, here));
  }

  async roster(sandboxId: string): Promise<readonly NodeMembers[]> {
    return this.#within(this.#members.roster(sandboxId));
  }

  async beat(nodeId: string, ttlMs: number): ReturnType<Store["beat"]> {
    return this.#members.beat(nodeId, ttlMs);
  }

  async leave(nodeId: string): Promise<void> {
    return this.#members.leave(nodeId);
  }

  async mark(id: string, value: string, until: number): Promise<string> {
    return this.#marks.mark(id, value, until);
  }

  async marksSince(version: number): Promise<MarksSince> {
    return this.#within(this.#marks.since(version));
  }

  async appendAudit(expected: AuditHead, lines: readonly AuditLine[]): Promise<boolean> {
    return this.#audit.append(expected, lines);
  }

  async readAudit(after: number, limit: number): Promise<readonly AuditLine[]> {
    return this.#audit.read(after, limit);
  }

  async auditHead(): Promise<AuditHead> {
    return this.#audit.head();
  }

  async healthy(): Promise<boolean> {
    try {
      const writes = this.#router.representatives.map(async (partition) =>
        this.#router.durable(partition, TOUCH, [this.#keys.partition(partition).mark], ["1"]),
      );
      await this.#within(Promise.all([...writes, this.#bus.check()]));
      return true;
    } catch {
      return false;
    }
  }

  async close(): Promise<void> {
    this.#bus.close();
    this.#router.close();
  }

  /** What is written of a state, in the order that the scripts have it. */
  #written(state: SandboxState, dueAt: number | null): (string | number)[] {
    const { sandboxId, epoch, seq } = state;
    const view = JSON.stringify(publicView(state));
    return [sandboxId, JSON.stringify(state), epoch, seq, dueAt ?? "", this.#logLength, view];
  }

  async #write(
    partition: number,
    script: Script,
    keys: readonly string[],
    args: readonly (string | number)[],
  ): Promise<unknown> {
    return this.#router.durable(partition, script, keys, [this.#durable ? "1" : "0", ...args]);
  }

  async #listen(
    channels: readonly ChannelName[],
    lost: () => void,
    tell: (message: unknown, active: () => boolean) => void,
  ): Promise<Unsubscribe> {
    let active = true;
    const leave = await this.#bus.subscribe(channels, {
      message: (message) => {
        if (active) tell(message, () => active);
      },
      lost: () => {
        if (active) lost();
      },
    });
    return () => {
      active = false;
      leave();
    };
  }

  /** For what takes more than one call, each with the whole time limit. */
  async #within<T>(work: Promise<T>): Promise<T> {
    const { timeoutMs } = this.#router;
    return new Deadline(timeoutMs).race(work, () =>
      unavailable(`Redis did not answer within ${timeoutMs} ms. Try again; check that Redis runs.`),
    );
  }
}

/** What the scripts publish in a sandbox's channel. */
interface SandboxMessage {
  readonly events?: readonly SandboxEvent[];
  readonly removed?: true;
  readonly roster?: NodeMembers;
}

/** What they publish in a lobby's. */
interface LobbyMessage {
  readonly changed?: Sandbox;
  readonly removed?: string;
}

function eventArguments(events: readonly SandboxEvent[]): (string | number)[] {
  return events.flatMap((event) => [event.seq, event.epoch, JSON.stringify(event)]);
}

function loadedOf(answer: unknown): Loaded | null {
  if (!answer) return null;
  const [version, state, now, record] = answer as [string, string, number, string | null];
  return {
    version: Number(version),
    state: JSON.parse(state) as SandboxState,
    now,
    ...(record !== null && { record: JSON.parse(record) as CommitRecord }),
  };
}
