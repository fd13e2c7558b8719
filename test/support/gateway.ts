/** A real gateway on a free port with real sockets, and a browser that tests steer. Everything ends with the test. */
import { onTestFinished } from "vitest";
import { WebSocket } from "ws";
import { FakeBrowserProvider, type FakeBrowser } from "../../src/browser/fake.ts";
import { createGateway, type Gateway, type GatewayOptions } from "../../src/gateway.ts";
import type { BatonClient, ClientOptions, SandboxHandle, SandboxUpdate } from "../../src/sdk/api.ts";
import { connect } from "../../src/sdk/node.ts";
import { MemoryStore } from "../../src/store/memory.ts";

export interface TestGateway {
  readonly gateway: Gateway;
  readonly url: string;
  readonly browser: FakeBrowser;
  /** Moves the store's clock forward; deadlines follow within a tick. */
  readonly advance: (ms: number) => void;
  /** A connected client. */
  readonly client: (options?: Partial<ClientOptions>) => TestClient;
  /** Creates a sandbox with the fake browser. */
  readonly create: (sandboxId: string) => Promise<void>;
}

export interface TestClient extends BatonClient {
  /** Cuts the connection as a broken network does: no close frame. */
  cut(): void;
  /** Refuses new connections until called with `false`. */
  offline(off: boolean): void;
}

export async function startGateway(options: Partial<GatewayOptions> = {}): Promise<TestGateway> {
  let skippedMs = 0;
  const provider = new FakeBrowserProvider();
  const gateway = createGateway({
    port: 0,
    browsers: provider,
    store: new MemoryStore({ now: () => Date.now() + skippedMs }),
    ...options,
  });
  const url = await gateway.listen();
  onTestFinished(() => gateway.close());
  return {
    gateway,
    url,
    browser: provider.browser,
    advance: (ms) => {
      skippedMs += ms;
    },
    client: (clientOptions) => cuttable({ url, ...clientOptions }),
    create: async (sandboxId) => {
      const worker = connect({ url, role: "worker" });
      await worker.createSandbox({ sandboxId, browser: { cdpUrl: "ws://127.0.0.1:1/fake" } });
      worker.close();
    },
  };
}

function cuttable(options: ClientOptions): TestClient {
  let socket: WebSocket | undefined;
  let off = false;
  class Cuttable extends WebSocket {
    constructor(address: string, protocols: string[]) {
      super(off ? "ws://127.0.0.1:1/" : address, protocols);
      opened(this);
    }
  }
  const opened = (ws: WebSocket): void => {
    socket = ws;
  };
  const client = connect({
    reconnectMinMs: 5,
    reconnectMaxMs: 50,
    ...options,
    WebSocket: Cuttable,
  });
  onTestFinished(() => client.close());
  return Object.assign(client, {
    cut: () => socket?.terminate(),
    offline: (now: boolean) => {
      off = now;
      if (now) socket?.terminate();
    },
  });
}

/** Resolves with the first update, now or later, that `check` holds for. */
export async function until(
  sandbox: SandboxHandle,
  check: (update: SandboxUpdate) => boolean,
  signal: AbortSignal = AbortSignal.timeout(10_000),
): Promise<SandboxUpdate> {
  for await (const update of sandbox.watch({ signal })) if (check(update)) return update;
  throw new Error("no update satisfied the check before the time was over or the sandbox was removed");
}
