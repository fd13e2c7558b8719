/** A gateway with a real Chromium behind its CDP gate, agents that connect through taps, and a person. */
import { pino } from "pino";
import { chromium, type Browser, type BrowserContextOptions, type Page } from "playwright-core";
import { connect as connectPuppeteer, type Browser as PuppeteerBrowser } from "puppeteer-core";
import { expect, onTestFinished } from "vitest";
import type { AgentPolicy } from "../../protocol/agent.ts";
import type { LaunchedBrowser } from "../../src/browser/browser.ts";
import { chromiumProvider } from "../../src/browser/chromium.ts";
import { createGateway, type Gateway, type GatewayOptions } from "../../src/gateway.ts";
import type { BatonClient, ClientOptions, SandboxHandle } from "../../src/sdk/api.ts";
import { connect } from "../../src/sdk/node.ts";
import { chromiumPath } from "./browser.ts";
import { at, type Place } from "./cdp-site-pages.ts";
import { RecordingSite } from "./cdp-site.ts";
import { CdpTap } from "./cdp-tap.ts";
import { until } from "./gateway.ts";

/** A page from the back-forward cache comes without a load event, for which the clients wait. */
const ARGS = ["--disable-back-forward-cache"];
/** Longest that an agent's action may take, a takeover in its middle included. */
const ACTION_MS = 10_000;

type End = () => unknown;

export interface CdpStage {
  readonly site: RecordingSite;
  readonly gateways: readonly Gateway[];
  /** Every line of the gateways' logs. */
  readonly log: readonly string[];
  /** A sandbox of the test's own. */
  readonly scene: (options?: SceneOptions) => Promise<Scene>;
  /** The same, until it is closed. */
  readonly openScene: (options?: SceneOptions) => Promise<Scene>;
  readonly close: () => Promise<void>;
}

export interface SceneOptions {
  readonly agentPolicy?: AgentPolicy;
}

/** @param nodes options of each gateway; each reaches the one Chromium. Default: one with the default options. */
export async function startCdpStage(nodes: readonly Partial<GatewayOptions>[] = [{}]): Promise<CdpStage> {
  const ends: End[] = [];
  const close = (): Promise<void> => endAll(ends);
  const log: string[] = [];
  try {
    const provider = chromiumProvider({ executablePath: await chromiumPath() });
    const launched: LaunchedBrowser = await provider.launch({ args: ARGS });
    ends.push(() => launched.close());
    const endpoint = await launched.endpoint(AbortSignal.timeout(20_000));
    const site = await RecordingSite.start();
    ends.push(() => site.close());
    const logger = pino({ level: "trace", base: null }, { write: (line: string) => void log.push(line) });
    const gateways: Gateway[] = [];
    for (const options of nodes) {
      const gateway = createGateway({ port: 0, browsers: provider, logger, ...options });
      await gateway.listen();
      ends.push(() => gateway.close());
      gateways.push(gateway);
    }
    let scenes = 0;
    const openScene = async (options: SceneOptions = {}): Promise<Scene> => {
      scenes += 1;
      site.clear();
      const scene = new Scene({ site, gateways, endpoint }, `scene-${scenes}`);
      await scene.start(options);
      return scene;
    };
    const scene = async (options?: SceneOptions): Promise<Scene> => {
      const made = await openScene(options);
      onTestFinished(() => made.close());
      return made;
    };
    return { site, gateways, log, scene, openScene, close };
  } catch (error) {
    await close();
    throw error;
  }
}

interface Parts {
  readonly site: RecordingSite;
  readonly gateways: readonly Gateway[];
  readonly endpoint: string;
}

export class Scene {
  readonly sandboxId: string;
  readonly site: RecordingSite;
  /** Drives as `anna`, on the last node. */
  readonly anna: SandboxHandle;
  readonly #parts: Parts;
  readonly #ends: End[] = [];

  constructor(parts: Parts, sandboxId: string) {
    this.#parts = parts;
    this.sandboxId = sandboxId;
    this.site = parts.site;
    this.anna = this.client("operator", "anna", parts.gateways.length - 1).sandbox(sandboxId);
  }

