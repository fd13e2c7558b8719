/** How many pictures a second of an animated page viewers get, against what Chromium gives a client of its own. */
import { setTimeout as delay } from "node:timers/promises";
import type { PreviewOptions } from "../../protocol/preview.ts";
import { Client } from "../lib/client.ts";
import { startRealBrowser } from "../lib/real-browser.ts";
import { within } from "../lib/resources.ts";
import { takeTurns, type Scenario } from "../lib/scenario.ts";
import type { Sample } from "../lib/stats.ts";

const TITLE = "Frame rate";
const VIEWERS = 5;
/** Both ways ask Chromium for the same pictures. */
const QUALITY = 60;
/** Most that the protocol lets a viewer ask for: what is measured is the path, not the limit. */
const MAX_FPS = 60;
/** From the first picture to the beginning of the count. */
const SETTLE_MS = 200;

interface Viewer {
  readonly start: (onFrame: (at: number) => void) => Promise<void>;
  readonly stop: () => Promise<void>;
}

export const frameRate: Scenario = {
  id: "frame-rate",
  async run(context) {
    const { plan, resources } = context;
    const { gatewayUrl, direct, directAgain } = await startRealBrowser(context);
    const clients = await Promise.all(
      Array.from({ length: VIEWERS }, () => Client.join(resources, gatewayUrl)),
    );
    const viewers = (count: number, options: PreviewOptions): Viewer[] =>
      clients.slice(0, count).map((client) => ({
        start: (onFrame) => client.watch({ quality: QUALITY, ...options }, onFrame),
        stop: () => client.unwatch(),
      }));
    const cdp = (client: typeof direct): Viewer => ({
      start: (onFrame) => client.watch(QUALITY, onFrame),
      stop: () => client.unwatch(),
    });
    const by = (watching: readonly Viewer[]) => () => measure(watching, plan.frameRateMs);
    const paths = await takeTurns(context, TITLE, [
      { name: "direct screencast", kind: "reference", measure: by([cdp(direct)]) },
      { name: "gateway, 1 viewer", kind: "gateway", measure: by(viewers(1, { maxFps: MAX_FPS })) },
      {
        name: `gateway, ${VIEWERS} viewers`,
        kind: "gateway",
        measure: by(viewers(VIEWERS, { maxFps: MAX_FPS })),
      },
      { name: "gateway, 1 viewer, default limit", kind: "gateway", measure: by(viewers(1, {})) },
      { name: "direct screencast again", kind: "control", measure: by([cdp(directAgain)]) },
    ]);
    return [
      {
        id: "frame-rate",
        title: TITLE,
        measured: "from one picture to the next, at each viewer",
        counted: "pictures that the slowest viewer got",
        paths,
      },
    ];
  },
};

async function measure(viewers: readonly Viewer[], windowMs: number): Promise<Sample> {
  const arrivals = viewers.map((): number[] => []);
  const first = viewers.map(async ({ start }, index) => {
    let seen: () => void = () => {};
    const picture = new Promise<void>((resolve) => (seen = resolve));
    await start((at) => {
      arrivals[index]?.push(at);
      seen();
    });
    await within(picture, "the first picture");
  });
  await Promise.all(first);
  await delay(SETTLE_MS);
  const from = performance.now();
  await delay(windowMs);
  const to = performance.now();
  await Promise.all(viewers.map(({ stop }) => stop()));
  const counted = arrivals.map((times) => times.filter((at) => at >= from && at < to));
  const values = counted.flatMap((times) => times.slice(1).map((at, index) => at - (times[index] ?? at)));
  const slowest = Math.min(...counted.map(({ length }) => length));
  return { values, perSecond: slowest / ((to - from) / 1_000) };
}
