/** Many subscribers of one sandbox on bare WebSockets: it tells when the first, the median and the last had an event. */
import { once } from "node:events";
import { WebSocket } from "ws";
import type { UpMessage } from "../../protocol/up.ts";
import { PROTOCOL_VERSION, SUBPROTOCOL } from "../../protocol/version.ts";
import { SANDBOX_ID } from "./client.ts";
import { sharedNow } from "./clock.ts";
import { numberIn } from "./numbered-event.ts";
import { serve } from "./processes.ts";

/** Handshakes under way at a time: the listener's backlog is bounded. */
const BATCH = 100;

export interface ArrivalQuestion {
  readonly event: number;
}

/** By `sharedNow`. */
export interface Arrivals {
  readonly first: number;
  readonly median: number;
  readonly last: number;
}

interface Counted {
  readonly times: number[];
  readonly complete: Promise<void>;
  readonly done: () => void;
}

serve(async ([url = "", count = "0", joins = ""]) => {
  const expected = Number(count);
  const sockets: WebSocket[] = [];
  const events = new Map<number, Counted>();
  const of = (number: number): Counted => {
    const known = events.get(number);
    if (known) return known;
    let done = (): void => {};
    const complete = new Promise<void>((resolve) => (done = resolve));
    const counted = { times: [], complete, done };
    events.set(number, counted);
    return counted;
  };
  const arrived = (data: Buffer): void => {
    const at = sharedNow();
    const number = numberIn(data);
    if (number === undefined) return;
    const { times, done } = of(number);
    times.push(at);
    if (times.length === expected) done();
  };

  while (sockets.length < expected) {
    const batch = Array.from({ length: Math.min(BATCH, expected - sockets.length) }, (_, index) =>
      joins === "join" ? join(url, `s${sockets.length + index}`) : open(url, []),
    );
    sockets.push(...(await Promise.all(batch)));
  }
  for (const socket of sockets) {
    socket.on("message", arrived);
    socket.on("close", (code, reason) => {
      throw new Error(`a subscriber's socket closed with ${code} ${reason.toString()}`);
    });
  }
  return {
    info: {},
    answer: async (question): Promise<Arrivals> => {
      const { event } = question as ArrivalQuestion;
      const { times, complete } = of(event);
      await complete;
      events.delete(event);
      const [first = 0] = times;
      return { first, median: times[Math.ceil(times.length / 2) - 1] ?? 0, last: times.at(-1) ?? 0 };
    },
    close: async () => {
      for (const socket of sockets) {
        socket.removeAllListeners("close");
        socket.terminate();
      }
    },
  };
});

async function open(url: string, protocols: string[]): Promise<WebSocket> {
  const socket = new WebSocket(url, protocols, { perMessageDeflate: false });
  await once(socket, "open");
  return socket;
}

/** Greeted and in the sandbox, as one who only watches. */
async function join(url: string, name: string): Promise<WebSocket> {
  const socket = await open(url, [SUBPROTOCOL]);
  const joined = new Promise<void>((resolve, reject) => {
    socket.on("message", (data: Buffer) => {
      // Of long lists of who is present, only so much: each is sent to each.
      const start = data.toString("latin1", 0, 40);
      if (start.startsWith('{"type":"sandbox.joined"')) resolve();
      if (start.startsWith('{"type":"error"')) reject(new Error(data.toString("utf8")));
    });
    socket.once("close", (code, reason) =>
      reject(new Error(`a subscriber was closed with ${code} ${reason.toString()} before it was in`)),
    );
  });
  const send = (message: UpMessage): void => socket.send(JSON.stringify(message));
  send({ type: "hello", version: PROTOCOL_VERSION, role: "viewer", name });
  send({ type: "sandbox.join", id: "join", sandboxId: SANDBOX_ID });
  await joined;
  socket.removeAllListeners("message");
  socket.removeAllListeners("close");
  return socket;
}
