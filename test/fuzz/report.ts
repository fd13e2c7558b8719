/** A failure in words: what happened, the shortest script that shows it, and how to see it again. */
import type { Failure } from "./fuzz.ts";
import type { Mode } from "./gateway-child.ts";

/** Longer scripts are cut in the middle of nothing: their seed has them whole. */
const MAX_LINES = 120;

export function describeFailure({ part, seed, why, script, alone }: Failure, mode: Mode): string {
  const lines = script.slice(0, MAX_LINES).map((line) => `  ${line}`);
  const more = script.length > MAX_LINES ? [`  and ${script.length - MAX_LINES} more`] : [];
  const tokens = mode === "tokens" ? " --tokens" : "";
  const again = part === "all" ? `--seed ${seed}` : `--seed ${seed} --only ${part} --messages 1 --alone`;
  const beside = alone === false ? ["It was seen beside other scripts, and not alone."] : [];
  return [
    `FAILED (${part}, seed ${seed}): ${why}`,
    ...lines,
    ...more,
    ...beside,
    `again: npm run test:fuzz -- ${again}${tokens}`,
  ].join("\n");
}
