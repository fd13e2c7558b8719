/** What rooms are given. */
import type { AuditSink } from "../auth/door.ts";
import type { Logger } from "../ops/log.ts";
import type { Metrics } from "../ops/metrics.ts";
import type { Store } from "../store/store.ts";
import type { Browsers } from "./browsers.ts";
import type { RoomSettings } from "./settings.ts";

export interface RoomContext {
  readonly store: Store;
  readonly browsers: Browsers;
  readonly settings: RoomSettings;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly audit: AuditSink;
  /** Unique among all nodes and their restarts. */
  readonly nodeId: string;
  readonly nodes: {
    /** Whether a node was heard of lately. True while nothing is known. */
    readonly isLiving: (nodeId: string) => boolean;
    /** A message of that node arrived. */
    readonly heard: (nodeId: string) => void;
  };
  /** Unique among this process's rooms. */
  readonly stream: number;
  /** Resolves when the sandbox's last room on this node has let go of the browser. */
  readonly previous: Promise<void>;
  /** The sandbox was removed: nobody may be given this room any more. */
  readonly gone: () => void;
  /** Nobody needs this room any more. */
  readonly unused: (sandboxId: string) => void;
}
