/** One of several gateways on one machine: it does what the primary says, and ends with it. */
import cluster, { type Worker } from "node:cluster";
import { Socket } from "node:net";
import { DEBUGGING_PORTS } from "../browser/debugging-ports.ts";
import { readConfig, type Config } from "../config.ts";
import { gatewayOf } from "../gateway-of.ts";
import type { Gateway } from "../gateway.ts";
import { createLogger, type Logger } from "../ops/log.ts";
import { Metrics, type ProcessMetrics } from "../ops/metrics.ts";
import { LinkStore } from "../store/link/link-store.ts";
import { streamPort } from "../store/link/port.ts";
import type { Store } from "../store/store.ts";
import { openStore } from "../stores.ts";
import { STORE_FD, type ToPrimary, type ToWorker } from "./messages.ts";

/** Above the primary's own limit for the others. */
const METRICS_MS = 2_000;

export interface WorkerOptions {
  readonly isTerminal: boolean;
  /** Environment of launched browsers. */
  readonly browserEnv: NodeJS.ProcessEnv;
  /** An error as lines for the operator. */
  readonly explain: (error: unknown) => string;
  readonly exit: (code: number) => void;
}

/** True in a process that `Primary` made. */
export function isWorker(args: readonly string[]): boolean {
  return cluster.isWorker && args[0] === "worker";
}

/** Waits for the primary's word. If the primary ends, so does this process: `node:cluster` sees to that. */
export function runWorker(options: WorkerOptions): void {
  const { worker } = cluster;
  if (!worker) throw new Error("Only `baton` itself starts its workers. Set BATON_WORKERS.");
  const running = new RunningWorker(worker, options);
  worker.on("message", (message: ToWorker) => running.take(message));
  running.tell({ kind: "here" });
}

class RunningWorker {
  readonly #worker: Worker;
  readonly #options: WorkerOptions;
  readonly #metrics = new Metrics();
  /** Those who wait for the metrics of the others. */
  readonly #asked = new Map<number, (others: readonly ProcessMetrics[]) => void>();
  #questions = 0;
  #gateway: Promise<Gateway> | undefined;
  #log: Logger | undefined;

  constructor(worker: Worker, options: WorkerOptions) {
    this.#worker = worker;
    this.#options = options;
    this.#metrics.showWith(async () => this.#others());
    DEBUGGING_PORTS.onChange((ports) => this.tell({ kind: "debugging.here", ports }));
  }

  tell(message: ToPrimary): void {
    if (this.#worker.isConnected()) this.#worker.send(message, () => {});
  }

  take(message: ToWorker): void {
    switch (message.kind) {
      case "start":
        this.#gateway = this.#start(message);
        this.#gateway.catch((error: unknown) =>
          this.tell({ kind: "failed", lines: this.#options.explain(error) }),
        );
        return;
      case "stop":
        return void this.#stop();
      case "debugging.elsewhere":
        return DEBUGGING_PORTS.setElsewhere(message.ports);
      case "metrics.read":
        return void this.#metrics.registry
          .getMetricsAsJSON()
          .then((metrics) => this.tell({ kind: "metrics.are", id: message.id, metrics }));
      case "metrics.others":
        return this.#asked.get(message.id)?.(message.of);
    }
  }

  async #start(start: Extract<ToWorker, { kind: "start" }>): Promise<Gateway> {
    const config = readConfig(start.settings);
    const { isTerminal: pretty, browserEnv } = this.#options;
    const log = createLogger({ level: config.logLevel, pretty }).child({ worker: start.number });
    this.#log = log;
    const gateway = await gatewayOf(
      { ...config, port: start.port },
      {
        store: await storeOf(start.linked, config, log),
        log,
        browserEnv,
        metrics: this.#metrics,
        sharePort: true,
      },
    );
    const url = await gateway.listen();
    this.tell({ kind: "listening", url });
    return gateway;
  }

  async #stop(): Promise<void> {
    try {
      await (await this.#gateway)?.close();
      this.#options.exit(0);
    } catch (error) {
      this.#log?.error({ err: error }, "stopping failed");
      this.#options.exit(1);
    }
  }

  async #others(): Promise<readonly ProcessMetrics[]> {
    this.#questions += 1;
    const id = this.#questions;
    try {
      return await new Promise((resolve) => {
        const timer = setTimeout(resolve, METRICS_MS, []);
        this.#asked.set(id, (others) => {
          clearTimeout(timer);
          resolve(others);
        });
        this.tell({ kind: "metrics.ask", id });
      });
    } finally {
      this.#asked.delete(id);
    }
  }
}

async function storeOf(linked: boolean, config: Config, log: Logger): Promise<Store> {
  if (!linked) return openStore(config, log);
  return new LinkStore(streamPort(new Socket({ fd: STORE_FD })));
}
