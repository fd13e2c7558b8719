/** Words in generated messages that stand for what is only known when they are sent. */

/** What one client knows of a sandbox. */
export interface Facts {
  requestId: string | undefined;
  epoch: number;
  seq: number;
  tab: number | undefined;
  tabId: string | undefined;
}

export function noFacts(): Facts {
  return { requestId: undefined, epoch: 0, seq: 0, tab: undefined, tabId: undefined };
}

/** Sandboxes that a script plays in. */
export const SANDBOXES = ["$s0", "$s1"] as const;
export const PLACEHOLDERS = {
  request: "$request",
  epoch: "$epoch",
  seq: "$seq",
  tab: "$tab",
  tabId: "$tabId",
  token: "$token",
} as const;

const WORD = /"\$(epoch|seq|tab)"|\$(s0|s1|request|tabId|token)\b/g;

/** The id that a sandbox of the script has in this run. */
export function sandboxIdOf(run: string, index: 0 | 1): string {
  return `${run}-${index}`;
}

/**
 * @param facts what is known of the sandbox that the text names first
 * @param token the sender's
 */
export function resolveText(
  text: string,
  run: string,
  facts: (sandboxId: string) => Facts,
  token = "no.token.here",
): string {
  if (!text.includes("$")) return text;
  const known = facts(sandboxIdOf(run, text.includes("$s1") && !text.includes("$s0") ? 1 : 0));
  return text.replace(WORD, (_, number: "epoch" | "seq" | "tab" | undefined, word: string | undefined) => {
    if (number !== undefined) return String(known[number] ?? 1);
    if (word === "s0" || word === "s1") return sandboxIdOf(run, word === "s0" ? 0 : 1);
    if (word === "token") return token;
    return word === "request" ? (known.requestId ?? "nothing-yet") : (known.tabId ?? "NOTAB");
  });
}
