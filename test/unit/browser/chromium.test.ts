import { describe, expect, it, onTestFinished } from "vitest";
import { createServer, type AddressInfo } from "node:net";
import type { BrowserLink } from "../../../src/browser/browser.ts";
import { CdpConnection } from "../../../src/browser/cdp-connection.ts";
import { chromiumProvider } from "../../../src/browser/chromium.ts";
import { browserLinkContract } from "../../contract/browser-link.ts";
import { launchedBrowserContract } from "../../contract/launched-browser.ts";
import { shownTab, Site, startBench } from "./bench.ts";

browserLinkContract("Chromium", async () => {
  const bench = await startBench();
  const provider = chromiumProvider();
  const deadPort = await closedPort();
  // The bench's own link stays out of the way: what it looks into is the tab that the tested link shows.
  const evaluate = (link: BrowserLink, expression: string): Promise<unknown> =>
    bench.evaluate(expression, shownTab(link));
  return {
    attach: () => provider.attach({ endpoint: (signal) => bench.browser.endpoint(signal) }),
    attachNowhere: () => provider.attach({ endpoint: async () => `http://127.0.0.1:${deadPort}` }),
    async freshPage(link) {
      const { url, loaded } = bench.site.add("<body>still");
      await link.dispatch({ kind: "navigate", to: "url", url });
      await loaded;
    },
    async seen(link, last) {
      const record = await evaluate(
        link,
        `until(() => seen.some((line) => line.startsWith("${last}"))).then(() => seen.splice(0))`,
      );
      return (record as string[])
        .map((line) => (line.startsWith("key") ? line.replace(/ \d+$/, "") : line.split(" ", 1).join("")))
        .filter((line) => /^(?:key|mouse(?:down|up))/.test(line));
    },
    async openPopup(link) {
      await evaluate(link, 'void setTimeout(() => open("about:blank"))');
    },
    async openAlert(link) {
      await evaluate(link, 'void setTimeout(() => alert("stop"))');
    },
    async freeze(link) {
      // A synchronous request holds the page up until the site answers it.
      await evaluate(
        link,
        `void setTimeout(() => { const r = new XMLHttpRequest(); r.open("GET", "/hold", false); r.send(); })`,
      );
      await bench.site.held;
    },
    async wake() {
      bench.site.release();
    },
    async kill() {
      process.kill(bench.browser.pid ?? NaN, "SIGKILL");
    },
    close: () => bench.close(),
  };
});

launchedBrowserContract("Chromium", async () => {
  const site = new Site();
  await site.listen();
  const page = (): string => site.add("<body>a page").url;
  return {
    provider: () => chromiumProvider(),
    pages: [page(), page(), page()],
    async kill(browser) {
      const { pid } = browser;
      const connection = await CdpConnection.connect(
        await browser.endpoint(AbortSignal.timeout(10_000)),
        AbortSignal.timeout(10_000),
      );
      process.kill(pid ?? NaN, "SIGKILL");
      await connection.closed;
    },
    close: () => site.close(),
  };
});

/** A port where nobody listens: one that was free a moment ago. */
async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe("Chromium's frames", () => {
  it("have the shape that is read without reading the picture as JSON", async () => {
    const bench = await startBench();
    onTestFinished(() => bench.close());
    const connection = await CdpConnection.connect(
      await bench.browser.endpoint(AbortSignal.timeout(10_000)),
      AbortSignal.timeout(10_000),
    );
    onTestFinished(() => connection.close());
    const session = await connection.attach(shownTab(bench.link));
    const picture = new Promise<unknown>((resolve) => {
      session.on("Page.screencastFrame", ({ data }) => resolve(data));
    });
    await session.send("Page.enable");
    await session.send("Page.startScreencast", { format: "jpeg" });
    expect(await picture).toBeInstanceOf(Buffer);
  });
});
