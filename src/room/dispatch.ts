/** Commits commands: load, decide, write, and again when another commit came first. */
import { createHash } from "node:crypto";
import { nanoid } from "nanoid";
import { BatonError } from "../../protocol/errors.ts";
import type { Handoff } from "../../protocol/handoff.ts";
import type { SandboxEvent } from "../../protocol/sandbox.ts";
import type { Command } from "../core/commands.ts";
import { nextDeadline, type SandboxState } from "../core/state.ts";
import { transition } from "../core/transition.ts";
import type { CommitRecord, CommitResult, Loaded, Store } from "../store/store.ts";

/** Conflicts in a row before the caller is told; each means that somebody else's commit got through. */
const MAX_ATTEMPTS = 32;
/** Commits without an answer in one call; the store takes its time limit for each. */
const MAX_UNANSWERED = 1;
/** Longest time that a call goes on trying. */
const DISPATCH_MS = 5_000;

/** Says that two calls with one idempotency key are the same call. */
export interface Request {
  readonly key: string;
  readonly fingerprint: string;
}

export interface Outcome {
  readonly state: SandboxState;
  /** The handoff right after this call's commit, also when this is a repetition. */
  readonly handoff: Handoff | null;
  /** What this call's commit changed, for all to see. */
  readonly events: readonly SandboxEvent[];
  /** This call was made before under the same key; `state` is what has become of it since. */
  readonly repeated: boolean;
  /** It did something. False for what was so already, and for a repetition. */
  readonly changed: boolean;
}

/**
 * @param params what the caller asked for, without message ids and without the key itself
 * @param owner whose key it is: others may not use it up, nor be answered by it. Default: everybody's
 */
export function requestOf(
  operation: string,
  key: string | undefined,
  params: unknown,
  owner?: string,
): Request | undefined {
  if (key === undefined) return undefined;
  return {
    key: owner === undefined ? key : digestOf([owner, key]),
    fingerprint: `${operation}:${digestOf([operation, params])}`,
  };
}

function digestOf(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("base64url");
}

/**
 * A commit that the store did not answer is tried again under its key: it happens once, and this call learns of it.
 * @throws BatonError the state machine's refusal, `sandbox_not_found`, `idempotency_conflict`, `conflict`, or
 *   `unavailable` from the store, after which the change may be in or not: the same key finds out
 */
export async function dispatch(
  store: Store,
  sandboxId: string,
  command: Command,
  request?: Request,
): Promise<Outcome> {
  const key = request?.key ?? nanoid();
  const fingerprint = request?.fingerprint ?? "";
  const deadline = performance.now() + DISPATCH_MS;
  const unanswered: BatonError[] = [];
  for (let attempt = 0; attempt < MAX_ATTEMPTS && performance.now() < deadline; attempt += 1) {
    const loaded = await store.load(sandboxId, key);
    if (!loaded) throw sandboxNotFound(sandboxId);
    if (loaded.record) {
      // What is found may be in no replica yet, and what is answered must be durable (H6).
      if (!(await stands(store, sandboxId, loaded))) continue;
      return recorded(loaded.state, loaded.record, fingerprint, unanswered.length === 0);
    }
    const step = transition(loaded.state, command, loaded.now);
    if (step.kind === "refused") throw step.error;
    // A request with a key that changes nothing is remembered too: its late repetition must not change something.
    if (step.kind === "same" && !request) {
      if (command.type !== "tick" && !(await stands(store, sandboxId, loaded))) continue;
      const { state } = loaded;
      return { state, handoff: state.handoff, events: [], repeated: false, changed: false };
    }
    const state = step.kind === "same" ? loaded.state : step.state;
    let result: CommitResult;
    try {
      result = await store.commit(sandboxId, {
        expectedVersion: loaded.version,
        decidedAt: loaded.now,
        next: state,
        events: step.kind === "same" ? [] : step.events,
        dueAt: nextDeadline(state),
        record: { key, fingerprint, handoff: state.handoff, seq: state.seq },
      });
    } catch (error) {
      if (!(error instanceof BatonError && error.retryable)) throw error;
      unanswered.push(error);
      if (unanswered.length > MAX_UNANSWERED) throw error;
      continue;
    }
    if (result.kind === "committed") {
      const events = step.kind === "same" ? [] : step.events;
      const changed = step.kind === "changed";
      return { state, handoff: state.handoff, events, repeated: false, changed };
    }
    if (result.kind === "missing") throw sandboxNotFound(sandboxId);
    // `repeated`: it is in already, and the next load finds its record. `conflict`: decide anew.
  }
  const [open] = unanswered;
  if (open) throw open;
  throw new BatonError(
    "conflict",
    `Sandbox ${sandboxId} is changing too fast. Nothing was changed; try again.`,
  );
}

/** Whether what was read is durable. False when the store lost it meanwhile: a failover came in between. */
async function stands(store: Store, sandboxId: string, { version }: Loaded): Promise<boolean> {
  const confirmed = await store.confirm(sandboxId);
  return confirmed !== null && confirmed.version >= version;
}

export function sandboxNotFound(sandboxId: string): BatonError {
  return new BatonError(
    "sandbox_not_found",
    `There is no sandbox ${sandboxId}. Create it with POST /v1/sandboxes.`,
    { sandboxId },
  );
}

/** @param repeated the record is of an earlier call, not of an attempt of this one that was not answered */
function recorded(
  state: SandboxState,
  record: CommitRecord,
  fingerprint: string,
  repeated: boolean,
): Outcome {
  if (record.fingerprint !== fingerprint) {
    throw new BatonError(
      "idempotency_conflict",
      "This idempotency key was used for a different request. Use a new key for a new request.",
    );
  }
  return { state, handoff: record.handoff, events: [], repeated, changed: !repeated };
}
