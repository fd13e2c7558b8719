/** Which nodes live, and who they said is in their rooms. */
import { randomBytes } from "node:crypto";
import type { NodeMembers } from "../store.ts";
import { COMMON_PARTITION, type Keys } from "./keys.ts";
import type { Router } from "./router.ts";
import { ANNOUNCE, BEAT, FIND, LEAVE, LIVING } from "./scripts.ts";

export class Members {
  readonly #router: Router;
  readonly #keys: Keys;
  /** What the nodes that beat here are called among the living: their id behind a name that no node had before. */
  readonly #own = new Map<string, string>();

  constructor(router: Router, keys: Keys) {
    this.#router = router;
    this.#keys = keys;
  }

  async beat(nodeId: string, ttlMs: number): Promise<{ nodes: readonly string[]; fresh: boolean }> {
    const incarnation = randomBytes(8).toString("hex");
    const answer = await this.#nodes(BEAT, nodeId, Math.ceil(ttlMs), incarnation);
    const [member, , living] = answer as [string, number, readonly string[]];
    // Also when an earlier beat, whose answer never came, was the first of this life.
    const fresh = this.#own.get(nodeId) !== member;
    this.#own.set(nodeId, member);
    return { nodes: [...new Set(living.map(nodeOf))], fresh };
  }

  async leave(nodeId: string): Promise<void> {
    this.#own.delete(nodeId);
    await this.#nodes(LEAVE, nodeId);
  }

  async announce(sandboxId: string, here: NodeMembers): Promise<void> {
    const { partition, roster, channel } = this.#keys.of(sandboxId);
    const member = this.#own.get(here.nodeId) ?? (await this.#nodes(FIND, here.nodeId)) ?? "";
    const nobody = here.members.length === 0 ? "1" : "0";
    const args = [member as string, JSON.stringify(here), nobody];
    await this.#router.script(partition, ANNOUNCE, [roster, channel], args);
  }

  async roster(sandboxId: string): Promise<readonly NodeMembers[]> {
    const { partition, roster } = this.#keys.of(sandboxId);
    // In capitals: ioredis makes an object of what `hgetall` answers.
    const fields = (await this.#router.command(partition, "HGETALL", roster)) as readonly string[];
    if (fields.length === 0) return [];
    // After what they announced: whoever does not live now never comes back under this name.
    const living = new Set((await this.#nodes(LIVING)) as readonly string[]);
    const announced = pairs(fields);
    const dead = announced.flatMap(([member]) => (living.has(member) ? [] : [member]));
    if (dead.length > 0) await this.#router.command(partition, "HDEL", roster, ...dead);
    return announced.flatMap(([member, here]) =>
      living.has(member) ? [JSON.parse(here) as NodeMembers] : [],
    );
  }

  async #nodes(script: typeof BEAT, ...args: (string | number)[]): Promise<unknown> {
    return this.#router.script(COMMON_PARTITION, script, [this.#keys.nodes], args);
  }
}

function nodeOf(member: string): string {
  return member.slice(member.indexOf("/") + 1);
}

/** A list of keys and values by turns, as pairs. */
export function pairs(flat: readonly string[]): (readonly [string, string])[] {
  return flat.flatMap((key, index) => (index % 2 === 0 ? [[key, flat[index + 1] ?? ""] as const] : []));
}
