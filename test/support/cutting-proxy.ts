/**
 * A TCP proxy that fails the way networks do. What it adds to killing processes is the cut between execution and
 * reply: the request has done its work, and nobody hears of it.
 */
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

export interface Target {
  readonly host: string;
  readonly port: number;
}

/** `up`: from clients to the target. `down`: back. */
export type Direction = "up" | "down";

/** Which requests count, by their bytes: for example those that hold `EVALSHA`. */
export type Matches = (request: Buffer) => boolean;

type Mood =
  | { readonly kind: "pass" }
  | { readonly kind: "delay"; readonly ms: number }
  | {
      readonly kind: "cut-replies";
      readonly decide: () => boolean;
      readonly matches: Matches;
      readonly done: () => void;
    };

interface Link {
  readonly near: Socket;
  readonly far: Socket;
  /** A request that counts is on its way, and whoever decides wants its reply lost. */
  doomed: boolean;
  /** Directions in which bytes vanish. */
  readonly swallows: Set<Direction>;
}

/** Longest request part that is held back for a match that spans two reads. */
const MAX_REMEMBERED_BYTES = 64 * 1024;

export class CuttingProxy {
  readonly port: number;
  readonly #server: Server;
  readonly #target: Target;
  readonly #links = new Set<Link>();
  #mood: Mood = { kind: "pass" };
  #refuses = false;

  static async start(target: Target): Promise<CuttingProxy> {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    return new CuttingProxy(server, target);
  }

  private constructor(server: Server, target: Target) {
    this.port = (server.address() as AddressInfo).port;
    this.#server = server;
    this.#target = target;
    server.on("connection", (near) => this.#accept(near));
  }

  /** Connections that are open now. */
  get links(): number {
    return this.#links.size;
  }

  /** Cuts every open connection. New ones are taken. */
  cut(): void {
    for (const link of this.#links) cutLink(link);
  }

  /** Takes no connections until `pass`, and cuts the open ones: the target cannot be reached. */
  refuse(): void {
    this.#refuses = true;
    this.cut();
  }

  /**
   * Forwards the next request that `matches`, and cuts its connection in place of forwarding the reply. Resolves when
   * that has happened.
   */
  async cutNextReply(matches: Matches = () => true): Promise<void> {
    await new Promise<void>((resolve) => {
      let left = 1;
      this.#mood = { kind: "cut-replies", decide: () => left-- > 0, matches, done: resolve };
    });
    this.#mood = { kind: "pass" };
  }

  /** Does the same to each request that `matches` and that `decide` says yes to, until `pass`. */
  cutReplies(decide: () => boolean, matches: Matches = () => true): void {
    this.#mood = { kind: "cut-replies", decide, matches, done: () => {} };
  }

  /**
   * Half-open: what comes over the connections that are open now vanishes in these directions, and nobody is told.
   * New connections work. `pass` cuts the deaf ones: their streams have holes.
   */
  swallow(...directions: readonly Direction[]): void {
    for (const { swallows } of this.#links) for (const direction of directions) swallows.add(direction);
  }

  /** Forwards everything this much later, in order. */
  delay(ms: number): void {
    this.#mood = { kind: "delay", ms };
  }

  /** All is well again. */
  pass(): void {
    this.#mood = { kind: "pass" };
    this.#refuses = false;
    for (const link of this.#links) if (link.swallows.size > 0) cutLink(link);
  }

  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.cut();
    await closed;
  }

  #accept(near: Socket): void {
    near.on("error", () => {});
    if (this.#refuses) {
      near.destroy();
      return;
    }
    const far = connect(this.#target);
    far.on("error", () => {});
    const link: Link = { near, far, doomed: false, swallows: new Set() };
    this.#links.add(link);
    const up = pipe(far);
    const down = pipe(near);
    let tail = Buffer.alloc(0);
    near.on("data", (bytes: Buffer) => {
      if (link.swallows.has("up")) return;
      const mood = this.#mood;
      if (mood.kind === "cut-replies" && !link.doomed) {
        // A request may come in two parts, its name in the first.
        const request = Buffer.concat([tail, bytes]);
        link.doomed = mood.matches(request) && mood.decide();
        tail = request.subarray(-MAX_REMEMBERED_BYTES);
      }
      up(bytes, this.#delayMs);
    });
    far.on("data", (bytes: Buffer) => {
      if (link.swallows.has("down")) return;
      tail = Buffer.alloc(0);
      if (link.doomed) {
        cutLink(link);
        if (this.#mood.kind === "cut-replies") this.#mood.done();
        return;
      }
      down(bytes, this.#delayMs);
    });
    for (const socket of [near, far]) {
      socket.once("close", () => {
        // A side that ends over a deaf link ends alone: the other one hears nothing of it.
        if (link.swallows.size === 0) cutLink(link);
        if (near.destroyed && far.destroyed) this.#links.delete(link);
      });
    }
  }

  get #delayMs(): number {
    return this.#mood.kind === "delay" ? this.#mood.ms : 0;
  }
}

function cutLink({ near, far }: Link): void {
  for (const socket of [near, far]) {
    // A reset while a goodbye is still under way fails, and would leave the handle open for ever.
    if (socket.writableEnded || socket.connecting) socket.destroy();
    else socket.resetAndDestroy();
  }
}

/** Writes in order, also when the delay becomes shorter on the way. */
function pipe(to: Socket): (bytes: Buffer, delayMs: number) => void {
  let last: Promise<void> = Promise.resolve();
  let waiting = 0;
  return (bytes, delayMs) => {
    if (waiting === 0 && delayMs === 0) {
      to.write(bytes);
      return;
    }
    waiting += 1;
    const later = new Promise<void>((resolve) => setTimeout(resolve, delayMs));
    last = Promise.all([last, later]).then(() => {
      waiting -= 1;
      if (!to.destroyed) to.write(bytes);
    });
  };
}
