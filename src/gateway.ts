/** The composition root: builds a gateway out of its parts, and takes it down again. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { nanoid } from "nanoid";
import { encodeDown, MAX_MESSAGE_BYTES } from "../protocol/codec.ts";
import { BatonError } from "../protocol/errors.ts";
import { SUBPROTOCOL } from "../protocol/version.ts";
import { Auth } from "./auth/auth.ts";
import { refuseTokenInAddress } from "./auth/bearer.ts";
import { Door } from "./auth/door.ts";
import type { KeyOptions } from "./auth/keys.ts";
import { Audit } from "./audit/audit.ts";
import type { BrowserProvider } from "./browser/browser.ts";
import { chromiumProvider } from "./browser/chromium.ts";
import { Agents, MAX_CDP_MESSAGE_BYTES } from "./cdp/agents.ts";
import { createApp } from "./http/app.ts";
import { isLoopback, origins, type Origins } from "./http/origins.ts";
import type { AddressSet } from "./limits/client-address.ts";
import { Limits } from "./limits/limits.ts";
import { DEFAULT_LIMITS, NO_LIMITS, type LimitSettings } from "./limits/settings.ts";
import { silentLogger, type Logger } from "./ops/log.ts";
import { Metrics } from "./ops/metrics.ts";
import { Browsers } from "./room/browsers.ts";
import { dispatch } from "./room/dispatch.ts";
import { Lobby } from "./room/lobby.ts";
import { onMessage } from "./room/on-message.ts";
import { Operations } from "./room/operations.ts";
import { Pulse } from "./room/pulse.ts";
import { Rooms } from "./room/rooms.ts";
import { Session } from "./room/session.ts";
import { DEFAULT_SETTINGS, type RoomSettings } from "./room/settings.ts";
import { targetPolicy } from "./targets/policy.ts";
import { MemoryStore } from "./store/memory.ts";
import type { Store } from "./store/store.ts";
import { SharedText } from "./transport/shared-text.ts";
import type { Address, Handshake, Transport, TransportFactory } from "./transport/transport.ts";
import { WsTransport } from "./transport/ws.ts";

export interface GatewayOptions {
  /** Default `127.0.0.1`. */
  readonly host?: string;
  /** Default 7070; 0 takes a free one. */
  readonly port?: number;
  /** Where people reach this gateway. Default: where it listens. */
  readonly publicUrl?: string;
  /** Keys of tokens. Without them everybody is who they say, and only this machine may connect. */
  readonly auth?: KeyOptions;
  /** Default: `DEFAULT_LIMITS` with `auth`, else none. */
  readonly limits?: LimitSettings;
  /** Proxies whose `X-Forwarded-For` is believed. Default: none. */
  readonly trustedProxies?: AddressSet;
  /** Origins of pages that may call beside the gateway's own. */
  readonly allowedOrigins?: readonly string[];
  /** Pages that may embed the viewer, as sources of CSP's `frame-ancestors`. Default `'self'`. */
  readonly frameAncestors?: readonly string[];
  /** Chromium's path. Default: the usual places. */
  readonly chromium?: string;
  /** Environment of launched browsers, whose `PATH` is searched for one. Default: this process's, without a search. */
  readonly browserEnv?: NodeJS.ProcessEnv;
  readonly heartbeatMs?: number;
  /** Unsent control bytes after which a socket is too slow (E3). Default 1 MiB. */
  readonly maxBufferedBytes?: number;
  readonly helloTimeoutMs?: number;
  readonly settings?: Partial<Omit<RoomSettings, "publicUrl">>;
  /** Default: in memory. */
  readonly store?: Store;
  /** Folder for the profiles of browsers that this gateway starts: with it they outlast it. Default: they end with it. */
  readonly profileDir?: string;
  /** Which addresses a caller's `cdpUrl` may have: rules as in `targets/rules.ts`. Default `*`, anything. */
  readonly cdpTargets?: string;
  /**
   * Which addresses people and agents may open, and pages of launched browsers may reach. Default `*`, anything. Of a
   * browser that was attached, or that comes from `browsers`, only what is opened directly is checked.
   */
  readonly navigationTargets?: string;
  readonly browsers?: BrowserProvider;
  /** What moves messages and requests. Default: Node's HTTP server and `ws`. */
  readonly transport?: TransportFactory;
  /** Default: its own. */
  readonly metrics?: Metrics;
  readonly logger?: Logger;
}

