/** What reached the page, against whose turn it was (C1, C2, C4). */
import type { ErrorCode } from "../../protocol/errors.ts";
import { type Entry, type EntryOf, ofKind } from "./history.ts";
import { holdsOf } from "./holds.ts";
import { type Turn, turnsOf } from "./turns.ts";
import { CLOCK_MS, type Guarantees, type Violation, violation } from "./violation.ts";

/** Refusals that say that the input was dropped. */
const DROPPED: ReadonlySet<ErrorCode> = new Set([
  "not_controller",
  "stale_tab",
  "not_joined",
  "forbidden",
  "input_overflow",
]);

/** An input as it was sent, and each time that the page saw it. */
interface Typed {
  readonly sent: EntryOf<"input">;
  readonly done: EntryOf<"input.done"> | undefined;
  readonly refused: EntryOf<"input.refused"> | undefined;
  readonly seen: EntryOf<"page">[];
}

export function checkInput(history: readonly Entry[], guarantees: Guarantees): Violation[] {
  const typed = collect(history);
  const record = ofKind(history, "page").sort((a, b) => a.n - b.n);
  const turns = turnsOf(history);
  return [
    ...record
      .filter(({ tag }) => !typed.has(tag))
      .map((page) => violation("C4", `the page saw "${page.tag}", which nobody sent`, page)),
    ...[...typed.values()].flatMap(checkAnswers),
    ...checkOrder(record, typed),
    ...checkHolds(history, record, typed),
    ...(guarantees.durable ? checkTurns(record, typed, turns) : []),
  ];
}

function collect(history: readonly Entry[]): Map<string, Typed> {
  const typed = new Map<string, Typed>();
  const done = new Map(ofKind(history, "input.done").map((entry) => [entry.tag, entry]));
  const refused = new Map(ofKind(history, "input.refused").map((entry) => [entry.tag, entry]));
  for (const sent of ofKind(history, "input")) {
    const { tag } = sent;
    typed.set(tag, { sent, done: done.get(tag), refused: refused.get(tag), seen: [] });
  }
  for (const page of ofKind(history, "page")) typed.get(page.tag)?.seen.push(page);
  return typed;
}

/** The answer is the truth: done means once in the page, refused means never, and nothing is ever there twice. */
function checkAnswers({ sent, done, refused, seen }: Typed): Violation[] {
  const { tag } = sent;
  if (seen.length > 1)
    return [violation("C4", `"${tag}" reached the page ${seen.length} times`, sent, ...seen)];
  if (done && seen.length === 0) {
    return [violation("C4", `"${tag}" was answered as done and never reached the page`, sent, done)];
  }
  if (refused && DROPPED.has(refused.code) && seen.length > 0) {
    return [
      violation(
        "C4",
        `"${tag}" was refused with ${refused.code} and reached the page`,
        sent,
        refused,
        ...seen,
      ),
    ];
  }
  return [];
}

/** C1: the epochs of those who say one never go back in the page, and each belongs to one hand. */
function checkOrder(record: readonly EntryOf<"page">[], typed: ReadonlyMap<string, Typed>): Violation[] {
  const violations: Violation[] = [];
  const hands = new Map<number, { page: EntryOf<"page">; sent: EntryOf<"input"> }>();
  let newest: { page: EntryOf<"page">; epoch: number } | undefined;
  for (const page of record) {
    const sent = typed.get(page.tag)?.sent;
    if (sent?.epoch === undefined) continue;
    const { epoch, hand } = sent;
    if (newest && epoch < newest.epoch) {
      const what = `input of epoch ${epoch} reached the page after input of epoch ${newest.epoch}`;
      violations.push(violation("C1", what, sent, newest.page, page));
    } else {
      newest = { page, epoch };
    }
    const first = hands.get(epoch);
    if (!first) hands.set(epoch, { page, sent });
    else if (first.sent.hand !== hand) {
      const what = `in epoch ${epoch} input of ${first.sent.hand} and of ${hand} reached the page`;
      violations.push(violation("C1", what, first.sent, first.page, sent, page));
    }
  }
  return violations;
}

/** C2: from the answer of a claim until somebody asks for the next change, only the claimant reaches the page. */
function checkHolds(
  history: readonly Entry[],
  record: readonly EntryOf<"page">[],
  typed: ReadonlyMap<string, Typed>,
): Violation[] {
  return holdsOf(history).flatMap(({ holder, epoch, answered, until, end }) =>
    record
      .filter(({ at }) => at > answered.at + CLOCK_MS && at < until - CLOCK_MS)
      .flatMap((page) => {
        const sent = typed.get(page.tag)?.sent;
        if (!sent) return [];
        const foreign = sent.hand !== holder;
        const older = sent.epoch !== undefined && sent.epoch < epoch;
        if (!foreign && !older) return [];
        const whose = foreign ? `input of ${sent.hand}` : `input of epoch ${sent.epoch}`;
        const what = `${holder}'s claim was answered (epoch ${epoch}), and ${page.at - answered.at} ms later ${whose} reached the page`;
        return [violation("C2", what, sent, answered, page, end)];
      }),
  );
}

/** C1: whatever the page saw, it was the turn of the one it came from. */
function checkTurns(
  record: readonly EntryOf<"page">[],
  typed: ReadonlyMap<string, Typed>,
  turns: readonly Turn[],
): Violation[] {
  const byEpoch = new Map(turns.map((turn) => [turn.epoch, turn]));
  return record.flatMap((page) => {
    const sent = typed.get(page.tag)?.sent;
    if (!sent) return [];
    const { epoch, hand } = sent;
    const candidates =
      epoch === undefined ? turns : [byEpoch.get(epoch)].filter((turn) => turn !== undefined);
    const allowed = candidates.some(
      ({ holder, activeFrom, activeUntil }) =>
        holder === hand &&
        activeFrom !== undefined &&
        page.at >= activeFrom - CLOCK_MS &&
        page.at <= activeUntil + CLOCK_MS,
    );
    if (allowed) return [];
    const then = turns.findLast(({ from }) => from <= page.at);
    const whose = `it was epoch ${then?.epoch} of ${then?.holder ?? "nobody"}`;
    const said = epoch === undefined ? "without an epoch" : `of epoch ${epoch}`;
    return [violation("C1", `input of ${hand} ${said} reached the page out of turn: ${whose}`, sent, page)];
  });
}
