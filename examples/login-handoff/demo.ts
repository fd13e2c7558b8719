/** What `npm start` shows: the example bank, a sandbox with a browser on it, and an agent that gets stuck there. */
import { setTimeout as delay } from "node:timers/promises";
import { BatonError } from "../../protocol/errors.ts";
import { connect } from "../../src/sdk/node.ts";
import { runAgent } from "./agent.ts";
import { startDemoSite } from "./site/site.ts";

const SANDBOX_ID = "demo";
/** How long the finished page stays before the agent starts over. */
const REST_MS = 60_000;
/** After something went wrong, such as a browser that crashed. */
const RETRY_MS = 5_000;

export interface Demo {
  readonly viewerUrl: string;
  close(): Promise<void>;
}

/** For a gateway that asks for tokens. */
export interface DemoTokens {
  readonly agent: string;
  readonly worker: string;
}

/**
 * @param gatewayUrl base URL of a running gateway
 * @param say gets a line for each step of the story
 * @param tokens undefined where none are asked for
 */
export async function startDemo(
  gatewayUrl: string,
  say: (line: string) => void,
  tokens?: DemoTokens,
): Promise<Demo> {
  const site = await startDemoSite();
  const stopping = new AbortController();
  const client = connect({
    url: gatewayUrl,
    role: "agent",
    name: "demo-agent",
    ...(tokens && { token: tokens.agent }),
  });
  const worker = connect({
    url: gatewayUrl,
    role: "worker",
    name: "demo",
    ...(tokens && { token: tokens.worker }),
  });
  try {
    // A store that outlasts the gateway has the one of the last run, whose site is gone.
    await worker.removeSandbox(SANDBOX_ID).catch((error: unknown) => {
      if (!(error instanceof BatonError && error.code === "sandbox_not_found")) throw error;
    });
    await worker.createSandbox({ sandboxId: SANDBOX_ID, browser: { launch: true, url: site.url } });
  } catch (error) {
    client.close();
    await site.close();
    throw error;
  } finally {
    worker.close();
  }

  const running = (async () => {
    const sandbox = client.sandbox(SANDBOX_ID);
    while (!stopping.signal.aborted) {
      try {
        await runAgent(sandbox, {
          siteUrl: site.url,
          signal: stopping.signal,
          say: (line) => say(`demo agent: ${line}`),
        });
        await delay(REST_MS, undefined, { signal: stopping.signal });
      } catch (error) {
        if (stopping.signal.aborted) return;
        say(`demo agent: ${error instanceof Error ? error.message : String(error)}; starting over`);
        await delay(RETRY_MS, undefined, { signal: stopping.signal }).catch(() => {});
      }
    }
  })();

  return {
    viewerUrl: `${gatewayUrl}/s/${SANDBOX_ID}`,
    async close() {
      stopping.abort(new Error("the demo ends"));
      await running.catch(() => {});
      client.close();
      await site.close();
    },
  };
}