/** How often deadlines are looked at, and how many at a time. */
const TICK_MS = 100;
const TICK_BATCH = 100;
/** The same while the store is away. */
const TICK_AWAY_MS = 1_000;

export interface Gateway {
  /** Starts to listen. Resolves to the base URL. */
  listen(): Promise<string>;
  readonly url: string;
  /** Makes tokens. Absent where none are asked for. */
  readonly auth: Auth | undefined;
  readonly rooms: Rooms;
  readonly operations: Operations;
  /** Tells clients to come back, detaches from browsers, ends those it launched. */
  close(): Promise<void>;
}

/** @throws TypeError when a key cannot be used, or there is none and others than this machine could connect */
export function createGateway(options: GatewayOptions = {}): Gateway {
  const log = options.logger ?? silentLogger;
  const host = options.host ?? "127.0.0.1";
  if (!options.auth && !isLoopback(host)) {
    throw new TypeError(
      `Without a secret everybody who reaches ${host} could drive the browsers. Give \`auth\`, or listen on 127.0.0.1.`,
    );
  }
  const metrics = options.metrics ?? new Metrics();
  metrics.collectProcess();
  const store = options.store ?? new MemoryStore();
  const auth = options.auth && new Auth({ keys: options.auth, store, log });
  const cdpTargets = targetPolicy(options.cdpTargets ?? "*", "BATON_CDP_TARGETS");
  const navigation = targetPolicy(options.navigationTargets ?? "*", "BATON_NAVIGATION_TARGETS");
  const provider =
    options.browsers ??
    chromiumProvider({
      ...(options.chromium !== undefined && { executablePath: options.chromium }),
      ...(options.browserEnv && { env: options.browserEnv }),
      navigation,
      logger: log,
    });
  const browsers = new Browsers(provider, {
    cdpTargets,
    navigation,
    ...(options.profileDir !== undefined && { profileDir: options.profileDir }),
    storedEndpoint: async (sandboxId) => (await store.load(sandboxId))?.state.browser?.endpoint,
    started: async (sandboxId, endpoint) => {
      await dispatch(store, sandboxId, { type: "browser.endpoint", endpoint });
    },
    logger: log,
  });
  let address: Address | undefined;
  let accepting = true;
  const publicUrl = (): string =>
    options.publicUrl ?? `http://${hostInUrl(address?.host ?? "127.0.0.1")}:${address?.port ?? 0}`;

  const settings: RoomSettings = { ...DEFAULT_SETTINGS, ...options.settings, publicUrl };
  const nodeId = `n_${nanoid(10)}`;
  const nodes = {
    isLiving: (id: string): boolean => pulse.isLiving(id),
    heard: (id: string): void => pulse.heard(id),
  };
  const audit = new Audit({ store, log, nodeId });
  const { trustedProxies } = options;
  const limits = new Limits({
    settings: options.limits ?? (auth ? DEFAULT_LIMITS : NO_LIMITS),
    ...(trustedProxies && { exempt: trustedProxies }),
  });
  const door = new Door({
    limits,
    audit,
    log,
    ...(auth && { auth }),
    ...(trustedProxies && { trustedProxies }),
  });
  const rooms = new Rooms({ store, browsers, settings, metrics, log, audit, nodeId, nodes });
  const sessions = new Set<Session>();
  const pulse = new Pulse({
    store,
    rooms,
    log,
    nodeId,
    nodeTtlMs: settings.nodeTtlMs,
    sightingMs: settings.sightingMs,
    reap: () => browsers.reap(),
    degraded: (degraded) => {
      const text = new SharedText(encodeDown({ type: "gateway.status", degraded }));
      for (const session of sessions) session.sendText(text);
    },
  });
  const operations = new Operations(rooms, door);
  const heartbeatMs = options.heartbeatMs ?? 15_000;
  const session = {
    rooms,
    operations,
    lobby: new Lobby(store),
    metrics,
    log,
    door,
    heartbeatMs,
    helloTimeoutMs: options.helloTimeoutMs ?? 10_000,
    sessions,
    degraded: () => pulse.degraded,
    handle: onMessage,
  };
  const agents = new Agents({ rooms, operations, log, door, navigation });
  const allowed = origins(host, publicUrl, options.allowedOrigins);
  const app = createApp({
    store,
    rooms,
    operations,
    metrics,
    log,
    door,
    publicUrl,
    origins: allowed,
    frameAncestors: options.frameAncestors ?? ["'self'"],
    accepting: () => accepting,
    dashboardDir: dashboardDir(),
    version: packageVersion(),
  });
  const createTransport = options.transport ?? ((settings) => new WsTransport(settings));
  const transport: Transport = createTransport({
    fetch: (request, info) => app.fetch(request, info),
    socketPath: "/v1/connect",
    subprotocol: SUBPROTOCOL,
    admit: (handshake) => admit(handshake, allowed, door),
    admitConnection: (remoteAddress) => limits.connection(remoteAddress),
    connectionClosed: (remoteAddress) => limits.connectionClosed(remoteAddress),
    onSocket: (socket, handshake) => new Session(socket, handshake, session),
    pipes: {
      open: (handshake, signal) => agents.open(handshake, signal),
      maxMessageBytes: MAX_CDP_MESSAGE_BYTES,
    },
    maxMessageBytes: MAX_MESSAGE_BYTES,
    maxBufferedBytes: options.maxBufferedBytes ?? 1024 * 1024,
    heartbeatMs,
  });
  metrics.gauge("baton_connections", "Open WebSocket connections.", () => transport.connections);
  metrics.gauge("baton_rooms", "Rooms open on this node.", () => rooms.size);
  metrics.gauge(
    "baton_degraded",
    "1 while the store cannot be reached.",
    () => (pulse.degraded ? 1 : 0),
    "max",
  );
  metrics.gauge(
    "baton_nodes",
    "Nodes that this one knows to be alive, itself included.",
    () => pulse.nodes,
    "max",
  );

  let ticking: NodeJS.Timeout | undefined;
  const tick = async (): Promise<void> => {
    let pause: number;
    try {
      // More than a batch is due after a long stop: take them all before resting.
      let looked = TICK_BATCH;
      while (looked === TICK_BATCH) looked = accepting ? await rooms.tick(TICK_BATCH) : 0;
      pause = TICK_MS;
    } catch (error) {
      // That the store is away is said once, and by others.
      if (!(error instanceof BatonError && error.retryable))
        log.error({ err: error }, "looking at deadlines failed; trying again");
      pause = TICK_AWAY_MS;
    }
    // Jitter, so that many nodes do not ask the store in step.
    if (accepting) ticking = setTimeout(() => void tick(), pause * (0.75 + Math.random() / 2));
  };

  return {
    auth,
    rooms,
    operations,
    get url() {
      return publicUrl();
    },
    async listen() {
      await pulse.start();
      await auth?.start();
      address = await transport.listen(host, options.port ?? 7070);
      void tick();
      // Sandboxes that were removed by others while this node was down leave their profiles behind.
      browsers
        .sweep(async (sandboxId) => (await store.load(sandboxId)) !== null)
        .catch((error: unknown) => log.warn({ err: error }, "could not look for profiles that nobody needs"));
      return publicUrl();
    },
    async close() {
      accepting = false;
      clearTimeout(ticking);
      await transport.close();
      await rooms.close();
      await pulse.close();
      await auth?.close();
      await audit.close();
      await browsers.close();
      await store.close();
    },
  };
}

