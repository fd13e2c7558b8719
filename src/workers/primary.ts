/**
 * The first of several processes on one machine. It has the store, unless that is Redis, takes connections in and hands
 * them to the workers in turn, and replaces a worker that died. It serves nobody itself.
 */
import cluster, { type Worker } from "node:cluster";
import type { Duplex } from "node:stream";
import type { Logger } from "../ops/log.ts";
import { Metrics } from "../ops/metrics.ts";
import { streamPort } from "../store/link/port.ts";
import { StoreHost } from "../store/link/store-host.ts";
import type { Store } from "../store/store.ts";
import { STORE_FD, type ToPrimary, type ToWorker } from "./messages.ts";
import { MetricsRound } from "./metrics-round.ts";

/** How long a worker may take to close in order before it is ended. Shorter than what the whole shutdown may take. */
const STOP_MS = 9_000;
/** Pauses before a worker that died is replaced: at once as a rule, longer when it dies again and again. */
const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 30_000;
/** A worker that lived this long died of something new. */
const SETTLED_MS = 60_000;

export interface PrimaryOptions {
  readonly count: number;
  /** `BATON_…`, for the workers. */
  readonly settings: Readonly<Record<string, string>>;
  /** For workers that share what the primary listens on 0 will do; those that listen by themselves all need the same. */
  readonly port: number;
  /** For all workers; it stays the caller's. Without one each opens its own. */
  readonly store?: Store;
  readonly log: Logger;
}

/** A worker could not start. The message is for the operator, lines and all. */
export class WorkerError extends Error {
  override readonly name = "WorkerError";
}

/** A place for a worker, whichever process has it now. */
interface Place {
  readonly number: number;
  worker: Worker | undefined;
  /** It has been told to start. */
  begun: boolean;
  listening: boolean;
  /** Where its browsers listen for commands. */
  debugging: readonly number[];
  deaths: number;
  respawn: NodeJS.Timeout | undefined;
}

export class Primary {
  readonly #options: PrimaryOptions;
  readonly #host: StoreHost | undefined;
  readonly #places: readonly Place[];
  readonly #metrics = new Metrics();
  readonly #round: MetricsRound;
  #url = "";
  #stopping = false;

