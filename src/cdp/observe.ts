/**
 * Makes a script that an agent wants to run harmless (policy `observe`): Chromium ends it at its first side effect.
 * Measured against Chromium: `throwOnSideEffect` does not cover what happens after the script itself, nor the text of
 * a function declaration, nor arguments that are given as text. So a promise is not awaited (a thenable would run), no
 * script makes one by an async function (what it returns may be a thenable too), the declaration is evaluated inside
 * the call, and text arguments are numbers. Text cannot become a script: Chromium takes `eval` for a side effect. A
 * script that the agent had planted in the page before is beyond any command's reach.
 */
import { Script } from "node:vm";
import type { Envelope } from "./scan.ts";

/** In any other sense it is rare, and not worth a parser. */
const ASYNC = /\basync\b/;
/** Chromium compiles any other text, and runs it. */
const NUMBER = /^(?:NaN|-?Infinity|-0|-?[0-9]+n)$/;

/** @returns the command to send instead, or why it cannot be, as a sentence */
export function withoutSideEffects(
  { id, method, sessionId }: Envelope,
  params: Readonly<Record<string, unknown>>,
): Buffer | string {
  const harmless: Record<string, unknown> = { ...params, throwOnSideEffect: true, awaitPromise: false };
  delete harmless.userGesture;
  if (method === "Runtime.callFunctionOn") {
    const { functionDeclaration, arguments: given } = params;
    if (typeof functionDeclaration !== "string" || !isExpression(functionDeclaration))
      return "functionDeclaration is not a function. Send one function.";
    if (ASYNC.test(functionDeclaration)) return NO_ASYNC;
    if (given !== undefined && !(Array.isArray(given) && given.every(isHarmless)))
      return "An unserializableValue is not a number. Send numbers so, and everything else as value.";
    harmless.functionDeclaration = `function (...args) { return (${functionDeclaration}\n).apply(this, args); }`;
  } else {
    if (ASYNC.test(String(params.expression))) return NO_ASYNC;
    // The repl's own rewriting of the script, and a time limit that kills the page's work, are no reading.
    delete harmless.replMode;
    delete harmless.timeout;
  }
  const message = { id, method, params: harmless, ...(sessionId !== undefined && { sessionId }) };
  return Buffer.from(JSON.stringify(message));
}

const NO_ASYNC = "While a person drives, scripts may not be async. Send one that answers at once.";

function isHarmless(argument: unknown): boolean {
  if (typeof argument !== "object" || argument === null) return false;
  const { unserializableValue: text } = argument as { unserializableValue?: unknown };
  return text === undefined || (typeof text === "string" && NUMBER.test(text));
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
