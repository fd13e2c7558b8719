/** A gateway as the settings have it. */
import { join } from "node:path";
import type { Config } from "./config.ts";
import { createGateway, type Gateway } from "./gateway.ts";
import type { Logger } from "./ops/log.ts";
import type { Metrics } from "./ops/metrics.ts";
import type { Store } from "./store/store.ts";
import type { TransportFactory } from "./transport/transport.ts";
import { loadUws } from "./transport/uws-load.ts";

export interface Parts {
  /** The gateway closes it. */
  readonly store: Store;
  readonly log: Logger;
  /** Environment of launched browsers. */
  readonly browserEnv: NodeJS.ProcessEnv;
  readonly metrics?: Metrics;
  /** Other processes listen on the same port. */
  readonly sharePort?: boolean;
}

/** @throws TransportError, with a line for the operator */
export async function gatewayOf(config: Config, parts: Parts): Promise<Gateway> {
  const { store, log, browserEnv, metrics, sharePort = false } = parts;
  const transport = await transportOf(config, sharePort);
  return createGateway({
    store,
    profileDir: join(config.dataDir, "browsers"),
    host: config.host,
    port: config.port,
    heartbeatMs: config.heartbeatMs,
    settings: { graceMs: config.graceMs, handoffTtlMs: config.handoffTtlMs },
    logger: log,
    ...(metrics && { metrics }),
    ...(transport && { transport }),
    ...(config.auth && { auth: config.auth }),
    allowedOrigins: config.allowedOrigins,
    frameAncestors: config.frameAncestors,
    cdpTargets: config.cdpTargets,
    navigationTargets: config.navigationTargets,
    ...(config.limits && { limits: config.limits }),
    ...(config.trustedProxies && { trustedProxies: config.trustedProxies }),
    ...(config.publicUrl !== undefined && { publicUrl: config.publicUrl }),
    ...(config.chromium !== undefined && { chromium: config.chromium }),
    browserEnv,
  });
}

async function transportOf({ transport }: Config, sharePort: boolean): Promise<TransportFactory | undefined> {
  return transport === "uws" ? loadUws({ sharePort }) : undefined;
}
