import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { PuppeteerScenario } from "./puppeteer-bench.ts";
import { failure, sha256 } from "./scenario.ts";
import { ACCOUNT } from "./site.ts";

/** Of a response. */
const LARGE_BODY_BYTES = 1_000_000;

export const NETWORK_SCENARIOS: readonly PuppeteerScenario[] = [
  {
    name: "request interception: respond, abort, continue changed",
    run: async ({ open, site }) => {
      const page = await open("/plain");
      await page.setRequestInterception(true);
      page.on("request", (request) => {
        const { pathname } = new URL(request.url());
        if (pathname === "/made-up")
          void request.respond({ contentType: "text/html", body: "<title>made up</title>" });
        else if (pathname === "/cut") void request.abort("failed");
        else if (pathname === "/echo") {
          const headers = { ...request.headers(), "x-baton": "changed" };
          void request.continue({ method: "POST", postData: "rewritten", headers });
        } else void request.continue();
      });
      await page.goto(`${site.url}/made-up`);
      const title = await page.title();
      const cut = await failure(page.evaluate(() => fetch("/cut")));
      const { method, custom, text } = JSON.parse(
        await page.evaluate(() => fetch("/echo").then((response) => response.text())),
      ) as Record<string, unknown>;
      page.off("request");
      await page.setRequestInterception(false);
      await page.goto(`${site.url}/second`);
      return {
        title,
        cut,
        echo: { method, custom, text },
        after: await page.title(),
        requests: site.requests(),
      };
    },
    proves: {
      title: "made up",
      echo: { method: "POST", custom: "changed", text: "rewritten" },
      after: "second",
    },
  },
  {
    name: "request and response events, bodies, redirects, failures",
    run: async ({ open, site }) => {
      const page = await open("/plain");
      const events: string[] = [];
      page.on("request", (request) => events.push(`request ${request.method()} ${request.url()}`));
      page.on("response", (response) => events.push(`response ${response.status()} ${response.url()}`));
      page.on("requestfinished", (request) => events.push(`finished ${request.url()}`));
      page.on("requestfailed", (request) =>
        events.push(`failed ${request.failure()?.errorText} ${request.url()}`),
      );
      const response = await page.goto(`${site.url}/redirect?to=/second`, { waitUntil: "networkidle0" });
      const cut = await failure(page.evaluate(() => fetch("/cut")));
      const large = await page.goto(`${site.url}/large?bytes=${LARGE_BODY_BYTES}`);
      const body = (await large?.buffer()) ?? Buffer.alloc(0);
      const chain = response
        ?.request()
        .redirectChain()
        .map((request) => request.url());
      return { events: events.slice(0, 6), chain, cut, size: body.length, sha256: sha256(body) };
    },
    proves: { chain: ["http://site/redirect?to=/second"], size: LARGE_BODY_BYTES },
  },
  {
    name: "basic auth, extra headers, user agent",
    run: async ({ open, site }) => {
      const page = await open("/plain");
      await page.authenticate(ACCOUNT);
      const response = await page.goto(`${site.url}/private`);
      const members = [response?.status(), await page.title()];
      await page.setExtraHTTPHeaders({ "x-baton": "extra" });
      await page.setUserAgent({ userAgent: "scenario agent" });
      await page.goto(`${site.url}/plain`);
      const { agent, custom } = JSON.parse(
        await page.evaluate(() => fetch("/echo").then((response) => response.text())),
      ) as Record<string, unknown>;
      return { members, agent, custom };
    },
    proves: { members: [200, "members"], agent: "scenario agent", custom: "extra" },
  },
  {
    name: "navigation: back, forward, reload, history, failures, a slow page",
    run: async ({ open, site }) => {
      const page = await open("/links");
      const seen: string[] = [];
      page.on("framenavigated", (frame) => seen.push(frame.url()));
      await Promise.all([page.waitForNavigation(), page.click("#here")]);
      await page.goto(`${site.url}/second`);
      await page.goBack();
      await page.goForward();
      await page.reload();
      await page.goto(`${site.url}/second#part`);
      const nowhere = await failure(page.goForward());
      const missing = (await page.goto(`${site.url}/missing`))?.status();
      const errors = [
        await failure(page.goto("http://127.0.0.1:1/")),
        await failure(page.goto(`${site.url}/held?name=never`, { timeout: 50 })),
      ];
      return { seen: seen.slice(0, 7), nowhere, missing, errors };
    },
    proves: { nowhere: "History entry to navigate to not found.", missing: 404 },
  },
  {
    name: "contexts and cookies",
    run: async ({ open, browser, site }) => {
      const first = await open("/cookie?value=first", "alone");
      const second = await open("/plain", "alone");
      await first.browserContext().setCookie({ name: "added", value: "1", domain: "127.0.0.1" });
      const list = async (page: typeof first): Promise<readonly string[]> =>
        (await page.browserContext().cookies())
          .map(({ name, value, httpOnly }) => `${name}=${value} ${httpOnly}`)
          .toSorted();
      const before = [await list(first), await list(second)];
      const gone = (await first.browserContext().cookies()).filter(({ name }) => name === "hidden");
      await first.browserContext().deleteCookie(...gone);
      await first.goto(`${site.url}/plain`);
      const left = await first.evaluate(() => document.cookie);
      const count = browser.browserContexts().length;
      await second.browserContext().close();
      return { before, left: left.split("; ").toSorted(), count, after: browser.browserContexts().length };
    },
    proves: {
      before: [["added=1 false", "hidden=1 true", "seen=first false"], []],
      left: ["added=1", "seen=first"],
    },
  },
  {
    name: "emulation: viewport, media, time zone, offline, permissions, geolocation",
    run: async ({ open, site }) => {
      const page = await open("/media", "alone");
      await page.setViewport({ width: 500, height: 400, deviceScaleFactor: 2 });
      await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "dark" }]);
      await page.emulateTimezone("Asia/Tokyo");
      await page.browserContext().overridePermissions(site.url, ["geolocation"]);
      await page.setGeolocation({ latitude: 48.2, longitude: 16.37 });
      const look = await page.evaluate(async () => ({
        size: [innerWidth, innerHeight, devicePixelRatio],
        dark: matchMedia("(prefers-color-scheme: dark)").matches,
        zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
        place: await new Promise((resolve) => {
          navigator.geolocation.getCurrentPosition(({ coords }) =>
            resolve([coords.latitude, coords.longitude]),
          );
        }),
      }));
      await page.setOfflineMode(true);
      const offline = [
        await page.evaluate(() => navigator.onLine),
        await failure(page.goto(`${site.url}/second`)),
      ];
      await page.setOfflineMode(false);
      const online = (await page.goto(`${site.url}/second`))?.status();
      return { look, offline, online };
    },
    proves: {
      look: { size: [500, 400, 2], dark: true, zone: "Asia/Tokyo", place: [48.2, 16.37] },
      online: 200,
    },
  },
  {
    name: "a download to a folder of the script's choice",
    run: async ({ open, folder, browser }) => {
      const page = await open("/links", "alone");
      const session = await browser.target().createCDPSession();
      await session.send("Browser.setDownloadBehavior", {
        behavior: "allow",
        downloadPath: folder,
        eventsEnabled: true,
        ...(page.browserContext().id !== undefined && {
          browserContextId: page.browserContext().id as string,
        }),
      });
      const states: string[] = [];
      const done = new Promise<void>((resolve) => {
        session.on("Browser.downloadProgress", ({ state }) => {
          states.push(state);
          if (state === "completed") resolve();
        });
      });
      const begun = new Promise<string>((resolve) => {
        session.on("Browser.downloadWillBegin", ({ suggestedFilename }) => resolve(suggestedFilename));
      });
      await page.click("#file");
      const name = await begun;
      await done;
      await session.detach();
      return { name, last: states.at(-1), text: await readFile(join(folder, name), "utf8") };
    },
    proves: { name: "report.csv", last: "completed", text: "day,passes\nmonday,4\n" },
  },
];
