/**
 * Makes a script that an agent wants to run harmless (policy `observe`): Chromium ends it at its first side effect.
 * Measured against Chromium: `throwOnSideEffect` does not cover what happens after the script itself, nor the text of
 * a function declaration. So a promise is not awaited (a thenable would run), and the declaration is evaluated inside
 * the call. A script that the agent had planted in the page before is beyond any command's reach.
 */
import { Script } from "node:vm";
import type { Envelope } from "./scan.ts";

/** @returns the command to send instead, or why it cannot be */
export function withoutSideEffects(
  { id, method, sessionId }: Envelope,
  params: Readonly<Record<string, unknown>>,
): Buffer | string {
  const harmless: Record<string, unknown> = { ...params, throwOnSideEffect: true, awaitPromise: false };
  delete harmless.userGesture;
  if (method === "Runtime.callFunctionOn") {
    const { functionDeclaration } = params;
    if (typeof functionDeclaration !== "string" || !isExpression(functionDeclaration))
      return "functionDeclaration is not a function";
    harmless.functionDeclaration = `function (...args) { return (${functionDeclaration}\n).apply(this, args); }`;
  } else {
    // The repl's own rewriting of the script, and a time limit that kills the page's work, are no reading.
    delete harmless.replMode;
    delete harmless.timeout;
  }
  const message = { id, method, params: harmless, ...(sessionId !== undefined && { sessionId }) };
  return Buffer.from(JSON.stringify(message));
}

/** Whether it is one whole: it must not close the function that it is put into. */
function isExpression(text: string): boolean {
  try {
    // Compiled, never run.
    return Boolean(new Script(`(${text}\n)`));
  } catch {
    return false;
  }
}
