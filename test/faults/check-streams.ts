/** What each subscriber was sent: snapshot, then every event after it, none twice, across its sockets (E2). */
import type { SandboxEvent } from "../../protocol/sandbox.ts";
import { type Entry, type EntryOf, ofKind } from "./history.ts";
import { alike, type Guarantees, type Violation, violation } from "./violation.ts";

type StreamEntry = EntryOf<"join" | "joined" | "event">;

export function checkStreams(history: readonly Entry[], guarantees: Guarantees): Violation[] {
  const streams = new Map<string, StreamEntry[]>();
  for (const entry of history) {
    if (entry.kind !== "join" && entry.kind !== "joined" && entry.kind !== "event") continue;
    const stream = streams.get(entry.actor) ?? [];
    streams.set(entry.actor, stream);
    stream.push(entry);
  }
  const final = ofKind(history, "final")[0];
  const log = new Map(final?.log.map((event) => [event.seq, event]));
  return [
    ...[...streams.values()].flatMap((stream) => checkStream(stream, log, guarantees)),
    ...ofKind(history, "shown")
      .filter(({ sandbox }) => !alike(sandbox, final?.sandbox))
      .map((shown) => violation("E2", `${shown.actor} does not show the final state`, shown, final)),
  ];
}

/** Where a subscriber stands on its present socket. */
interface Standing {
  readonly socket: number;
  readonly seq: number;
  readonly last: StreamEntry;
}

function checkStream(
  stream: readonly StreamEntry[],
  log: ReadonlyMap<number, SandboxEvent>,
  { durable }: Guarantees,
): Violation[] {
  const violations: Violation[] = [];
  const joins = new Map<string, EntryOf<"join">>();
  let standing: Standing | undefined;
  for (const entry of stream) {
    if (entry.kind === "join") {
      joins.set(entry.id, entry);
    } else if (entry.kind === "joined") {
      const join = joins.get(entry.id);
      const seq = entry.snapshot?.seq ?? join?.since?.seq;
      if (seq === undefined) {
        violations.push(violation("E2", `${entry.actor} joined and got no snapshot`, join, entry));
      } else {
        standing = { socket: entry.socket, seq, last: entry };
      }
    } else {
      const { event, actor, socket } = entry;
      if (standing?.socket !== socket) {
        violations.push(
          violation("E2", `${actor} got event ${event.seq} before it was joined`, standing?.last, entry),
        );
      } else if (event.seq !== standing.seq + 1) {
        const what = `${actor} got event ${event.seq} after ${standing.seq}`;
        violations.push(violation("E2", what, standing.last, entry));
      }
      standing = { socket, seq: event.seq, last: entry };
      const logged = log.get(event.seq);
      // Where the store may lose writes, an event of the lost history is not in the log.
      if (durable && !alike(logged, event)) {
        const what = `event ${event.seq} that ${actor} got is not the log's`;
        violations.push(violation("E1", what, entry));
      }
    }
  }
  return violations;
}
