/** The way between a worker and the process that has its store: messages in order, none lost and none twice while it lasts. */
import type { Duplex } from "node:stream";
import { StringDecoder } from "node:string_decoder";

export interface Port {
  /** Characters that were posted and that the system has not taken yet: the other end is slow, or stopped. */
  readonly backlog: number;
  /** @param message JSON of one line. Dropped when the port is closed. */
  post(message: string): void;
  onMessage(listener: (message: string) => void): void;
  /** There is no backlog, or none any more. */
  onDrain(listener: () => void): void;
  /** Called once, with whatever ended it. Nothing arrives afterwards. */
  onClose(listener: () => void): void;
  /** What was posted before is still sent. */
  close(): void;
}

/**
 * A port over a stream of which both ends are processes of this gateway. A message is a line, and what is posted in one
 * turn is written at once: one call of the system instead of many.
 */
export function streamPort(stream: Duplex): Port {
  const messages = new Set<(message: string) => void>();
  const drains = new Set<() => void>();
  const decoder = new StringDecoder("utf8");
  let parts: string[] = [];
  let posted: string[] = [];
  let postedCharacters = 0;
  let closed = false;

  const flush = (): void => {
    const text = posted.join("");
    posted = [];
    postedCharacters = 0;
    if (stream.destroyed || stream.writableEnded) return;
    if (stream.write(text)) drained();
  };
  const drained = (): void => {
    for (const listener of drains) listener();
  };
  stream.on("drain", drained);
  // A broken stream says so by closing as well.
  stream.on("error", () => {});
  stream.on("data", (data: Buffer) => {
    const lines = decoder.write(data).split("\n");
    const rest = lines.pop() ?? "";
    const [first] = lines;
    if (first === undefined) return void parts.push(rest);
    // A long message comes in many pieces: they are joined once, when its end is there.
    lines[0] = parts.join("") + first;
    parts = [rest];
    for (const line of lines) for (const listener of messages) if (!closed) listener(line);
  });

  return {
    get backlog() {
      return stream.writableLength + postedCharacters;
    },
    post(message) {
      if (closed) return;
      posted.push(message, "\n");
      postedCharacters += message.length + 1;
      if (posted.length === 2) process.nextTick(flush);
    },
    onMessage: (listener) => void messages.add(listener),
    onDrain: (listener) => void drains.add(listener),
    onClose(listener) {
      stream.once("close", () => {
        closed = true;
        listener();
      });
    },
    close() {
      if (posted.length > 0) flush();
      closed = true;
      // Nothing that the other end still says is waited for.
      stream.end(() => stream.destroy());
    },
  };
}
