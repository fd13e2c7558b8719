/** One member for each of many rooms, over few sockets: what they cost is the rooms' and not the sockets'. */
import { PROTOCOL_VERSION } from "../../protocol/version.ts";
import type { Frame } from "./frame-reader.ts";
import { LightSocket } from "./light-socket.ts";
import { within, type Resources } from "./resources.ts";
import { roomOf } from "./rooms.ts";

/** Most that one socket may follow. */
const ROOMS_PER_SOCKET = 1_000;
/** Joins under way at a time: a socket may not have many calls that wait. */
const BATCH = 100;
const HEAD_BYTES = 64;

/** Joins the sandboxes from number 0 on. Resolves when there is a member in each. */
export async function openRooms(resources: Resources, url: string, rooms: number): Promise<void> {
  for (let first = 0; first < rooms; first += ROOMS_PER_SOCKET) {
    const socket = await openSocket(resources, url, `m${first}`);
    const end = Math.min(first + ROOMS_PER_SOCKET, rooms);
    for (let from = first; from < end; from += BATCH) await socket(from, Math.min(from + BATCH, end));
  }
}

/** Resolves to what joins the sandboxes of these numbers. */
async function openSocket(
  resources: Resources,
  url: string,
  name: string,
): Promise<(from: number, to: number) => Promise<void>> {
  let expected = 0;
  let done = (): void => {};
  const arrived = (count: number, start: () => void): Promise<void> => {
    expected = count;
    const all = new Promise<void>((resolve) => (done = resolve));
    start();
    return within(all, `the answers to ${name}`);
  };
  const one = (): void => {
    expected -= 1;
    if (expected === 0) done();
  };
  let socket: LightSocket | undefined;
  const handler = {
    opened: one,
    message: ({ head }: Frame) => {
      const text = head.toString("latin1");
      if (text.startsWith('{"type":"sandbox.joined"')) one();
      if (text.startsWith('{"type":"error"')) throw new Error(`the gateway answered ${name} ${text}`);
    },
    closed: (why: string) => {
      throw new Error(`the member ${name} lost its connection: ${why}`);
    },
  };
  await arrived(1, () => {
    socket = new LightSocket(url, handler, { headBytes: HEAD_BYTES });
    resources.onClose(() => socket?.cut());
  });
  socket?.send({ type: "hello", version: PROTOCOL_VERSION, role: "viewer", name });
  return (from, to) =>
    arrived(to - from, () => {
      const joins = Array.from({ length: to - from }, (_, index) => {
        const sandboxId = roomOf(from + index);
        return { type: "sandbox.join", id: sandboxId, sandboxId } as const;
      });
      socket?.send(...joins);
    });
}
