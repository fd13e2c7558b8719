/** `baton audit verify`. */
import { parseArgs } from "node:util";
import type { AuditHead } from "../store/store.ts";
import { BEGINNING } from "./chain.ts";
import { linesOf } from "./lines.ts";
import { verify, type Verdict, type VerifyOptions } from "./verify.ts";

export const VERIFY_USAGE = `usage: baton audit verify [--head SEQ:HASH] [--from SEQ:HASH] FILE
  FILE              an export of the audit log (GET /v1/audit), one line per entry
  --head SEQ:HASH   a line that was once the last: a cut-off end shows
  --from SEQ:HASH   the last line of the export before this one, or 0 for the beginning of the log`;

export interface VerifyIo {
  /** The file's text in pieces of any size, as `createReadStream(path, "utf8")` gives it. */
  readonly open: (path: string) => AsyncIterable<string>;
  /** A line for whoever asked. */
  readonly out: (line: string) => void;
}

/** @returns the exit code: 0 nothing was found, 1 something was, 2 the question was wrong or the file cannot be read */
export async function verifyCommand(args: readonly string[], { open, out }: VerifyIo): Promise<number> {
  let question: Question;
  try {
    question = questionOf(args);
  } catch (error) {
    out(`${error instanceof Error ? error.message : String(error)}\n${VERIFY_USAGE}`);
    return 2;
  }
  let verdict: Verdict;
  try {
    verdict = await verify(linesOf(open(question.file)), question);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    out(`${question.file} cannot be read: ${reason}. Give the path of an export that this user may read.`);
    return 2;
  }
  return report(question, verdict, out);
}

interface Question extends VerifyOptions {
  readonly file: string;
}

function questionOf(args: readonly string[]): Question {
  const options = { head: { type: "string" }, from: { type: "string" } } as const;
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
  const [file, ...others] = positionals;
  if (file === undefined || others.length > 0) throw new TypeError("Name one file.");
  return {
    file,
    ...(values.head !== undefined && { head: headOf("--head", values.head) }),
    ...(values.from !== undefined && { from: headOf("--from", values.from) }),
  };
}

function headOf(option: string, text: string): AuditHead {
  if (option === "--from" && /^0:?$/.test(text)) return BEGINNING;
  const [, seq, hash] = /^([1-9]\d{0,15}):([0-9a-fA-F]{64})$/.exec(text) ?? [];
  if (seq === undefined || hash === undefined)
    throw new TypeError(
      `${option} must be a number and a hash, as an earlier verification told them (12:6b86…).`,
    );
  return { seq: Number(seq), hash: hash.toLowerCase() };
}

function report({ file, head, from }: Question, verdict: Verdict, out: VerifyIo["out"]): number {
  const { lines, firstSeq, last, problems, problemCount } = verdict;
  for (const problem of problems) out(problem);
  if (problemCount > problems.length) out(`and ${problemCount - problems.length} more.`);
  if (problemCount > 0) {
    out(
      `${file} is not the log as it was written. Keep it as it is, export the log again over a connection you trust, ` +
        "and compare the lines named here; if the new export fails too, look for who can write to the gateway's store.",
    );
    return 1;
  }
  if (lines === 0) {
    if (from) {
      out(`${file} has no lines: nothing was written since number ${from.seq}, or the end is cut off.`);
      return 0;
    }
    out(`${file} has no lines, so there is nothing to verify. Export the log again with GET /v1/audit.`);
    return 2;
  }
  out(`${file} is as it was written: ${lines} lines, number ${firstSeq} to ${last.seq}.`);
  if (firstSeq > 1 && !from) {
    out(
      `What was before number ${firstSeq} is not in the file: the log keeps its newest lines only. Give --from with the ` +
        "end of the export before this one to see that nothing is missing between the two.",
    );
  }
  if (!head) out("Lines that were cut off at the end do not show without --head.");
  out(`Note the end somewhere else, for --head or --from the next time: ${last.seq}:${last.hash}`);
  return 0;
}
