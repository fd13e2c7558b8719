/** Large screenshots, one after another and several at a time: of a real browser, and of one that has them ready. */
import { CdpClient } from "../lib/cdp-client.ts";
import { loadPath, type Load } from "../lib/cdp-load.ts";
import { CdpStub } from "../lib/cdp-stub.ts";
import { startGate, startRelay, type Way } from "../lib/cdp-ways.ts";
import { startProcess } from "../lib/processes.ts";
import { within } from "../lib/resources.ts";
import { takeStepTurns, type Context, type Result, type Scenario } from "../lib/scenario.ts";

const UNDER_WAY = 4;
/** The stub's screenshots of a turn, for each of Chromium's: it has not to make them. */
const MORE = 4;

export const cdpScreenshots: Scenario = {
  id: "cdp-screenshots",
  async run(context) {
    return [await ofChromium(context), await ofStub(context)];
  },
};

async function ofChromium(context: Context): Promise<Result> {
  const { resources, plan, note } = context;
  const { cdpUrl = "" } = await startProcess(resources, "browser-process.ts", ["/noise"]);
  const client = await CdpClient.attach(resources, cdpUrl);
  const { product } = await client.send<{ product: string }>("Browser.getVersion");
  note("chromium", product);
  return measure(context, "cdp-screenshots", "CDP screenshots", cdpUrl, plan.screenshots);
}

async function ofStub(context: Context): Promise<Result> {
  const stub = await CdpStub.start(context.resources);
  const title = "CDP screenshots that cost the browser nothing";
  return measure(context, "cdp-screenshots-stub", title, stub.url, context.plan.screenshots * MORE);
}

async function measure(
  context: Context,
  id: string,
  title: string,
  cdpUrl: string,
  count: number,
): Promise<Result> {
  const { resources } = context;
  const [relay, gate] = await Promise.all([startRelay(resources, cdpUrl), startGate(resources, cdpUrl)]);
  const ways: readonly Way[] = [
    { name: "direct", kind: "reference", url: cdpUrl },
    { name: "plain relay", kind: "yardstick", url: relay.url, between: relay },
    { name: "gate", kind: "gateway", url: gate.url, between: gate },
    { name: "direct again", kind: "control", url: cdpUrl },
  ];
  const screenshot = {
    method: "Page.captureScreenshot",
    params: { format: "png", optimizeForSpeed: true },
    count,
    perSecond: "megabytes",
  } as const;
  const client = await CdpClient.attach(resources, cdpUrl);
  const answerBytes = await within(client.ask(screenshot.method, screenshot.params), "the first screenshot");
  const loads: Readonly<Record<string, Load>> = {
    "one at a time": { ...screenshot, underWay: 1 },
    [`${UNDER_WAY} under way`]: { ...screenshot, underWay: UNDER_WAY },
  };
  const clients = await Promise.all(ways.map((way) => loadPath(resources, way, loads)));
  const paths = await takeStepTurns(context, title, clients);
  const measured = "from the send of Page.captureScreenshot to the arrival of the whole picture";
  const cpuOf = "the process in between, for each picture";
  const notes = [`A picture's answer is ${(answerBytes / 1e6).toFixed(1)} MB.`];
  return { id, title, measured, counted: "megabytes of answers", cpuOf, paths, notes };
}
