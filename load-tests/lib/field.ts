/** The servers that people compare a gateway with, and the gateway's own two transports, each under the same load. */
import { randomBytes } from "node:crypto";
import { Keys } from "../../src/store/redis/keys.ts";
import { parseRedisUrl } from "../../src/store/redis/url.ts";
import { needNpmPeers } from "../peers/install.ts";
import { startNats } from "../peers/nats.ts";
import { startNchan } from "../peers/nchan.ts";
import { pin, pinned } from "./cores.ts";
import { committedBeginningOf } from "./field-events.ts";
import type { LoadSettings, Turn, TurnOrder } from "./field-load-process.ts";
import { startWorker, type Worker } from "./processes.ts";
import { startRedis } from "./redis.ts";
import type { Resources } from "./resources.ts";
import type { Context, Path } from "./scenario.ts";

/** In one room or channel. */
export const SUBSCRIBERS = 1_000;

/** A server that runs, and how to reach it. */
export type Served = Pick<
  LoadSettings,
  "dialect" | "url" | "publisher" | "address" | "serverPids" | "secret" | "beginning"
> & {
  /** Bytes that it occupies, garbage collected. Absent: it cannot be asked. */
  readonly memory?: () => Promise<number>;
};

export interface Place {
  readonly redisUrl: string;
  /** Of this contender alone: a channel, a room, a sandbox's id. */
  readonly channel: string;
}

export interface Contender {
  readonly name: string;
  readonly kind: Path["kind"];
  readonly serve: (resources: Resources, place: Place) => Promise<Served>;
}

export interface Loaded {
  readonly contender: Contender;
  readonly turn: (order: TurnOrder) => Promise<Turn>;
}

const REDIS_PEER = { dialect: "plain", publisher: "redis" } as const;

function peer(name: string, kind: Path["kind"], script: string, way?: string): Contender {
  return {
    name,
    kind,
    serve: async (resources, { redisUrl, channel }) => {
      const args = [redisUrl, channel, ...(way === undefined ? [] : [way])];
      return { ...REDIS_PEER, ...(await served(resources, `../peers/${script}`, args)), address: redisUrl };
    },
  };
}

/**
 * uWebSockets.js again, sending what a commit publishes: the same way through Redis as Baton's events have, so that what
 * is left between the two is what their servers do.
 */
function behindCommits(name: string, kind: Path["kind"]): Contender {
  return {
    name,
    kind,
    serve: async (resources, { redisUrl, channel }) => {
      const { prefix, db } = parseRedisUrl(redisUrl);
      const args = [redisUrl, new Keys(prefix, db).of(channel).channel, "publish", "sharded"];
      const server = await served(resources, "../peers/raw-uws.ts", args);
      const beginning = committedBeginningOf(channel);
      return { ...server, dialect: "plain", publisher: "commit", address: redisUrl, beginning };
    },
  };
}

function baton(transport: "ws" | "uws"): Contender {
  return {
    name: `baton ${transport}`,
    kind: "gateway",
    serve: async (resources, { redisUrl }) => {
      const secret = randomBytes(32).toString("hex");
      const { url, ...rest } = await served(resources, "gateway-process.ts", [redisUrl, transport, secret]);
      const socketUrl = `${url.replace(/^http/, "ws")}/v1/connect`;
      return { ...rest, dialect: "baton", publisher: "commit", url: socketUrl, address: redisUrl, secret };
    },
  };
}

/** The references of what events take on their way, which begins with the commit. */
export const BEHIND_COMMITS = {
  uws: behindCommits("uWS behind commits", "reference"),
  uwsAgain: behindCommits("uWS behind commits, again", "control"),
} as const;

export const FIELD = {
  batched: peer("ws, batched", "reference", "raw-ws-batched.ts"),
  batchedAgain: peer("ws, batched, again", "control", "raw-ws-batched.ts"),
  loop: peer("ws, plain loop", "yardstick", "raw-ws-loop.ts"),
  uws: peer("uWS, publish", "yardstick", "raw-uws.ts", "publish"),
  uwsAgain: peer("uWS, publish, again", "control", "raw-uws.ts", "publish"),
  uwsLoop: peer("uWS, send loop", "yardstick", "raw-uws.ts", "loop"),
  batonWs: baton("ws"),
  batonUws: baton("uws"),
  socketIo: {
    name: "Socket.IO + Redis adapter",
    kind: "yardstick",
    serve: async (resources, { redisUrl, channel }) => {
      needNpmPeers();
      const server = await served(resources, "../peers/socket-io.ts", [redisUrl, channel]);
      return { ...server, dialect: "socket.io", publisher: "emitter", address: redisUrl };
    },
  },
  nchan: {
    name: "nchan",
    kind: "yardstick",
    serve: async (resources) => {
      const { subscribeUrl, publishUrl, pids } = await startNchan(resources);
      return {
        dialect: "plain",
        publisher: "post",
        url: subscribeUrl,
        address: publishUrl,
        serverPids: pids,
      };
    },
  },
  nats: {
    name: "NATS",
    kind: "yardstick",
    serve: async (resources) => {
      const { subscribeUrl, publishAddress, pids } = await startNats(resources);
      return {
        dialect: "nats",
        publisher: "nats",
        url: subscribeUrl,
        address: publishAddress,
        serverPids: pids,
      };
    },
  },
} as const satisfies Readonly<Record<string, Contender>>;

async function served(resources: Resources, script: string, args: string[]) {
  const { info, pid, ask } = await startWorker(resources, script, args, pinned("server"));
  return {
    url: info["url"] ?? "",
    serverPids: [pid],
    memory: () => ask<number>({ of: "memory" }),
  };
}

export async function fieldRedis(context: Context): Promise<string> {
  const { url, client } = await startRedis(context, "everysec");
  const [, pid] = /^process_id:(\d+)/m.exec(await client.info("server")) ?? [];
  pin(Number(pid), "load");
  return url;
}

/** A contender's load process. */
export async function loadOf(
  resources: Resources,
  script: "field-load-process.ts" | "idle-process.ts",
  { memory: _memory, ...server }: Served,
  channel: string,
  subscribers: number,
): Promise<Worker> {
  const settings: LoadSettings = { ...server, channel, subscribers };
  return startWorker(resources, script, [JSON.stringify(settings)], pinned("load"));
}

/** Those that could be started, each with its subscribers; for the others, sentences that say why not. */
export async function loadAll(
  { resources, say }: Context,
  contenders: readonly Contender[],
  redisUrl: string,
): Promise<{ readonly loaded: readonly Loaded[]; readonly missing: readonly string[] }> {
  const loaded: Loaded[] = [];
  const missing: string[] = [];
  for (const [index, contender] of contenders.entries()) {
    const channel = `bench-${index}`;
    const server = await startOrSay(contender, resources, { redisUrl, channel }, say);
    if (typeof server === "string") {
      missing.push(server);
      continue;
    }
    const { ask } = await loadOf(resources, "field-load-process.ts", server, channel, SUBSCRIBERS);
    loaded.push({ contender, turn: (order) => ask<Turn>(order) });
  }
  return { loaded, missing };
}

/** A sentence for one that cannot be started here: what is not there is not measured, and the rest is. */
export async function startOrSay(
  contender: Contender,
  resources: Resources,
  place: Place,
  say: Context["say"],
): Promise<Served | string> {
  try {
    return await contender.serve(resources, place);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const sentence = `Not measured: ${contender.name}: ${why}`;
    say(sentence);
    return sentence;
  }
}
