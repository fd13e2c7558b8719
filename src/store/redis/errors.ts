/** What Redis and the way to it answer when they can't, as errors of this project. */
import { BatonError } from "../../../protocol/errors.ts";

/** By the first word of Redis's error. Everything here passes by itself or with the operator's help. */
const ADVICE: Readonly<Record<string, string>> = {
  LOADING: "Redis is loading its data; try again when it has finished.",
  READONLY: "This Redis is a replica now; the gateway is looking for the new master. Try again.",
  MASTERDOWN: "This Redis is a replica without its master; wait for the failover to end.",
  UNBLOCKED: "This Redis became a replica meanwhile; the gateway is looking for the new master. Try again.",
  NOREPLICAS: "Redis has fewer replicas than its min-replicas-to-write; check the replicas.",
  MISCONF: "Redis cannot write to its disk and refuses changes; check the disk and Redis's log.",
  OOM: "Redis has reached its maxmemory; give it more memory, or remove sandboxes.",
  BUSY: "Redis is busy with somebody's script; try again, or stop it with SCRIPT KILL.",
  CLUSTERDOWN:
    "The Redis Cluster does not serve this slot now; check CLUSTER INFO, or wait for the failover to end.",
  TRYAGAIN: "The Redis Cluster is moving this slot; try again when it has finished.",
  ASK: "The Redis Cluster is moving this slot; try again when it has finished.",
  MOVED: "The Redis Cluster keeps sending the gateway elsewhere; check that its nodes agree (CLUSTER NODES).",
  NOAUTH: "Redis wants a password; put it into the store's URL.",
  WRONGPASS: "Redis refused the user or the password in the store's URL.",
};

/** The first word of what Redis answered, or an empty text when Redis did not answer. */
export function wordOf(error: unknown): string {
  return error instanceof Error && error.name === "ReplyError" ? (error.message.split(" ", 1)[0] ?? "") : "";
}

/** Where a Cluster says that a slot is; without a host, at the one that was asked. */
export function movedTo(error: unknown): { readonly host: string; readonly port: number } | undefined {
  if (wordOf(error) !== "MOVED" || !(error instanceof Error)) return undefined;
  const parts = /^MOVED \d+ (.*):(\d+)$/.exec(error.message);
  return parts ? { host: parts[1] ?? "", port: Number(parts[2]) } : undefined;
}

export function unavailable(message: string, cause?: unknown): BatonError {
  return new BatonError("unavailable", message, undefined, cause === undefined ? {} : { cause });
}

export function closed(): BatonError {
  return unavailable(
    "The store is closed, as the gateway is shutting down. Try again; another node will answer.",
  );
}

export function asUnavailable(error: unknown, where: string): BatonError {
  if (error instanceof BatonError) return error;
  const advice = ADVICE[wordOf(error)];
  if (advice !== undefined) return unavailable(`${advice} (${where})`, error);
  const said = (error instanceof Error ? error.message : String(error)).replace(/\.+$/, "");
  if (wordOf(error) !== "")
    return unavailable(`Redis at ${where} refused: ${said}. Check the user's rights and Redis's log.`, error);
  return unavailable(
    `The connection to Redis at ${where} failed: ${said}. Try again; check that Redis runs.`,
    error,
  );
}
