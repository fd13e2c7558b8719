/** What primary and workers say to each other over the IPC channel, beside the store's link. Nothing here is checked. */
import type { ProcessMetrics } from "../ops/metrics.ts";

export type ToWorker =
  | {
      readonly kind: "start";
      /** Which of the workers it is, from 1 on; one that replaces another has its number. */
      readonly number: number;
      /** `BATON_…`, as the primary read them: a worker that starts later has the same. */
      readonly settings: Readonly<Record<string, string>>;
      /** Where to listen, in place of what the settings say. */
      readonly port: number;
      /** The store is at the other end of the pipe; else the worker opens its own. */
      readonly linked: boolean;
    }
  /** Once, after `start`: in order, as on SIGTERM. */
  | { readonly kind: "stop" }
  /** Where the browsers of all other workers listen for commands. */
  | { readonly kind: "debugging.elsewhere"; readonly ports: readonly number[] }
  | { readonly kind: "metrics.read"; readonly id: number }
  /** Those of all other processes that answered in time. */
  | { readonly kind: "metrics.others"; readonly id: number; readonly of: readonly ProcessMetrics[] };

export type ToPrimary =
  /** Ready to be told to start. */
  | { readonly kind: "here" }
  | { readonly kind: "listening"; readonly url: string }
  /** Could not start, and waits to be ended. */
  | {
      readonly kind: "failed";
      /** For the operator. */
      readonly lines: string;
    }
  /** Where this worker's browsers listen for commands. */
  | { readonly kind: "debugging.here"; readonly ports: readonly number[] }
  | { readonly kind: "metrics.are"; readonly id: number; readonly metrics: ProcessMetrics }
  | { readonly kind: "metrics.ask"; readonly id: number };

/** The worker's end of the pipe to the store, behind the usual three and the IPC channel. */
export const STORE_FD = 4;