  async start({ agentPolicy }: SceneOptions): Promise<void> {
    const worker = this.client("worker", "backend");
    this.#ends.push(async () => {
      await this.#tidy();
      await worker.removeSandbox(this.sandboxId);
    });
    await worker.createSandbox({
      sandboxId: this.sandboxId,
      browser: { cdpUrl: this.#parts.endpoint },
      ...(agentPolicy && { agentPolicy }),
    });
    await until(this.anna, ({ sandbox }) => sandbox.browser?.status === "live");
  }

  /** Ends it, and all tabs but one that is empty. */
  async close(): Promise<void> {
    await endAll(this.#ends);
  }

  client(role: NonNullable<ClientOptions["role"]>, name: string, node = 0): BatonClient {
    const client = connect({ url: this.#node(node).url, role, name });
    this.#ends.push(() => client.close());
    return client;
  }

  /** Chromium's own address, beside the gate. */
  get endpoint(): string {
    return this.#parts.endpoint;
  }

  /** Base URL of a node. */
  url(node = 0): string {
    return this.#node(node).url;
  }

  /** What the HTTP API answers under the sandbox's path. */
  readonly http = async (path: string): Promise<string> => {
    const response = await fetch(`${this.url()}/v1/sandboxes/${this.sandboxId}${path}`);
    if (!response.ok) throw new Error(`${path} was answered with ${response.status}`);
    return response.text();
  };

  /** Address of the gate, `ws:`. @param query such as `?policy=reject` */
  cdpUrl(query = "", node = 0): string {
    return `${this.#node(node).url.replace(/^http/, "ws")}/v1/sandboxes/${this.sandboxId}/cdp${query}`;
  }

  async tap(query = ""): Promise<CdpTap> {
    const tap = await CdpTap.start(this.cdpUrl(query));
    this.#ends.push(() => tap.close());
    return tap;
  }

  async playwright(query = ""): Promise<{ readonly tap: CdpTap; readonly browser: Browser }> {
    const tap = await this.tap(query);
    const browser = await chromium.connectOverCDP(tap.url);
    this.#ends.push(() => browser.close());
    for (const context of browser.contexts()) context.setDefaultTimeout(ACTION_MS);
    return { tap, browser };
  }

  /** A Playwright agent with a page that the person sees. @param options of a context of its own; default: the browser's */
  async playwrightPage(
    query = "",
    path = "/desk",
    options?: BrowserContextOptions,
  ): Promise<{ readonly tap: CdpTap; readonly browser: Browser; readonly page: Page }> {
    const { tap, browser } = await this.playwright(query);
    const context = options ? await browser.newContext(options) : browser.contexts()[0];
    if (!context) throw new Error("the browser has no context");
    context.setDefaultTimeout(ACTION_MS);
    const page = context.pages()[0] ?? (await context.newPage());
    await page.goto(this.site.url + path);
    await this.shows(path);
    return { tap, browser, page };
  }

  async puppeteer(query = ""): Promise<{ readonly tap: CdpTap; readonly browser: PuppeteerBrowser }> {
    const tap = await this.tap(query);
    const browser = await connectPuppeteer({ browserWSEndpoint: tap.url, defaultViewport: null });
    this.#ends.push(() => browser.disconnect());
    return { tap, browser };
  }

  /** Resolves once the person sees the tab at this path. */
  async shows(path: string): Promise<void> {
    const address = this.site.url + path;
    await until(this.anna, ({ tabs }) => tabs.some(({ url, active }) => active && url === address));
  }

  // --- the person

  async take(options: { privacy?: "private" } = {}): Promise<void> {
    await this.anna.takeControl(options);
    this.site.mark("taken");
  }

  /** Takes it by a handoff that the agent's own program requests. @returns its id */
  async accept(): Promise<string> {
    const bot = this.client("agent", "bot").sandbox(this.sandboxId);
    const { handoff } = await bot.requestHumanHandoff({ reason: "mfa", message: "Enter the code" });
    await this.anna.acceptHumanHandoff({ controller: "anna" });
    this.site.mark("taken");
    return handoff?.requestId ?? "";
  }

  /** Begins to give it back, in whichever way it was taken. */
  async giveBack(): Promise<void> {
    this.site.mark("given back");
    if (this.anna.current?.sandbox.control.mode === "shared")
      await this.anna.completeHumanHandoff({ controller: "anna", returnControlTo: "ai" });
    else await this.anna.releaseControl();
  }

  async click(place: Place): Promise<void> {
    const { x, y } = at(place);
    await this.anna.input.click(x, y);
  }

  /** What reached the pages while the person held the browser. */
  get held(): readonly string[] {
    return this.site.between("taken", "given back");
  }

  #node(index: number): Gateway {
    const gateway = this.#parts.gateways[index];
    if (!gateway) throw new Error(`there is no node ${index}`);
    return gateway;
  }

  async #tidy(): Promise<void> {
    const root = this.#parts.endpoint.replace(/^ws/, "http").replace(/\/devtools\/.*/, "");
    const response = await fetch(`${root}/json/list`);
    const targets = (await response.json()) as { id: string; type: string }[];
    await fetch(`${root}/json/new?about:blank`, { method: "PUT" });
    for (const { id, type } of targets) if (type === "page") await fetch(`${root}/json/close/${id}`);
  }
}

/** The newest first. */
async function endAll(ends: End[]): Promise<void> {
  for (const end of ends.splice(0).toReversed()) await end();
}

/** The gateways went through it without a complaint. */
export function expectQuiet(log: readonly string[]): void {
  expect(log.filter((line) => (JSON.parse(line) as { level: number }).level >= 50)).toEqual([]);
}
