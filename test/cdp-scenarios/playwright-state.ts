import { chromium } from "playwright-core";
import type { PlaywrightScenario } from "./playwright-bench.ts";
import { failure } from "./scenario.ts";

export const STATE_SCENARIOS: readonly PlaywrightScenario[] = [
  {
    name: "navigation: goto, links, back, forward, reload, history.pushState, hashes",
    run: async ({ open, site }) => {
      const page = await open("/links");
      const seen: string[] = [];
      page.on("framenavigated", (frame) => seen.push(frame.url()));
      await page.click("#here");
      await page.waitForURL("**/plain");
      await page.goto(`${site.url}/second`);
      await page.goBack();
      await page.goForward();
      await page.reload();
      await page.goto(`${site.url}/second#part`);
      await page.evaluate(() => history.pushState(null, "", "/pushed"));
      const nowhere = await page.goForward();
      return { seen, nowhere: nowhere === null, length: await page.evaluate(() => history.length) };
    },
    proves: {
      seen: [
        "http://site/plain",
        "http://site/second",
        "http://site/plain",
        "http://site/second",
        "http://site/second",
        "http://site/second#part",
        "http://site/pushed",
      ],
      nowhere: true,
    },
  },
  {
    name: "navigations that fail, a slow page: commit before load, a navigation that overtakes another, a timeout",
    run: async ({ open, site }) => {
      const page = await open("/plain");
      /** Also waits for the browser's error page, which would come between a later navigation and its end. */
      const refused = async (url: string): Promise<string> => {
        const [error] = await Promise.all([failure(page.goto(url)), page.waitForEvent("framenavigated")]);
        return error;
      };
      const errors = [
        await refused("http://127.0.0.1:1/"),
        await refused(`${site.url}/cut`),
        await refused("http://nowhere.invalid/"),
        await failure(page.goto(`${site.url}/empty`)),
        await failure(page.goto("no address")),
      ];
      const committed = page.goto(`${site.url}/held?name=slow`, { waitUntil: "commit" });
      await site.begin("slow");
      const status = (await committed)?.status();
      const partly = await page.textContent("#first");
      await site.release("slow");
      await page.waitForLoadState();
      const overtaken = failure(page.goto(`${site.url}/held?name=overtaken`));
      await site.asked("overtaken");
      await page.goto(`${site.url}/second`);
      const timeout = await failure(page.goto(`${site.url}/held?name=never`, { timeout: 50 }));
      return { errors, status, partly, overtaken: await overtaken, timeout };
    },
    proves: { status: 200, partly: "first", timeout: "page.goto: Timeout 50ms exceeded." },
  },
  {
    name: "waiting: for a function, a selector, a state, an address, a response, in vain",
    run: async ({ open, site }) => {
      const page = await open("/plain");
      const answered = page.waitForResponse("**/held?name=wait");
      const shown = page.waitForSelector("#shown");
      const counted = page.waitForFunction(
        (least) => document.querySelectorAll("p").length >= least && "enough",
        3,
      );
      const gone = page.locator("#text").waitFor({ state: "detached" });
      await page.evaluate(() => {
        void fetch("/held?name=wait").then(() => {
          document.body.insertAdjacentHTML("beforeend", "<p>a</p><p id=shown>b</p><p>c</p>");
          document.querySelector("#text")!.remove();
          location.hash = "done";
        });
      });
      await site.release("wait");
      const address = page.waitForURL(/#done$/);
      const values = [
        (await answered).status(),
        await (await shown).textContent(),
        await (await counted).jsonValue(),
      ];
      await Promise.all([gone, address]);
      const inVain = await failure(page.waitForSelector("#never", { timeout: 50 }));
      return { values, url: page.url(), inVain };
    },
    proves: { values: [200, "b", "enough"], url: "http://site/plain#done" },
  },
  {
    name: "contexts keep their cookies and storage apart; the cookies API; storageState",
    run: async ({ open, site, browser }) => {
      const first = await open("/cookie?value=first", {});
      const context = first.context();
      await first.evaluate(() => localStorage.setItem("who", "first"));
      const second = await open("/plain");
      const state = async (page: typeof first) =>
        page.evaluate(() => [document.cookie, localStorage.getItem("who")]);
      const apart = [await state(first), await state(second)];
      await context.addCookies([{ name: "added", value: "1", url: site.url, expires: 4_000_000_000 }]);
      const cookies = await context.cookies();
      const all = cookies.map(({ name, value, httpOnly, expires }) => [name, value, httpOnly, expires > 0]);
      const echo = await first.evaluate(() => fetch("/echo").then((response) => response.text()));
      const sent = (JSON.parse(echo) as { cookie: string }).cookie.split("; ").toSorted();
      await context.clearCookies({ name: "added" });
      const stored = await context.storageState();
      const heir = await (await browser.newContext({ storageState: stored })).newPage();
      await heir.goto(`${site.url}/plain`);
      return { apart, all, sent, stored, heir: await state(heir) };
    },
    proves: {
      apart: [
        ["seen=first", "first"],
        ["", null],
      ],
      sent: ["added=1", "hidden=1", "seen=first"],
      heir: ["seen=first", "first"],
    },
  },
  {
    name: "emulation: viewport, scale, colour scheme, time zone, mobile, touch, media",
    run: async ({ open, site }) => {
      const page = await open("/media", {
        viewport: { width: 400, height: 700 },
        deviceScaleFactor: 2,
        isMobile: true,
        hasTouch: true,
        colorScheme: "dark",
        timezoneId: "Asia/Tokyo",
        reducedMotion: "reduce",
      });
      const look = () =>
        page.evaluate(() => ({
          size: [innerWidth, innerHeight, devicePixelRatio],
          dark: matchMedia("(prefers-color-scheme: dark)").matches,
          print: matchMedia("print").matches,
          still: matchMedia("(prefers-reduced-motion: reduce)").matches,
          zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
          touch: navigator.maxTouchPoints > 0,
        }));
      const first = await look();
      const text = await page.textContent("#dark");
      await page.emulateMedia({ media: "print", colorScheme: "light" });
      await page.setViewportSize({ width: 600, height: 500 });
      const second = await look();
      await page.tap("#dark");
      return { first, text, second, record: site.lines() };
    },
    proves: {
      first: { dark: true, print: false, still: true, zone: "Asia/Tokyo", touch: true },
      text: "dark",
      second: { dark: false, print: true },
    },
  },
  {
    name: "permissions and geolocation",
    run: async ({ open, site }) => {
      const page = await open("/plain", { geolocation: { latitude: 48.2, longitude: 16.37 } });
      const locate = () =>
        page.evaluate(
          () =>
            new Promise<unknown>((resolve) => {
              navigator.geolocation.getCurrentPosition(
                ({ coords }) => resolve([coords.latitude, coords.longitude]),
                ({ code }) => resolve(`error ${code}`),
              );
            }),
        );
      const state = () =>
        page.evaluate(async () => (await navigator.permissions.query({ name: "geolocation" })).state);
      const before = await state();
      await page.context().grantPermissions(["geolocation"], { origin: site.url });
      const granted = [await state(), await locate()];
      await page.context().setGeolocation({ latitude: 1, longitude: 2 });
      const moved = await locate();
      await page.context().clearPermissions();
      return { before, granted, moved, after: await state() };
    },
    proves: { granted: ["granted", [48.2, 16.37]], moved: [1, 2] },
  },
  {
    name: "two clients at once, each with the other's tabs",
    run: async ({ browser, endpoints, site }) => {
      const other = await chromium.connectOverCDP(endpoints.http);
      const [mine, theirs] = [browser.contexts()[0], other.contexts()[0]];
      if (!mine || !theirs) throw new Error("no default context");
      const noticed = theirs.waitForEvent("page");
      const page = await mine.newPage();
      await page.goto(`${site.url}/form`);
      const seen = await noticed;
      await seen.waitForURL("**/form");
      await seen.fill("#name", "by the second");
      const read = await page.inputValue("#name");
      await page.check("#agree");
      const checked = await seen.isChecked("#agree");
      // A client takes the contexts of others for the browser's own.
      const announced = mine.waitForEvent("page");
      const own = await (await other.newContext()).newPage();
      await own.goto(`${site.url}/second`);
      const foreign = await announced;
      await foreign.waitForURL("**/second");
      const gone = [seen.waitForEvent("close"), foreign.waitForEvent("close")];
      await page.close();
      await other.close();
      await Promise.all(gone);
      return {
        read,
        checked,
        version: other.version() === browser.version(),
        connected: [browser.isConnected(), other.isConnected()],
        foreign: foreign.url(),
        pages: mine.pages().length,
        record: site.lines(),
      };
    },
    proves: { read: "by the second", checked: true, version: true, connected: [true, false], pages: 1 },
  },
];
