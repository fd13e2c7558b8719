/** A test gateway that keeps what it logs: a refusal is answered, not logged, and an error there fails the test. */
import { pino } from "pino";
import { expect, onTestFinished } from "vitest";
import type { Sandbox } from "../../protocol/sandbox.ts";
import type { GatewayOptions } from "../../src/gateway.ts";
import { startGateway, type TestGateway } from "./gateway.ts";
import { RawClient, type Identity } from "./raw-client.ts";

export interface LoggedGateway extends TestGateway {
  /** Lines of level error and above. */
  readonly errors: readonly string[];
  /** The sandbox as everybody may read it. */
  readonly state: (sandboxId: string) => Promise<Sandbox>;
  /** A greeted client on a raw socket, closed after the test. */
  readonly raw: (identity?: Identity) => Promise<RawClient>;
  readonly http: (path: string, init?: RequestInit) => Promise<Response>;
}

export async function startLoggedGateway(options: Partial<GatewayOptions> = {}): Promise<LoggedGateway> {
  const errors: string[] = [];
  const logger = pino({ level: "error", base: null }, { write: (line: string) => void errors.push(line) });
  // Registered first, so that it runs last: also what the shutdown logs counts.
  onTestFinished(() => expect(errors).toEqual([]));
  const test = await startGateway({ logger, ...options });
  const http = (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(`${test.url}${path}`, { signal: AbortSignal.timeout(8_000), ...init });
  return {
    ...test,
    errors,
    http,
    async state(sandboxId) {
      const response = await http(`/v1/sandboxes/${sandboxId}`);
      return ((await response.json()) as { sandbox: Sandbox }).sandbox;
    },
    async raw(identity) {
      const client = await RawClient.greeted(test.url, identity);
      onTestFinished(() => client.socket.terminate());
      return client;
    },
  };
}
