/** Each rule of the checker with a history that breaks just that rule: a checker that finds nothing proves nothing. */
import { describe, expect, it } from "vitest";
import { check } from "./check.ts";
import { lostCalls } from "./check-log.ts";
import type { Entry, EntryOf, Fact } from "./history.ts";
import { EPOCH, FINAL, LOG, sampleHistory } from "./sample-history.ts";

type Edit = (history: Entry[]) => Entry[];

/** Entries of this kind that `wants` accepts become what `change` makes of them; `null` removes them. */
function edit<K extends Fact["kind"]>(
  kind: K,
  wants: (entry: EntryOf<K>) => boolean,
  change: (entry: EntryOf<K>) => Entry | null,
): Edit {
  return (history) =>
    history.flatMap((entry) => {
      if (entry.kind !== kind || !wants(entry as EntryOf<K>)) return [entry];
      return change(entry as EntryOf<K>) ?? [];
    });
}

function add(...entries: readonly Entry[]): Edit {
  return (history) => [...history, ...entries].sort((a, b) => a.at - b.at);
}

function all(...edits: readonly Edit[]): Edit {
  return (history) => edits.reduce((edited, next) => next(edited), history);
}

/** The agent's refused input reaches the page all the same, with no answer to contradict. */
function slips(tag: string, at: number): Edit {
  return all(
    edit(
      "input.refused",
      (entry) => entry.tag === tag,
      () => null,
    ),
    add({ at, kind: "page", n: 99, tag }),
  );
}

const isEvent =
  (seq: number) =>
  (entry: EntryOf<"event">): boolean =>
    entry.event.seq === seq;

const withLog = (change: (log: EntryOf<"final">["log"]) => EntryOf<"final">["log"]): Edit =>
  edit(
    "final",
    () => true,
    (entry) => ({ ...entry, log: change(entry.log) }),
  );

const BROKEN: readonly [rule: string, what: RegExp, edit: Edit][] = [
  ["C4", /"ann:1;" reached the page 2 times/, add({ at: 1_210, kind: "page", n: 2.5, tag: "ann:1;" })],
  [
    "C4",
    /"ann:1;" was answered as done and never reached/,
    edit(
      "page",
      ({ tag }) => tag === "ann:1;",
      () => null,
    ),
  ],
  ["C4", /"x:1;", which nobody sent/, add({ at: 1_550, kind: "page", n: 99, tag: "x:1;" })],
  [
    "C4",
    /"agent:9;" was refused with not_controller and reached/,
    add(
      { at: 1_330, kind: "input", tag: "agent:9;", hand: "ai", node: "a", epoch: EPOCH.returned },
      { at: 1_332, kind: "page", n: 4.5, tag: "agent:9;" },
      { at: 1_334, kind: "input.refused", tag: "agent:9;", code: "not_controller" },
    ),
  ],
  [
    "C1",
    /input of epoch 100 reached the page after input of epoch 400/,
    // Within the clock's reach of its turn: only the page's own order tells.
    all(
      edit(
        "page",
        ({ tag }) => tag === "agent:1;",
        (page) => ({ ...page, n: 3.5 }),
      ),
    ),
  ],
  [
    "C1",
    /input of ai without an epoch reached the page out of turn: it was epoch 200 of nobody/,
    slips("rogue:1;", 1_134),
  ],
  ["C1", /event 9 \(control.taken\) has epoch 400 after 400/, epochOf(9, 400)],
  ["H1", /handoff i replaces h, which is pending/, replaced()],
  [
    "E1",
    /nodes a and b do not agree/,
    edit(
      "final",
      ({ node }) => node === "b",
      (final) => ({ ...final, sandbox: { ...FINAL, updatedAt: 1 } }),
    ),
  ],
  ["E1", /is not the final state/, finalState()],
  [
    "E1",
    /event 7 that watcher got is not the log's/,
    edit("event", isEvent(7), (entry) => ({ ...entry, event: { ...entry.event, at: 1 } })),
  ],
  ["E2", /watcher got event 8 after 6/, edit("event", isEvent(7), () => null)],
  [
    "E2",
    /watcher got event 7 after 7/,
    (history) =>
      history.flatMap((entry) => (entry.kind === "event" && isEvent(7)(entry) ? [entry, entry] : [entry])),
  ],
  [
    "E2",
    /watcher got event 2 before it was joined/,
    edit(
      "joined",
      ({ socket }) => socket === 1,
      () => null,
    ),
  ],
  ["E2", /watcher joined and got no snapshot/, noSnapshot()],
  [
    "E2",
    /watcher does not show the final state/,
    edit(
      "shown",
      () => true,
      (shown) => ({ ...shown, sandbox: { ...FINAL, seq: 11 } }),
    ),
  ],
  [
    "H6",
    /ann-9 was acknowledged and is not in the log/,
    add(
      { at: 1_600, kind: "call", call: "ann-9", op: "release", actor: "ann" },
      { at: 1_604, kind: "answered", call: "ann-9", handoff: null },
    ),
  ],
  [
    "R1",
    /the prompt of h was handled 2 times/,
    add({ at: 1_292, kind: "handled", actor: "agent", requestId: "h" }),
  ],
  [
    "R1",
    /the prompt of h was never handled/,
    edit(
      "handled",
      () => true,
      () => null,
    ),
  ],
  [
    "R1",
    /a prompt of i was handled that no handoff left/,
    add({ at: 1_292, kind: "handled", actor: "agent", requestId: "i" }),
  ],
];