/** What is asked of every handshake before anything is done for it. */
function admit(handshake: Handshake, { originAllowed }: Origins, door: Door): BatonError | undefined {
  const { headers, query } = handshake;
  const { origin, host } = headers;
  try {
    door.refuseForwarded(handshake);
    door.limits.handshake(door.addressOf(handshake));
    refuseTokenInAddress(query);
  } catch (error) {
    if (error instanceof BatonError) return error;
    throw error;
  }
  if (origin === undefined || originAllowed(origin, host)) return undefined;
  return new BatonError(
    "forbidden",
    `Pages of ${origin} may not connect. Open the page from the gateway's own address, or add the origin to BATON_ALLOWED_ORIGINS.`,
    { origin },
  );
}

function hostInUrl(host: string): string {
  if (host === "0.0.0.0" || host === "::") return "localhost";
  return host.includes(":") ? `[${host}]` : host;
}

/** The package's folder: this file runs from `src/`, or built, from `dist/src/`. */
function packageDir(): string {
  let dir = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(dir, "package.json")) && dirname(dir) !== dir) dir = dirname(dir);
  return dir;
}

function dashboardDir(): string {
  return join(packageDir(), "dist", "dashboard");
}

function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(join(packageDir(), "package.json"), "utf8")) as {
    version: string;
  };
  return version;
}
