/** A sandbox's events as server-sent events: the same log, for those who cannot hold a WebSocket. */
import { nanoid } from "nanoid";
import type { DownMessage } from "../../protocol/down.ts";
import { formatPosition } from "../../protocol/http.ts";
import type { Position } from "../../protocol/ids.ts";
import type { Caller } from "../core/access.ts";
import type { Client } from "../room/member.ts";
import type { Rooms } from "../room/rooms.ts";

/** Text a reader may have outstanding before it is cut off; it comes back with its `Last-Event-ID` (E3). */
const MAX_PENDING_BYTES = 1024 * 1024;
/** A comment this often keeps proxies from closing a quiet stream. */
const KEEPALIVE_MS = 15_000;

export const STREAM_HEADERS = {
  "content-type": "text/event-stream",
  "cache-control": "no-store",
  "x-accel-buffering": "no",
};

/**
 * @param life ends the stream when it aborts; `done` is called once nothing more is sent
 * @throws BatonError `sandbox_not_found`, `unavailable`, before the first byte
 */
export async function eventStream(
  rooms: Rooms,
  sandboxId: string,
  caller: Caller,
  since: Position | undefined,
  life: { readonly signal: AbortSignal; readonly done: () => void },
): Promise<Response> {
  const { signal, done } = life;
  let acquired: Awaited<ReturnType<Rooms["acquire"]>>;
  try {
    acquired = await rooms.acquire(sandboxId);
  } catch (error) {
    done();
    throw error;
  }
  const { room, release } = acquired;
  const encoder = new TextEncoder();
  const connectionId = `e_${nanoid(12)}`;
  let controller: ReadableStreamDefaultController<Uint8Array>;
  let ended = false;

  const stream = new ReadableStream<Uint8Array>(
    {
      start: (started) => {
        controller = started;
      },
      cancel: () => end(),
    },
    new ByteLengthQueuingStrategy({ highWaterMark: MAX_PENDING_BYTES }),
  );
  const keepalive = setInterval(() => write(": still here\n\n"), KEEPALIVE_MS);
  signal.addEventListener("abort", end, { once: true });

  const client: Client = {
    connectionId,
    clientId: connectionId,
    name: caller.name,
    role: caller.role,
    send,
    sendText: ({ text }) => send(JSON.parse(text) as DownMessage),
    sendBinary: () => {},
    lost: end,
    // There is nothing more to come; a reader that comes back is told so.
    removed: end,
  };
  try {
    // A client that left while the room was opened is not heard of again.
    signal.throwIfAborted();
    await room.join(client, { id: connectionId, ...(since && { since }), passive: true });
  } catch (error) {
    end();
    throw error;
  }
  // Some servers send the head with the first bytes only: a quiet stream is open all the same.
  write(": open\n\n");
  return new Response(stream, { headers: STREAM_HEADERS });

  function send(message: DownMessage): void {
    write(format(message));
  }

  function write(text: string): void {
    if (ended || text === "") return;
    controller.enqueue(encoder.encode(text));
    if ((controller.desiredSize ?? 0) <= 0) end();
  }

  function end(): void {
    if (ended) return;
    ended = true;
    clearInterval(keepalive);
    signal.removeEventListener("abort", end);
    room.leave(connectionId);
    release();
    done();
    try {
      controller.close();
    } catch {
      // The reader cancelled: the stream is closed from its side.
    }
  }
}

/** The stream carries the log and nothing else: other messages are an empty text. */
function format(message: DownMessage): string {
  if (message.type === "event") return block("event", formatPosition(message.event), message.event);
  if (message.type === "sandbox.joined" && message.snapshot)
    return block("snapshot", formatPosition(message.position), message.snapshot);
  if (message.type === "sandbox.left") return block("removed", undefined, { sandboxId: message.sandboxId });
  return "";
}

function block(event: string, id: string | undefined, data: unknown): string {
  return `${id === undefined ? "" : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