/** An event's epoch, in the log and in what was sent. */
function epochOf(seq: number, epoch: number): Edit {
  return all(
    withLog((log) => log.map((event) => (event.seq === seq ? { ...event, epoch } : event))),
    edit("event", isEvent(seq), (entry) => ({ ...entry, event: { ...entry.event, epoch } })),
  );
}

/** Another handoff takes the pending one's place. */
function replaced(): Edit {
  const swap = (event: (typeof LOG)[number]): (typeof LOG)[number] =>
    event.seq !== 3
      ? event
      : {
          ...event,
          type: "handoff.requested",
          changes: {
            ...event.changes,
            handoff: { ...(LOG[0]?.changes.handoff as never as object), requestId: "i" } as never,
          },
        };
  return all(
    withLog((log) => log.map(swap)),
    edit("event", isEvent(3), (entry) => ({ ...entry, event: swap(entry.event) })),
  );
}

function finalState(): Edit {
  const sandbox = { ...FINAL, handoff: null };
  return all(
    edit(
      "final",
      () => true,
      (final) => ({ ...final, sandbox }),
    ),
    edit(
      "shown",
      () => true,
      (shown) => ({ ...shown, sandbox }),
    ),
  );
}

function noSnapshot(): Edit {
  return all(
    edit(
      "joined",
      ({ socket }) => socket === 1,
      ({ snapshot, ...joined }) => (snapshot ? joined : null),
    ),
    edit(
      "event",
      ({ socket }) => socket === 1,
      () => null,
    ),
  );
}

describe("the checker", () => {
  it("finds nothing in a history in which everything holds", () => {
    expect(check(sampleHistory(), { durable: true })).toEqual([]);
    expect(check(sampleHistory(), { durable: false })).toEqual([]);
  });

  it.each(BROKEN)("%s: finds that %s", (rule, what, edit) => {
    const found = check(edit(sampleHistory()), { durable: true });
    expect([...new Set(found.map((violation) => violation.rule))]).toEqual([rule]);
    expect(found[0]?.what).toMatch(what);
    expect(found[0]?.excerpt.length).toBeGreaterThan(0);
  });

  it("C1: two hands in one epoch", () => {
    const hands = all(
      edit(
        "input.refused",
        ({ tag }) => tag === "agent:2;",
        () => null,
      ),
      edit(
        "input",
        ({ tag }) => tag === "agent:2;",
        (input) => ({ ...input, epoch: EPOCH.accepted }),
      ),
      add({ at: 1_240, kind: "page", n: 2.5, tag: "agent:2;" }),
    );
    const found = check(hands(sampleHistory()), { durable: false });
    expect(found.map(({ what }) => what)).toContain("in epoch 300 input of ann and of ai reached the page");
  });

  it("C2: input of another party, and of an older epoch, while a claim holds; not before and not after", () => {
    const rules = (edit: Edit): string[] =>
      check(edit(sampleHistory()), { durable: false }).map(({ rule, what }) => `${rule} ${what}`);
    const foreign = "C2 ann's claim was answered (epoch 300), and 10 ms later input of ai reached the page";
    expect(rules(slips("rogue:2;", 1_152))).toEqual([foreign]);
    expect(rules(slips("rogue:4;", 1_452))).toEqual([
      "C2 ann's claim was answered (epoch 500), and 48 ms later input of ai reached the page",
    ]);
    expect(rules(slips("rogue:1;", 1_139))).toEqual([]);
    // The call that ends the hold is under way.
    expect(rules(slips("rogue:4;", 1_501))).toEqual([]);
    const own: Edit = add(
      { at: 1_450, kind: "input", tag: "ann:9;", hand: "ann", node: "a", epoch: EPOCH.accepted },
      { at: 1_451, kind: "page", n: 4.5, tag: "ann:9;" },
    );
    expect(rules(own)).toContain(
      "C2 ann's claim was answered (epoch 500), and 47 ms later input of epoch 300 reached the page",
    );
  });

  it("H6: a call that is in the log twice", () => {
    const twice = withLog((log) =>
      log.map((event) =>
        event.seq === 12 ? { ...event, type: "control.released", by: LOG[9]?.by as never } : event,
      ),
    );
    const found = check(twice(sampleHistory()), { durable: false });
    expect(found.map(({ what }) => what)).toEqual(["ann-4 is in the log 2 times: 11, 12"]);
  });

  it("H2: a handoff that is accepted while it is accepted", () => {
    const again = withLog((log) =>
      log.map((event) =>
        event.seq === 5 ? { ...event, type: "handoff.accepted", changes: LOG[2]?.changes as never } : event,
      ),
    );
    const found = check(again(sampleHistory()), { durable: false });
    expect(found.map(({ what }) => what)).toContain(
      "event 5 (handoff.accepted): handoff h was accepted while it was accepted",
    );
  });

  it("without durability a lost call is counted, not a violation", () => {
    const lost = add(
      { at: 1_600, kind: "call", call: "ann-9", op: "release", actor: "ann" },
      { at: 1_604, kind: "answered", call: "ann-9", handoff: null },
    )(sampleHistory());
    expect(check(lost, { durable: false })).toEqual([]);
    expect(lostCalls(lost).map(({ call }) => call)).toEqual(["ann-9"]);
  });

  it("a claim of what the caller holds already needs no event", () => {
    const again = add(
      { at: 1_440, kind: "call", call: "ann-9", op: "take", actor: "ann" },
      { at: 1_444, kind: "answered", call: "ann-9", handoff: null },
    )(sampleHistory());
    expect(check(again, { durable: true })).toEqual([]);
  });
});
