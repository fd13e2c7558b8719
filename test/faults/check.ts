/** Judges a history. Pure: it can be called again on what an earlier run wrote. */
import { checkInput } from "./check-input.ts";
import { checkLog } from "./check-log.ts";
import { checkResume } from "./check-resume.ts";
import { checkStreams } from "./check-streams.ts";
import type { Entry } from "./history.ts";
import type { Guarantees, Violation } from "./violation.ts";

export function check(history: readonly Entry[], guarantees: Guarantees): Violation[] {
  return [
    ...checkInput(history, guarantees),
    ...checkLog(history, guarantees),
    ...checkStreams(history, guarantees),
    ...checkResume(history, guarantees),
  ];
}
