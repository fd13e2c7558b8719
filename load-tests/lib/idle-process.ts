/** Subscribers who do nothing: opened when asked, and there until the end. */
import { RedisStore } from "../../src/store/redis/redis-store.ts";
import { subscribe } from "./dialects.ts";
import { beginningOf, FieldEvents } from "./field-events.ts";
import type { LoadSettings } from "./field-load-process.ts";
import { serve } from "./processes.ts";
import type { RawSocket } from "./raw-socket.ts";
import { viewerToken } from "./viewer-token.ts";

/** So many there should be in all. */
export interface IdleQuestion {
  readonly subscribers: number;
}

/** Handshakes under way at a time. */
const BATCH = 50;
/** Of Baton's: everybody in a room hears who else is there, so that one room of all would measure that. */
const ROOMS = 50;

serve(async ([text = "{}"]) => {
  const settings = JSON.parse(text) as LoadSettings;
  const { dialect, url, channel, secret } = settings;
  const rooms =
    dialect === "baton" ? Array.from({ length: ROOMS }, (_, room) => `${channel}-${room}`) : [channel];
  if (dialect === "baton") {
    const store = await RedisStore.connect({ url: settings.address });
    for (const room of rooms) {
      const { state, events } = new FieldEvents(room).created;
      await store.create(state, events, null);
    }
    await store.close();
  }
  const sockets: RawSocket[] = [];
  const join = async (subscriber: number): Promise<RawSocket> => {
    const room = rooms[subscriber % rooms.length] ?? channel;
    return subscribe({
      dialect,
      url,
      channel: room,
      ...(secret !== undefined && { token: await viewerToken(secret, room, subscriber) }),
      beginning: beginningOf(room),
      onEvent: () => {},
      onEnd: (why) => {
        throw new Error(`subscriber ${subscriber} of ${url} has ended: ${why.message}`);
      },
    });
  };
  return {
    info: {},
    answer: async (question) => {
      const { subscribers } = question as IdleQuestion;
      while (sockets.length < subscribers) {
        const count = Math.min(BATCH, subscribers - sockets.length);
        const batch = Array.from({ length: count }, (_, index) => join(sockets.length + index));
        sockets.push(...(await Promise.all(batch)));
      }
    },
    close: async () => {
      for (const socket of sockets) socket.terminate();
    },
  };
});