  constructor(options: PrimaryOptions) {
    this.#options = options;
    this.#host = options.store && new StoreHost(options.store);
    this.#places = Array.from({ length: options.count }, (_, index) => ({
      number: index + 1,
      worker: undefined,
      begun: false,
      listening: false,
      debugging: [],
      deaths: 0,
      respawn: undefined,
    }));
    this.#metrics.collectProcess();
    this.#metrics.gauge("baton_workers", "Workers that serve.", () => this.#serving.length);
    this.#round = new MetricsRound(this.#metrics.registry);
  }

  /**
   * Resolves to the base URL when all workers listen. The first one does before the others begin: what keeps it from
   * starting is said once.
   * @throws WorkerError when one could not start; none runs then
   */
  async start(): Promise<string> {
    // Left to itself, the system gives most connections to few of the processes that wait for one, and sockets stay
    // where they are for hours.
    cluster.schedulingPolicy = cluster.SCHED_RR;
    cluster.setupPrimary({
      args: ["worker"],
      stdio: ["ignore", "inherit", "inherit", "ipc", ...(this.#host ? (["pipe"] as const) : [])],
    });
    const [first, ...others] = this.#places;
    if (!first) throw new RangeError("There must be a worker.");
    try {
      this.#url = await this.#begin(first);
      await Promise.all(others.map(async (place) => this.#begin(place)));
      return this.#url;
    } catch (error) {
      this.#stopping = true;
      await Promise.all(this.#places.map(async (place) => kill(place.worker)));
      throw error;
    }
  }

  /**
   * Tells all workers to close in order, and ends those that do not in time.
   * @throws Error when one did not
   */
  async close(): Promise<void> {
    this.#stopping = true;
    const ends = await Promise.all(this.#places.map(async (place) => this.#stop(place)));
    const failed = ends.filter((end) => end !== undefined);
    if (failed.length > 0) throw new Error(failed.join(" "));
  }

  get #serving(): Worker[] {
    return this.#places.flatMap(({ worker, listening }) => (worker && listening ? [worker] : []));
  }

  /** Resolves to where the worker listens. Rejects with a WorkerError when it ends before. */
  #begin(place: Place): Promise<string> {
    const worker = cluster.fork();
    place.worker = worker;
    const pipe = worker.process.stdio[STORE_FD];
    if (this.#host && pipe) this.#host.serve(streamPort(pipe as Duplex));
    const bornAt = performance.now();
    return new Promise<string>((resolve, reject) => {
      let lines: string | undefined;
      worker.on("message", (message: ToPrimary) => {
        switch (message.kind) {
          case "here":
            return this.#tellToStart(place, worker);
          case "listening":
            place.listening = true;
            return resolve(message.url);
          case "failed":
            // Only now: the news of its end could overtake what it says of the reason.
            ({ lines } = message);
            worker.process.kill("SIGKILL");
            return;
          case "debugging.here":
            place.debugging = message.ports;
            return this.#tellPorts();
          case "metrics.are":
            return this.#round.answered(message.id, message.metrics);
          case "metrics.ask":
            return void this.#tellMetrics(worker, message.id);
        }
      });
      worker.once("error", (error) => {
        lines ??= `baton: a worker could not be started: ${error.message}. Try with fewer BATON_WORKERS.`;
        reject(new WorkerError(lines));
      });
      worker.once("exit", (code, signal) => {
        const served = place.listening;
        place.worker = undefined;
        place.begun = false;
        place.listening = false;
        // Its browsers end with it.
        place.debugging = [];
        const how = signal === null ? `code ${code}` : signal;
        if (served) this.#died(place, { how, pid: worker.process.pid, livedMs: performance.now() - bornAt });
        else reject(new WorkerError(lines ?? `baton: a worker ended with ${how} before it served.`));
      });
    });
  }

  #tellToStart(place: Place, worker: Worker): void {
    const { settings, port } = this.#options;
    const { number } = place;
    place.begun = true;
    tell(worker, { kind: "start", number, settings, port, linked: this.#host !== undefined });
    this.#tellPorts();
  }

  #tellPorts(): void {
    for (const { worker, begun, number } of this.#places) {
      const others = this.#places.filter((place) => place.number !== number);
      const ports = others.flatMap(({ debugging }) => debugging);
      if (worker && begun) tell(worker, { kind: "debugging.elsewhere", ports });
    }
  }

  #died(place: Place, end: { how: string; pid: number | undefined; livedMs: number }): void {
    if (this.#stopping) return;
    if (end.livedMs > SETTLED_MS) place.deaths = 0;
    const inMs = this.#respawn(place);
    const { how, pid } = end;
    const { number } = place;
    this.#options.log.error(
      { worker: number, pid, inMs },
      `a worker ended with ${how}; it is replaced, and its clients come back to another`,
    );
  }

  /** Answers in how many milliseconds. */
  #respawn(place: Place): number {
    const pauseMs = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** place.deaths);
    place.deaths += 1;
    place.respawn = setTimeout(() => void this.#replace(place), pauseMs);
    return pauseMs;
  }

  async #replace(place: Place): Promise<void> {
    const { log } = this.#options;
    const { number } = place;
    try {
      const url = await this.#begin(place);
      log.info({ worker: number }, "a worker serves again");
      // Only when all had died, and the port had been left to chance.
      if (url !== this.#url) log.warn(`dashboard: ${url}`);
      this.#url = url;
    } catch (error) {
      if (this.#stopping) return;
      const inMs = this.#respawn(place);
      log.error({ worker: number, inMs, why: String(error) }, "a worker could not be replaced; trying again");
    }
  }

  /** Answers what went wrong. */
  async #stop(place: Place): Promise<string | undefined> {
    clearTimeout(place.respawn);
    const { worker, number } = place;
    if (!worker) return undefined;
    // It would not hear that it is to stop, and has nothing to close.
    if (!place.begun) {
      await kill(worker);
      return undefined;
    }
    return new Promise((resolve) => {
      let late = false;
      const timer = setTimeout(() => {
        late = true;
        worker.process.kill("SIGKILL");
      }, STOP_MS);
      worker.once("exit", (code, signal) => {
        clearTimeout(timer);
        if (late) resolve(`Worker ${number} did not close within ${STOP_MS} ms and was ended.`);
        else if (code === 0) resolve(undefined);
        else resolve(`Worker ${number} ended with ${signal ?? `code ${code}`} while closing.`);
      });
      tell(worker, { kind: "stop" });
    });
  }

  async #tellMetrics(asking: Worker, id: number): Promise<void> {
    const others = this.#serving.filter((worker) => worker !== asking);
    const of = await this.#round.gather(others.length, (roundId) => {
      for (const worker of others) tell(worker, { kind: "metrics.read", id: roundId });
    });
    tell(asking, { kind: "metrics.others", id, of });
  }
}

/** A worker that is gone says so by itself. */
function tell(worker: Worker, message: ToWorker): void {
  if (worker.isConnected()) worker.send(message, () => {});
}

async function kill(worker: Worker | undefined): Promise<void> {
  if (!worker || worker.isDead()) return;
  await new Promise<void>((resolve) => {
    worker.once("exit", () => resolve());
    worker.process.kill("SIGKILL");
  });
}
