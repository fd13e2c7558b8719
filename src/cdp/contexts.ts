/**
 * The script contexts of one session. A client installs its helpers once per context, and remembers for good when that
 * was refused: after a time in which scripts were refused, such a context must look to it like a new one.
 */
import { eventMessage } from "./messages.ts";

/** More contexts than pages have; those beyond are not followed, and not renewed. */
const MAX_CONTEXTS = 5_000;

export class Contexts {
  /** What the client was told of each. */
  readonly #told = new Map<number, Record<string, unknown>>();
  readonly #spoiled = new Set<number>();

  created(params: Record<string, unknown>): void {
    const id = (params.context as { id?: unknown } | undefined)?.id;
    if (typeof id === "number" && this.#told.size < MAX_CONTEXTS) this.#told.set(id, params);
  }

  destroyed(params: Record<string, unknown>): void {
    this.#told.delete(Number(params.executionContextId));
    this.#spoiled.delete(Number(params.executionContextId));
  }

  cleared(): void {
    this.#told.clear();
    this.#spoiled.clear();
  }

  /** A script of the client's was refused there. */
  spoil(context: number | undefined): void {
    if (context !== undefined && this.#told.has(context)) this.#spoiled.add(context);
  }

  get needRenewal(): boolean {
    return this.#spoiled.size > 0;
  }

  /** What makes the client take each of them for a new one. */
  renew(sessionId: string | undefined): Buffer[] {
    const messages = [...this.#spoiled].flatMap((executionContextId) => {
      const params = this.#told.get(executionContextId);
      if (!params) return [];
      const executionContextUniqueId = (params.context as { uniqueId?: unknown }).uniqueId;
      const gone = { executionContextId, executionContextUniqueId };
      return [
        eventMessage("Runtime.executionContextDestroyed", gone, sessionId),
        eventMessage("Runtime.executionContextCreated", params, sessionId),
      ];
    });
    this.#spoiled.clear();
    return messages;
  }
}

/** The context that a script is meant for. Object ids are `isolate.context.number`. */
export function contextOf(params: unknown): number | undefined {
  const { contextId, executionContextId, objectId } = (params ?? {}) as Record<string, unknown>;
  const named = contextId ?? executionContextId;
  if (typeof named === "number") return named;
  const [, context] = typeof objectId === "string" ? objectId.split(".") : [];
  return context === undefined || !Number.isInteger(Number(context)) ? undefined : Number(context);
}

export function isScript(method: string): boolean {
  return method === "Runtime.evaluate" || method === "Runtime.callFunctionOn";
}
