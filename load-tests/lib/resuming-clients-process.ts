/**
 * Many subscribers that know where they stand: they come, are cut off, come back all at once with their position, and
 * check the number of each event that they are given. Arguments: how they come (`tokens`, `open`, or `plain` to a server
 * that only says one thing), how many sandboxes, and how many they are.
 */
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import type { UpMessage } from "../../protocol/up.ts";
import { PROTOCOL_VERSION } from "../../protocol/version.ts";
import { token } from "../../test/support/tokens.ts";
import { sharedNow } from "./clock.ts";
import type { Frame } from "./frame-reader.ts";
import { LightSocket } from "./light-socket.ts";
import { serve } from "./processes.ts";
import { within } from "./resources.ts";
import { roomOf } from "./rooms.ts";

/** Of a message: enough for the position that stands behind a snapshot. */
const HEAD_BYTES = 2_048;
/** Handshakes under way at a time while they come for the first time. */
const BATCH = 100;
/** Shorter than an answer may take (30 s). */
const WAIT_MS = 20_000;
/** Beside its subscribers, a process has few files open. */
const OTHER_FILES = 100;
const MAX_RETRIES = 5;
/** How long the last events may take to arrive. */
const CHECK_MS = 10_000;
const LOOK_MS = 20;
const TOKEN_SECONDS = 3_600;

export type ClientsQuestion =
  /** The next so many come for the first time. */
  | { readonly do: "join"; readonly url: string; readonly count: number }
  /** All connections break. */
  | { readonly do: "cut" }
  /** All come back at once. Answered without waiting for that. */
  | { readonly do: "return" }
  /** Answered with `Resumed` when the last of them is up to date, or with null after a while. */
  | { readonly do: "wait" }
  /** Answered with `Delivered` once all have the last event of their sandbox, or did not get it in time. */
  | { readonly do: "check"; readonly last: readonly number[] };

/** Milliseconds from the first of the attempts until so many of the subscribers were up to date. */
export interface Resumed {
  readonly half: number;
  readonly all: number;
  /** Until the last of the handshakes was done. */
  readonly open: number;
  /** Connections that ended before their handshake was done, each followed by another one. */
  readonly retries: number;
}

/** Subscribers of which this is so, each an error of the gateway's. */
export interface Delivered {
  readonly snapshots: number;
  readonly gaps: number;
  readonly twice: number;
  readonly behind: number;
}

interface Position {
  epoch: number;
  seq: number;
}

type Access = "tokens" | "open" | "plain";

class Subscriber {
  position: Position | undefined;
  readonly name: string;
  readonly room: number;
  readonly #access: Access;
  #url = "";
  #token: string | undefined;
  #socket: LightSocket | undefined;
  /** Where it is up to date, as it was told. */
  #target: number | undefined;
  #come: (() => void) | undefined;
  #failed: ((error: Error) => void) | undefined;
  #open = false;
  retries = 0;
  openedAt = 0;
  resumedAt = 0;
  snapshots = 0;
  gaps = 0;
  twice = 0;

  constructor(access: Access, index: number, rooms: number) {
    this.#access = access;
    this.room = index % rooms;
    this.name = `s${index}`;
  }

  async prepare(): Promise<void> {
    if (this.#access !== "tokens") return;
    const claims = {
      sub: this.name,
      role: "viewer",
      sandboxes: [roomOf(this.room)],
      jti: this.name,
    } as const;
    this.#token = await token({ ...claims, expiresIn: TOKEN_SECONDS });
  }

  /** Resolves when it is up to date. @param url default: where it was before */
  come(url = this.#url): Promise<void> {
    this.#url = url;
    const come = new Promise<void>((resolve, reject) => {
      this.#come = resolve;
      this.#failed = reject;
    });
    this.#connect();
    return come;
  }

  #connect(): void {
    this.#target = undefined;
    const handler = {
      opened: () => this.#opened(),
      message: (frame: Frame) => this.#receive(frame),
      closed: (why: string) => this.#closed(why),
    };
    this.#open = false;
    const subprotocol = this.#access === "plain" ? { subprotocol: "" } : {};
    this.#socket = new LightSocket(this.#url, handler, { headBytes: HEAD_BYTES, ...subprotocol });
  }

  cut(): void {
    this.#socket?.cut();
  }

  #opened(): void {
    this.#open = true;
    this.openedAt = sharedNow();
    if (this.#access === "plain") return;
    const who =
      this.#token === undefined ? { role: "viewer" as const, name: this.name } : { token: this.#token };
    const hello: UpMessage = { type: "hello", version: PROTOCOL_VERSION, ...who };
    const since = this.position && { since: { ...this.position } };
    this.#socket?.send(hello, { type: "sandbox.join", id: "join", sandboxId: roomOf(this.room), ...since });
  }

