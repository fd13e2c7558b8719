/** Two gateways on one store, with a sandbox that both have a gate to. Everything ends with the test. */
import { onTestFinished } from "vitest";
import { FakeBrowserProvider } from "../../src/browser/fake.ts";
import type { SandboxState } from "../../src/core/state.ts";
import { createGateway, type Gateway } from "../../src/gateway.ts";
import type { BatonClient, ClientOptions } from "../../src/sdk/api.ts";
import { connect } from "../../src/sdk/node.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { CutOffStore } from "./cut-off-store.ts";
import { until } from "./gateway.ts";
import { WAIT_MS } from "./inbox.ts";
import { RawClient, type Identity } from "./raw-client.ts";

/** For what no event tells: the store is looked at again in the next turn of the event loop. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export interface TestNode {
  readonly gateway: Gateway;
  /** This node's own way to the store. */
  readonly store: CutOffStore;
  readonly url: string;
  readonly client: (options: Partial<ClientOptions>) => BatonClient;
  /** A greeted client on a raw socket, closed after the test. */
  readonly raw: (identity: Identity) => Promise<RawClient>;
  readonly close: () => Promise<void>;
}

/** The agent follows the sandbox on `a`, anna on `b`. */
export async function twoNodes() {
  let skippedMs = 0;
  const shared = new MemoryStore({ now: () => Date.now() + skippedMs });
  const provider = new FakeBrowserProvider();
  const node = async (): Promise<TestNode> => {
    const store = new CutOffStore(shared);
    const gateway = createGateway({
      port: 0,
      store,
      browsers: provider,
      settings: { nodeTtlMs: 1_000, lingerMs: 0 },
    });
    const url = await gateway.listen();
    let closed: Promise<void> | undefined;
    const close = () => (closed ??= gateway.close());
    onTestFinished(close);
    const client = (options: Partial<ClientOptions>): BatonClient => {
      const made = connect({ url, reconnectMinMs: 5, reconnectMaxMs: 50, ...options });
      onTestFinished(() => made.close());
      return made;
    };
    const raw = async (identity: Identity): Promise<RawClient> => {
      const made = await RawClient.greeted(url, identity);
      onTestFinished(() => made.socket.terminate());
      return made;
    };
    return { gateway, store, url, client, raw, close };
  };
  const [a, b] = [await node(), await node()];
  const worker = a.client({ role: "worker" });
  await worker.createSandbox({ sandboxId: "s", browser: { cdpUrl: "ws://127.0.0.1:1/fake" } });
  const agent = a.client({ role: "agent", name: "bot" }).sandbox("s");
  const anna = b.client({ role: "operator", name: "anna" }).sandbox("s");
  await until(agent, ({ sandbox }) => sandbox.browser?.status === "live");
  await until(anna, () => true);
  /** The first stored state that `check` holds for. */
  const stored = async (check: (state: SandboxState) => boolean): Promise<SandboxState> => {
    const late = AbortSignal.timeout(WAIT_MS);
    for (; !late.aborted; await turn()) {
      const state = (await shared.load("s"))?.state;
      if (state && check(state)) return state;
    }
    throw new Error(`no stored state satisfied the check in ${WAIT_MS} ms`);
  };
  // Both nodes have a gate: from here on no drain is empty.
  await stored(({ gates }) => Object.keys(gates).length === 2);
  return {
    a,
    b,
    agent,
    anna,
    shared,
    stored,
    browser: provider.browser,
    received: () =>
      provider.browser.received.map(({ event }) => (event.kind === "text" ? event.text : event)),
    advance: (ms: number) => {
      skippedMs += ms;
    },
  };
}
