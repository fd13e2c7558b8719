/**
 * One page of a real Chromium behind a real gateway, a person, and a witness inside the page that tells every trusted
 * input event that reached it.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished } from "vitest";
import { BatonError } from "../../protocol/errors.ts";
import type { LaunchedBrowser } from "../../src/browser/browser.ts";
import { chromiumProvider } from "../../src/browser/chromium.ts";
import type { GatewayOptions } from "../../src/gateway.ts";
import type { SandboxHandle, SandboxUpdate } from "../../src/sdk/api.ts";
import { chromiumPath } from "./browser.ts";
import { until } from "./gateway.ts";
import { startLoggedGateway, type LoggedGateway } from "./logged-gateway.ts";
import { RawCdp } from "./raw-cdp.ts";

const BINDING = "__witness";
const WITNESS = `for (const type of ["mousedown", "mouseup", "click", "keydown", "keyup", "beforeinput"])
  addEventListener(type, (event) => event.isTrusted && ${BINDING}(
    type + (event.key ? " " + event.key : event.data ? " " + event.data : event.clientX === undefined ? "" : " " + event.clientX + "," + event.clientY)), true);`;
const PAGE =
  "data:text/html,<title>start</title><body style='margin:0'><input id=i style='position:absolute;left:0;top:0;width:200px;height:40px'>";

/** Answers every request with a small page. */
export async function startSite(): Promise<string> {
  const server = createServer((_, response) =>
    response.setHeader("content-type", "text/html").end("<title>site</title>"),
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

export interface Chromium {
  readonly launched: LaunchedBrowser;
  readonly endpoint: string;
}

export async function launchForRogues(): Promise<Chromium> {
  const provider = chromiumProvider({ executablePath: await chromiumPath() });
  const launched = await provider.launch({});
  return { launched, endpoint: await launched.endpoint(AbortSignal.timeout(20_000)) };
}

export class RogueStage {
  readonly gateway: LoggedGateway;
  readonly anna: SandboxHandle;
  /** Beside the gateway. */
  readonly direct: RawCdp;
  readonly directSession: string;
  readonly targetId: string;
  readonly sandboxId: string;

  static async start(
    chromium: Chromium,
    settings: Partial<GatewayOptions> = {},
    body: { agentPolicy?: "hold" | "reject" | "observe" } = {},
  ): Promise<RogueStage> {
    const direct = await RawCdp.open(chromium.endpoint);
    const targetId = String((await direct.done("Target.createTarget", { url: "about:blank" })).targetId);
    onTestFinished(async () => {
      // Others on the same browser begin with no page but their own.
      const closer = await RawCdp.open(chromium.endpoint).catch(() => undefined);
      await closer?.call("Target.closeTarget", { targetId });
      closer?.cut();
    });
    const session = await direct.attach(targetId);
    await direct.done("Page.enable", {}, session);
    await direct.done("Runtime.enable", {}, session);
    await direct.done("Runtime.addBinding", { name: BINDING }, session);
    await direct.done("Page.addScriptToEvaluateOnNewDocument", { source: WITNESS }, session);
    await direct.done("Page.navigate", { url: PAGE }, session);
    await direct.event("Page.loadEventFired");
    const gateway = await startLoggedGateway({
      browsers: chromiumProvider({ executablePath: await chromiumPath() }),
      ...settings,
    });
    const worker = gateway.client({ role: "worker" });
    await worker.createSandbox({ sandboxId: "s", browser: { cdpUrl: chromium.endpoint }, ...body });
    worker.close();
    const anna = gateway.client({ role: "operator", name: "anna" }).sandbox("s");
    await until(anna, ({ tabs }) => tabs.some(({ tabId, active }) => tabId === targetId && active));
    return new RogueStage(gateway, anna, direct, session, targetId);
  }

  private constructor(
    gateway: LoggedGateway,
    anna: SandboxHandle,
    direct: RawCdp,
    directSession: string,
    targetId: string,
  ) {
    this.gateway = gateway;
    this.anna = anna;
    this.direct = direct;
    this.directSession = directSession;
    this.targetId = targetId;
    this.sandboxId = "s";
  }

  /** Address of the gate; `query` such as `?policy=reject`. */
  cdpUrl(query = "", path = ""): string {
    return `${this.gateway.url.replace("http", "ws")}/v1/sandboxes/${this.sandboxId}/cdp${path}${query}`;
  }

  agent(query = "", path = ""): Promise<RawCdp> {
    return RawCdp.open(this.cdpUrl(query, path));
  }

  /** Connected and attached to the page. */
  async attached(query = ""): Promise<{ agent: RawCdp; session: string }> {
    const agent = await this.agent(query);
    return { agent, session: await agent.attach(this.targetId) };
  }

  /** Resolves when the page has seen this, such as `click 5,6` or `keydown a`. */
  async saw(what: string): Promise<void> {
    await this.direct.event("Runtime.bindingCalled", ({ params }) => params?.payload === what);
  }

  /** What the page has seen so far. */
  get record(): unknown[] {
    return this.direct.received
      .filter(({ method }) => method === "Runtime.bindingCalled")
      .map(({ params }) => params?.payload);
  }

  /** Resolves with the first state, now or later, that this holds for. */
  async sees(check: (update: SandboxUpdate) => boolean): Promise<void> {
    await until(this.anna, check);
  }

  async metric(name: string): Promise<number> {
    const text = await (await this.gateway.http("/metrics")).text();
    return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1] ?? Number.NaN);
  }

  /** A takeover that a hung page keeps waiting: the person leaves the page, drives, and gives the browser back whole. */
  async freedByLeaving(taken: Promise<unknown>): Promise<void> {
    await this.personLeaves();
    await taken;
    await this.personClicks();
    await this.anna.releaseControl();
    await this.works();
  }

  /** The person goes on to another page, also from one that hangs. */
  async personLeaves(): Promise<void> {
    const site = await startSite();
    for (;;) {
      try {
        await this.anna.input.navigate(site);
        break;
      } catch (error) {
        // Not yet: the drain has not lasted long enough for the page to count as hung.
        if (!(error instanceof BatonError && error.code === "not_controller")) throw error;
      }
    }
    await this.sees(({ tabs }) => tabs.some(({ title, url }) => title === "site" && url === site));
  }

  #places = 0;
  /** A place that nobody has clicked. */
  #place(): { x: number; y: number } {
    this.#places += 1;
    return { x: 400 + this.#places, y: 300 };
  }

  /** The person who holds the browser clicks, and the page sees it. */
  async personClicks(): Promise<void> {
    const { x, y } = this.#place();
    await this.anna.input.click(x, y);
    await this.saw(`click ${x},${y}`);
  }

  /** The agent clicks, and the page sees it. */
  async agentClicks(agent: RawCdp, session: string): Promise<void> {
    const { x, y } = this.#place();
    await agent.done("Input.dispatchMouseEvent", { ...press("mousePressed"), x, y }, session);
    await agent.done("Input.dispatchMouseEvent", { ...press("mouseReleased"), x, y }, session);
    await this.saw(`click ${x},${y}`);
  }

  /** The gate is not stuck: a person takes, drives and releases, and a new agent drives. */
  async works(): Promise<void> {
    await this.anna.takeControl();
    await this.personClicks();
    await this.anna.releaseControl();
    const { agent, session } = await this.attached();
    await this.agentClicks(agent, session);
    agent.cut();
    expect(this.gateway.errors).toEqual([]);
  }
}

export function press(type: "mousePressed" | "mouseReleased"): object {
  return { type, button: "left", buttons: type === "mousePressed" ? 1 : 0, clickCount: 1 };
}