  #receive({ head }: Frame): void {
    if (this.#access === "plain") return this.#upToDate();
    const text = head.toString("latin1");
    if (text.startsWith('{"type":"event"')) {
      this.#event(positionIn(text, EVENT_POSITION));
    } else if (text.startsWith('{"type":"sandbox.joined"')) {
      const position = positionIn(text, JOINED_POSITION);
      const snapshot = text.includes('"snapshot":');
      if (snapshot && this.position) this.snapshots += 1;
      if (snapshot) this.position = position;
      this.#target = position.seq;
      if (this.position && this.position.seq >= position.seq) this.#upToDate();
    } else if (text.startsWith('{"type":"error"') || text.startsWith('{"type":"sandbox.left"')) {
      this.#fail(text);
    }
  }

  #event(position: Position): void {
    const expected = (this.position?.seq ?? 0) + 1;
    if (position.seq > expected) this.gaps += 1;
    if (position.seq < expected) this.twice += 1;
    this.position = position;
    if (position.seq === this.#target) this.#upToDate();
  }

  #upToDate(): void {
    this.resumedAt = sharedNow();
    this.#come?.();
  }

  /** The system gives up connections that wait too long for a server to take them; any client then tries again. */
  #closed(why: string): void {
    if (this.#open || this.retries >= MAX_RETRIES) return this.#fail(why);
    this.retries += 1;
    this.#connect();
  }

  /** An open one is not cut off or refused but by `cut`. */
  #fail(why: string): void {
    const error = new Error(`subscriber ${this.name}: ${why}`);
    if (!this.#failed) throw error;
    this.#failed(error);
  }
}

const EVENT_POSITION = /"seq":(?<seq>\d+),"epoch":(?<epoch>\d+)/;
const JOINED_POSITION = /"position":\{"epoch":(?<epoch>\d+),"seq":(?<seq>\d+)\}/;

function positionIn(text: string, pattern: RegExp): Position {
  const { seq, epoch } = pattern.exec(text)?.groups ?? {};
  if (seq === undefined || epoch === undefined)
    throw new Error(`no position in the first ${HEAD_BYTES} bytes of ${text.slice(0, 200)}`);
  return { seq: Number(seq), epoch: Number(epoch) };
}

serve(async ([access = "", rooms = "1", count = "0"]) => {
  checkFileLimit(Number(count));
  const subscribers = Array.from(
    { length: Number(count) },
    (_, index) => new Subscriber(access as Access, index, Number(rooms)),
  );
  for (const subscriber of subscribers) await subscriber.prepare();
  let joined = 0;
  let returning: Promise<Resumed> | undefined;
  return {
    info: {},
    answer: async (question) => {
      const asked = question as ClientsQuestion;
      switch (asked.do) {
        case "join": {
          const end = Math.min(joined + asked.count, subscribers.length);
          while (joined < end) {
            const batch = subscribers.slice(joined, Math.min(joined + BATCH, end));
            await within(
              Promise.all(batch.map((each) => each.come(asked.url))),
              "the subscribers' coming",
              WAIT_MS,
            );
            joined += batch.length;
          }
          return joined;
        }
        case "cut":
          for (const subscriber of subscribers) subscriber.cut();
          return true;
        case "return":
          returning = comeBack(subscribers);
          // Whoever waits is told.
          returning.catch(() => {});
          return true;
        case "wait":
          return Promise.race([returning, delay(WAIT_MS, null, { ref: false })]);
        case "check":
          return check(subscribers, asked.last);
      }
    },
    close: async () => {
      for (const subscriber of subscribers) subscriber.cut();
    },
  };
});

async function comeBack(subscribers: readonly Subscriber[]): Promise<Resumed> {
  const from = sharedNow();
  await Promise.all(subscribers.map((each) => each.come()));
  const times = subscribers.map(({ resumedAt }) => resumedAt - from).sort((a, b) => a - b);
  const opened = subscribers.map(({ openedAt }) => openedAt - from);
  return {
    half: times[Math.ceil(times.length / 2) - 1] ?? 0,
    all: times.at(-1) ?? 0,
    open: opened.reduce((most, each) => Math.max(most, each), 0),
    retries: subscribers.reduce((sum, { retries }) => sum + retries, 0),
  };
}

/** Each has all events if it has the last one and none was left out before it. */
async function check(subscribers: readonly Subscriber[], last: readonly number[]): Promise<Delivered> {
  const count = (is: (each: Subscriber) => boolean): number => subscribers.filter(is).length;
  const isBehind = ({ position, room }: Subscriber): boolean => (position?.seq ?? 0) < (last[room] ?? 0);
  const until = performance.now() + CHECK_MS;
  while (subscribers.some(isBehind) && performance.now() < until) await delay(LOOK_MS);
  return {
    snapshots: count(({ snapshots }) => snapshots > 0),
    gaps: count(({ gaps }) => gaps > 0),
    twice: count(({ twice }) => twice > 0),
    behind: count(isBehind),
  };
}

/** Node itself takes as many files as the system lets it have: only the hard limit can be too low. */
function checkFileLimit(sockets: number): void {
  const limit = /^Max open files\s+\S+\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
  if (limit !== undefined && Number(limit) < sockets + OTHER_FILES)
    throw new Error(
      `${sockets} subscribers need ${sockets + OTHER_FILES} open files a process, and the system allows ${limit}; raise \`ulimit -Hn\``,
    );
}
