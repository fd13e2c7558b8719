/** Two Chromiums that are alike: one to connect to directly, one behind a gateway. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LaunchedBrowser } from "../../src/browser/browser.ts";
import { chromiumProvider } from "../../src/browser/chromium.ts";
import { createGateway } from "../../src/gateway.ts";
import { connect } from "../../src/sdk/node.ts";
import { chromiumPath } from "../support/browser.ts";
import { ScenarioSite } from "./site.ts";

/** What a client is given to connect to. Playwright takes `http` or `ws`, Puppeteer `ws` or `root`. */
export interface Endpoints {
  /** Puppeteer's `browserURL`, of which it uses the host alone. */
  readonly root: string;
  readonly http: string;
  readonly ws: string;
}

export interface Target {
  readonly endpoints: Endpoints;
  /** Nobody else's, so that its record is this target's alone. */
  readonly site: ScenarioSite;
  /** For files of the scenarios. */
  readonly folder: string;
}

export interface Targets {
  readonly direct: Target;
  readonly gate: Target;
  /** Ends everything. */
  readonly close: () => Promise<void>;
}

const SANDBOX = "scenarios";

const ARGS = [
  // As Playwright has it in a Chromium that it launches: a page from that cache comes without the load event that its
  // `goBack` waits for.
  "--disable-back-forward-cache",
  // Most of what a scenario costs is the start of a process for its page.
  "--process-per-site",
  "--renderer-process-limit=1",
  "--disable-features=SpareRendererForSitePerProcess",
];

export async function startTargets(): Promise<Targets> {
  const ends: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    for (const end of ends.splice(0).toReversed()) await end();
  };
  const provider = chromiumProvider({ executablePath: await chromiumPath() });
  const launch = async (): Promise<string> => {
    const browser: LaunchedBrowser = await provider.launch({ args: ARGS });
    ends.push(() => browser.close());
    return browser.endpoint(AbortSignal.timeout(20_000));
  };
  const target = async (endpoints: Endpoints): Promise<Target> => {
    const folder = await mkdtemp(join(tmpdir(), "baton-scenarios-"));
    ends.push(() => rm(folder, { recursive: true, force: true, maxRetries: 10 }));
    const site = await ScenarioSite.start();
    ends.push(() => site.close());
    return { endpoints, site, folder };
  };
  try {
    const [directly, behind] = [await launch(), await launch()];
    const gateway = createGateway({ port: 0, browsers: provider });
    const url = await gateway.listen();
    ends.push(() => gateway.close());
    const worker = connect({ url, role: "worker" });
    await worker.createSandbox({ sandboxId: SANDBOX, browser: { cdpUrl: behind } });
    worker.close();
    const http = `${url}/v1/sandboxes/${SANDBOX}/cdp`;
    const origin = `http://${new URL(directly).host}`;
    return {
      direct: await target({ root: origin, http: origin, ws: directly }),
      gate: await target({ root: url, http, ws: http.replace(/^http/, "ws") }),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
