/** How an event reaches a contender. Each takes what one step of a sandbox gave and lets it go; a failure ends the run. */
import { createRequire } from "node:module";
import { connect } from "node:net";
import { once } from "node:events";
import { Redis } from "ioredis";
import { nanoid } from "nanoid";
import type { Step } from "../../src/core/step.ts";
import { nextDeadline } from "../../src/core/state.ts";
import { RedisStore } from "../../src/store/redis/redis-store.ts";
import { messageOf, textOf } from "./field-events.ts";

export type PublisherKind = "commit" | "redis" | "emitter" | "post" | "nats";

export interface PublisherOptions {
  readonly kind: PublisherKind;
  /** Redis's URL, nchan's publisher location, or `host:port` of NATS. */
  readonly address: string;
  /** Channel, room or subject, and the sandbox's id. */
  readonly channel: string;
  /** Of the events to come. */
  readonly created: Step;
}

export interface Publisher {
  readonly publish: (step: Step) => void;
  readonly close: () => Promise<void> | void;
}

/** Resolves when it can publish. */
export function openPublisher(options: PublisherOptions): Promise<Publisher> {
  switch (options.kind) {
    case "commit":
      return commits(options);
    case "redis":
      return plain(options);
    case "emitter":
      return emitter(options);
    case "post":
      return posts(options);
    case "nats":
      return nats(options);
  }
}

/**
 * What a node does for each change, without the question that comes before: one process makes all changes, so that it
 * knows the version. Commits follow each other without waiting; Redis takes them in order.
 */
async function commits({ address, channel, created }: PublisherOptions): Promise<Publisher> {
  const store = await RedisStore.connect({ url: address });
  if (!(await store.create(created.state, created.events, nextDeadline(created.state))))
    throw new Error(`there is a sandbox ${channel} already`);
  const loaded = await store.load(channel);
  if (!loaded) throw new Error(`the sandbox ${channel} is not there`);
  let { version } = loaded;
  const commit = async ({ state, events }: Step, expectedVersion: number): Promise<void> => {
    const { kind } = await store.commit(channel, {
      expectedVersion,
      decidedAt: state.updatedAt,
      next: state,
      events,
      dueAt: nextDeadline(state),
      record: { key: nanoid(), fingerprint: "", handoff: state.handoff, seq: state.seq },
    });
    if (kind !== "committed") throw new Error(`the commit of event ${state.seq} was answered ${kind}`);
  };
  return {
    publish: (step) => {
      commit(step, version).catch(fail);
      version += 1;
    },
    close: () => store.close(),
  };
}

async function plain({ address, channel }: PublisherOptions): Promise<Publisher> {
  const redis = new Redis(address);
  await once(redis, "ready");
  return {
    publish: (step) => void redis.publish(channel, textOf(step)).catch(fail),
    close: () => redis.disconnect(),
  };
}

interface Emitter {
  to(room: string): { emit(name: string, value: unknown): void };
}

async function emitter({ address, channel }: PublisherOptions): Promise<Publisher> {
  const redis = new Redis(address);
  await once(redis, "ready");
  const require = createRequire(new URL("../peers/", import.meta.url));
  const module = require("@socket.io/redis-emitter") as { Emitter: new (redis: unknown) => Emitter };
  const io = new module.Emitter(redis);
  return {
    publish: (step) => io.to(channel).emit("event", messageOf(step)),
    close: () => redis.disconnect(),
  };
}

/** One connection, requests without waiting: the server takes them in order. */
async function posts({ address }: PublisherOptions): Promise<Publisher> {
  const { hostname, port, pathname, host } = new URL(address);
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  await once(socket, "connect");
  socket.resume().on("error", fail);
  return {
    publish: (step) => {
      const body = textOf(step);
      const length = Buffer.byteLength(body);
      socket.write(`POST ${pathname} HTTP/1.1\r\nhost: ${host}\r\ncontent-length: ${length}\r\n\r\n${body}`);
    },
    close: () => void socket.resetAndDestroy(),
  };
}

async function nats({ address, channel }: PublisherOptions): Promise<Publisher> {
  const { hostname, port } = new URL(`tcp://${address}`);
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  await once(socket, "connect");
  socket.on("error", fail).on("data", (bytes) => {
    if (bytes.includes("PING")) socket.write("PONG\r\n");
    if (bytes.includes("-ERR")) fail(new Error(`NATS said ${bytes.toString("utf8")}`));
  });
  socket.write('CONNECT {"verbose":false,"pedantic":false}\r\n');
  return {
    publish: (step) => {
      const body = textOf(step);
      socket.write(`PUB ${channel} ${Buffer.byteLength(body)}\r\n${body}\r\n`);
    },
    close: () => void socket.resetAndDestroy(),
  };
}

/** Nobody waits for what was published: the process ends, and the run with it. */
function fail(error: unknown): void {
  setImmediate(() => {
    throw error;
  });
}
