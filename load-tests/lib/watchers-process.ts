/**
 * Watchers of whatever sends frames, gateway or plain relay: each acknowledges every frame that has a header, and does
 * nothing else with it. The argument says how many.
 */
import { decodeFrame, FRAME_HEADER_BYTES } from "../../protocol/frame.ts";
import { PROTOCOL_VERSION } from "../../protocol/version.ts";
import { SANDBOX_ID } from "./client.ts";
import { OPCODE, type Frame } from "./frame-reader.ts";
import { LightSocket } from "./light-socket.ts";
import { serve } from "./processes.ts";
import { within } from "./resources.ts";

const MAX_FPS = 60;

export type WatchersQuestion =
  | { readonly do: "watch"; readonly url: string }
  /** Answered with the frames that all of them have got so far. */
  | { readonly do: "tell" }
  | { readonly do: "leave" };

serve(async ([count = "1"]) => {
  let frames = 0;
  let sockets: LightSocket[] = [];
  const leave = (): void => {
    for (const socket of sockets) socket.cut();
    sockets = [];
  };
  const watch = (url: string): Promise<void> =>
    within(
      new Promise((resolve, reject) => {
        const socket: LightSocket = new LightSocket(
          url,
          {
            opened: () => {
              const to = { sandboxId: SANDBOX_ID };
              socket.send(
                { type: "hello", version: PROTOCOL_VERSION, role: "viewer", name: "watcher" },
                { type: "sandbox.join", id: "join", ...to },
                { type: "preview.start", id: "watch", ...to, maxFps: MAX_FPS },
              );
              resolve();
            },
            message: ({ opcode, head }: Frame) => {
              if (opcode !== OPCODE.binary) return;
              frames += 1;
              const header = decodeFrame(head)?.header;
              if (header) socket.send({ type: "preview.ack", sandboxId: SANDBOX_ID, seq: header.seq });
            },
            closed: (why) => reject(new Error(`a watcher's socket ended: ${why}`)),
          },
          { headBytes: FRAME_HEADER_BYTES },
        );
        sockets.push(socket);
      }),
      "a watcher's handshake",
    );
  return {
    info: {},
    answer: async (question) => {
      const asked = question as WatchersQuestion;
      if (asked.do === "leave") leave();
      if (asked.do === "watch")
        await Promise.all(Array.from({ length: Number(count) }, () => watch(asked.url)));
      return frames;
    },
    close: async () => leave(),
  };
});
