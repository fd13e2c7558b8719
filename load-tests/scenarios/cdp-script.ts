/** One Playwright script, straight to Chromium and through the gate. */
import { chromium, type Page } from "playwright-core";
import { cpuMicrosOf, startGate, startRelay, type Relay, type Way } from "../lib/cdp-ways.ts";
import { startProcess } from "../lib/processes.ts";
import { within } from "../lib/resources.ts";
import { takeStepTurns, type Context, type Scenario, type Steps } from "../lib/scenario.ts";

const TITLE = "Playwright script over CDP";
const CONNECT_MS = 15_000;
const TURN_MS = 60_000;

export const cdpScript: Scenario = {
  id: "cdp-script",
  async run(context) {
    const { plan, resources, note } = context;
    const { cdpUrl = "", pageUrl = "" } = await startProcess(resources, "browser-process.ts", ["/form"]);
    const [relay, gate] = await Promise.all([startRelay(resources, cdpUrl), startGate(resources, cdpUrl)]);
    const ways: readonly Way[] = [
      { name: "direct", kind: "reference", url: cdpUrl },
      { name: "plain relay", kind: "yardstick", url: relay.url, between: relay },
      { name: "gate", kind: "gateway", url: gate.url, between: gate },
      { name: "direct again", kind: "control", url: cdpUrl },
    ];
    note("chromium", await withPage(resources, cdpUrl, versionOf));
    const perScript = await commandsOf(context, relay, pageUrl);
    const paths = await takeStepTurns(
      context,
      TITLE,
      ways.map(({ name, kind, ...way }) => ({
        name,
        kind,
        measure: () => measure(context, way, pageUrl, perScript * plan.scripts),
      })),
    );
    const measured = `of connecting, of ${plan.scripts} scripts one after another, and of each of them`;
    const cpuOf = "the process in between, for each of the scripts' commands";
    const notes = [
      `A script is ${perScript.toFixed(1)} CDP commands: open a page, fill a field, click, read title and text.`,
    ];
    return [{ id: "cdp-script", title: TITLE, measured, cpuOf, paths, notes }];
  },
};

async function measure(
  { plan, resources }: Context,
  { url, between }: Pick<Way, "url" | "between">,
  pageUrl: string,
  commands: number,
): Promise<Steps> {
  const connectsAt = performance.now();
  return withPage(resources, url, async (page) => {
    const connect = performance.now() - connectsAt;
    const each: number[] = [];
    const cpuMicros = await cpuMicrosOf(between, async () => {
      for (let turn = 0; turn < plan.scripts; turn += 1) {
        const at = performance.now();
        await script(page, pageUrl, `visitor ${turn}`);
        each.push(performance.now() - at);
      }
    });
    return {
      connect: { values: [connect] },
      "all scripts": {
        values: [each.reduce((sum, ms) => sum + ms, 0)],
        ...(cpuMicros !== undefined && { cpuMicros: cpuMicros / commands }),
      },
      "one script": { values: each },
    };
  });
}

async function script(page: Page, pageUrl: string, name: string): Promise<void> {
  await page.goto(pageUrl);
  await page.fill("#name", name);
  await page.click("#greet");
  const [title, said] = [await page.title(), await page.textContent("#said")];
  if (title !== name || said !== `Hello ${name}`)
    throw new Error(`the script read "${title}" and "${said}" instead of "${name}"`);
}

/** How many commands Playwright makes of one script: the relay counts them. */
async function commandsOf({ plan, resources }: Context, relay: Relay, pageUrl: string): Promise<number> {
  return withPage(resources, relay.url, async (page) => {
    const before = await relay.commands();
    for (let turn = 0; turn < plan.scripts; turn += 1) await script(page, pageUrl, `count ${turn}`);
    return ((await relay.commands()) - before) / plan.scripts;
  });
}

/** A client that is alone in the browser, on the page that is there. */
async function withPage<T>(
  resources: Context["resources"],
  url: string,
  work: (page: Page) => Promise<T>,
): Promise<T> {
  const browser = await chromium.connectOverCDP(url, { timeout: CONNECT_MS });
  resources.onClose(() => browser.close());
  try {
    const page = browser.contexts()[0]?.pages()[0];
    if (!page) throw new Error("the browser shows Playwright no page; look at what the processes printed");
    return await within(work(page), "the end of the scripts", TURN_MS);
  } finally {
    await browser.close();
  }
}

async function versionOf(page: Page): Promise<string> {
  return `Chrome/${page.context().browser()?.version()}`;
}
