/**
 * Names of keys and channels. Every sandbox belongs to one of a fixed number of partitions; the partition's hash tag
 * puts everything that one commit touches into one hash slot, in a Cluster on one master.
 */
/** Part of the data's layout: a store with another number finds nothing. */
const PARTITIONS = 32;
export const ALL_PARTITIONS: readonly number[] = Array.from({ length: PARTITIONS }, (_, index) => index);

/** Holds what is not about one sandbox: the living nodes, the marks, the audit log. */
export const COMMON_PARTITION = 0;

export interface SandboxKeys {
  readonly partition: number;
  /** Hash: version, state, epoch and seq. */
  readonly box: string;
  /** Stream of events; the number is the entry's id. */
  readonly log: string;
  /** Hash: what commits answered, and which key holds which place in the ring. */
  readonly records: string;
  /** Hash: who is in the room, by living node. */
  readonly roster: string;
  readonly channel: string;
}

export interface PartitionKeys {
  /** Sorted set of sandbox ids by deadline. */
  readonly due: string;
  /** Sorted set of sandbox ids, all with score 0: sorted by name. */
  readonly ids: string;
  /** Written to prove that writing works. */
  readonly mark: string;
  readonly lobby: string;
}

export interface MarkKeys {
  /** Hash: values by id. */
  readonly values: string;
  /** Sorted set of ids by version. */
  readonly order: string;
  /** Sorted set of ids by the time until which they stand. */
  readonly expiry: string;
  /** Sorted set of the newest versions, each its own score. */
  readonly versions: string;
}

export class Keys {
  readonly #prefix: string;
  readonly #channelPrefix: string;
  readonly #partitions: readonly PartitionKeys[];

  /** @param db channels don't know databases, so the name has to */
  constructor(prefix: string, db: number) {
    this.#prefix = prefix;
    this.#channelPrefix = db === 0 ? prefix : `${prefix}/${db}`;
    this.#partitions = ALL_PARTITIONS.map((partition) => ({
      due: this.#key(partition, "due"),
      ids: this.#key(partition, "ids"),
      mark: this.#key(partition, "mark"),
      lobby: this.channel(partition, "lobby"),
    }));
  }

  of(sandboxId: string): SandboxKeys {
    const partition = partitionOf(sandboxId);
    return {
      partition,
      box: this.#key(partition, `box:${sandboxId}`),
      log: this.#key(partition, `log:${sandboxId}`),
      records: this.#key(partition, `records:${sandboxId}`),
      roster: this.#key(partition, `roster:${sandboxId}`),
      channel: this.channel(partition, `box:${sandboxId}`),
    };
  }

  partition(partition: number): PartitionKeys {
    const keys = this.#partitions[partition];
    if (!keys) throw new RangeError(`There is no partition ${partition}.`);
    return keys;
  }

  /** Sorted set of living nodes by the time until which they live. */
  get nodes(): string {
    return this.#key(COMMON_PARTITION, "nodes");
  }

  /** See `common-scripts.ts`. */
  get marks(): MarkKeys {
    const name = (part: string): string => this.#key(COMMON_PARTITION, `marks:${part}`);
    return {
      values: name("values"),
      order: name("order"),
      expiry: name("expiry"),
      versions: name("versions"),
    };
  }

  /** Stream of audit lines; the number is the entry's id. */
  get audit(): string {
    return this.#key(COMMON_PARTITION, "audit");
  }

  channel(partition: number, name: string): string {
    return `${this.#channelPrefix}:{${tagOf(partition)}}:channel:${name}`;
  }

  #key(partition: number, name: string): string {
    return `${this.#prefix}:{${tagOf(partition)}}:${name}`;
  }
}

/** Hash tag of a partition; the slot follows from it alone. */
export function tagOf(partition: number): string {
  return `p${partition}`;
}

function partitionOf(sandboxId: string): number {
  return slotOf(sandboxId) % PARTITIONS;
}

/** Slot of a hash tag in a Cluster: CRC-16 (XMODEM) modulo 16384. */
export function slotOf(tag: string): number {
  let crc = 0;
  for (const byte of Buffer.from(tag)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : crc << 1;
  }
  return crc % 16_384;
}
