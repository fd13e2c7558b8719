/** Counters that operations need, in Prometheus' text format. One registry per gateway, so that tests can run many. */
import { AggregatorRegistry, collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";

/** Metrics of one process, as it tells another. */
export type ProcessMetrics = Awaited<ReturnType<Registry["getMetricsAsJSON"]>>;

export class Metrics {
  readonly registry = new Registry();
  #others: (() => Promise<readonly ProcessMetrics[]>) | undefined;

  readonly messages = new Counter({
    name: "baton_messages_total",
    help: "Messages received from clients, by type.",
    labelNames: ["type"],
    registers: [this.registry],
  });
  readonly refusals = new Counter({
    name: "baton_refusals_total",
    help: "Requests answered with an error, by code.",
    labelNames: ["code"],
    registers: [this.registry],
  });
  readonly events = new Counter({
    name: "baton_events_total",
    help: "Sandbox events seen by this node, by type.",
    labelNames: ["type"],
    registers: [this.registry],
  });
  readonly inputs = new Counter({
    name: "baton_inputs_total",
    help: "Input events, by what became of them: dispatched, refused, failed.",
    labelNames: ["outcome"],
    registers: [this.registry],
  });
  readonly frames = new Counter({
    name: "baton_frames_total",
    help: "Preview frames: captured from browsers, sent to viewers, spared slow viewers.",
    labelNames: ["what"],
    registers: [this.registry],
  });
  readonly cdpConnections = new Gauge({
    name: "baton_cdp_connections",
    help: "Agents' CDP connections, those that are only waited for included.",
    registers: [this.registry],
  });
  readonly cdpWaiting = new Gauge({
    name: "baton_cdp_waiting",
    help: "Commands of agents that wait until the agent drives again.",
    registers: [this.registry],
  });
  readonly cdpCommands = new Counter({
    name: "baton_cdp_commands_total",
    help: "Commands of agents, by what became of them: pass, hold, reject, inspect, deny.",
    labelNames: ["outcome"],
    registers: [this.registry],
  });
  readonly drainSeconds = new Histogram({
    name: "baton_drain_seconds",
    help: "Time from a change of control to the moment this node's gate had nothing older under way.",
    buckets: [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30],
    registers: [this.registry],
  });

  /** Process metrics (memory, event loop); once per registry. */
  collectProcess(): void {
    collectDefaultMetrics({ register: this.registry });
  }

  /** From now on what is shown is of several processes together. @param others those beside this one; must not reject */
  showWith(others: () => Promise<readonly ProcessMetrics[]>): void {
    this.#others = others;
  }

  /** What `/metrics` shows. */
  async text(): Promise<string> {
    if (!this.#others) return this.registry.metrics();
    const [own, others] = await Promise.all([this.registry.getMetricsAsJSON(), this.#others()]);
    return AggregatorRegistry.aggregate([own, ...others]).metrics();
  }

  /**
   * A value that is read when somebody looks.
   * @param together what it is of several processes
   */
  gauge(name: string, help: string, read: () => number, together: "sum" | "max" = "sum"): void {
    const gauge: Gauge = new Gauge({
      name,
      help,
      aggregator: together,
      registers: [],
      collect: (): void => gauge.set(read()),
    });
    this.registry.registerMetric(gauge);
  }
}
