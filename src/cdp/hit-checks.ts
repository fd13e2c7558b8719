/**
 * Playwright arms a check in the page before it clicks, and disarms it afterwards: until then, mouse events that do not
 * hit what it aimed at are swallowed. Left armed in an agent that is stopped, it would swallow the person's clicks, and
 * let the agent take its own for a miss, and click twice.
 */
import { contextOf } from "./contexts.ts";

const ARMS = Buffer.from("setupHitTargetInterceptor(");
/** The script comes first, large arguments after it. */
const LOOK_BYTES = 16 * 1024;
/** More contexts than pages have; what is armed beyond stays. */
const MAX_CONTEXTS = 1_000;

export interface Disarming {
  readonly method: string;
  readonly params: object;
}

export class HitChecks {
  /** The newest of each script context, by object id: the others are not armed any more. */
  readonly #armed = new Map<number, string>();

  /** Whether this command arms one. */
  static arms(method: string, bytes: Buffer): boolean {
    return method === "Runtime.callFunctionOn" && bytes.subarray(0, LOOK_BYTES).includes(ARMS);
  }

  /** @param answer to a command that arms one */
  answered(answer: Buffer): void {
    const { result } = JSON.parse(answer.toString("utf8")) as { result?: { result?: { objectId?: string } } };
    const objectId = result?.result?.objectId;
    const context = contextOf({ objectId });
    if (objectId === undefined || context === undefined || this.#armed.size >= MAX_CONTEXTS) return;
    this.#armed.set(context, objectId);
  }

  /** What disarms them all; from then on they count as disarmed. */
  disarm(): Disarming[] {
    const objectIds = [...this.#armed.values()];
    this.#armed.clear();
    return objectIds.map((objectId) => ({
      method: "Runtime.callFunctionOn",
      params: { objectId, functionDeclaration: "function () { this.stop(); }", silent: true },
    }));
  }
}
