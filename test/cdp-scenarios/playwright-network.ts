import type { PlaywrightScenario } from "./playwright-bench.ts";
import { failure, sha256 } from "./scenario.ts";
import { ACCOUNT } from "./site.ts";

/** Of a response. */
const LARGE_BODY_BYTES = 1_000_000;

interface Question {
  readonly path: string;
  readonly method?: string;
  readonly body?: string;
}

/** Asks in the page and answers the body, or the error's name. */
const ask = ({ path, ...init }: Question): Promise<string> =>
  fetch(path, init).then(
    (response) => response.text(),
    (error: Error) => `${error.name}: ${error.message}`,
  );

export const NETWORK_SCENARIOS: readonly PlaywrightScenario[] = [
  {
    name: "route: fulfill a page and JSON, abort, fetch and change the answer, stop routing",
    run: async ({ open, site }) => {
      const page = await open("/plain");
      await page.route("**/made-up", (route) =>
        route.fulfill({ contentType: "text/html", body: "<title>made up</title>" }),
      );
      await page.route("**/data.json", (route) => route.fulfill({ status: 201, json: { answer: 42 } }));
      await page.route("**/echo", (route) => route.abort("connectionrefused"));
      await page.route("**/inner", (route) => route.abort());
      await page.route("**/second", async (route) => {
        const response = await route.fetch();
        await route.fulfill({
          response,
          body: (await response.text()).replace("second text", "changed text"),
        });
      });
      await page.goto(`${site.url}/made-up`);
      const title = await page.title();
      const data = await page.evaluate(async () => {
        const response = await fetch("/data.json");
        return [response.status, await response.json()];
      });
      const failed = page.waitForEvent("requestfailed");
      const errors = [await page.evaluate(ask, { path: "/echo" }), (await failed).failure()?.errorText];
      await page.evaluate(() => location.assign("/second"));
      await page.waitForURL("**/second");
      const text = await page.textContent("#text");
      errors.push(await failure(page.goto(`${site.url}/inner`)));
      await page.unrouteAll();
      const after = (await page.goto(`${site.url}/made-up`))?.status();
      return { title, data, errors, text, after, requests: site.requests() };
    },
    proves: {
      title: "made up",
      data: [201, { answer: 42 }],
      errors: [
        "TypeError: Failed to fetch",
        "net::ERR_CONNECTION_REFUSED",
        "page.goto: net::ERR_FAILED at http://site/inner",
      ],
      text: "changed text",
      after: 404,
      requests: ["GET /plain", "GET /second", "GET /made-up"],
    },
  },
  {
    name: "route: continue with other headers, method and body; fall back to another handler",
    run: async ({ open }) => {
      const page = await open("/plain");
      await page.context().route("**/echo", (route) =>
        route.continue({
          method: "POST",
          postData: "rewritten",
          headers: { ...route.request().headers(), "x-baton": "changed" },
        }),
      );
      let fellBack = 0;
      await page.route("**/echo", (route) => {
        fellBack += 1;
        return route.fallback();
      });
      const { agent: _, ...echo } = JSON.parse(
        await page.evaluate(ask, { path: "/echo", method: "PUT" }),
      ) as Record<string, unknown>;
      await page.context().unrouteAll();
      return { echo, fellBack };
    },
    proves: { echo: { method: "POST", custom: "changed", text: "rewritten" }, fellBack: 1 },
  },
  {
    name: "request and response events, their order, headers and bodies, a large one",
    run: async ({ open, site }) => {
      const page = await open("/plain");
      const events: string[] = [];
      const path = (url: string): string => new URL(url).pathname;
      page.on("request", (request) => events.push(`request ${request.method()} ${path(request.url())}`));
      page.on("response", (response) => events.push(`response ${response.status()} ${path(response.url())}`));
      page.on("requestfinished", (request) => events.push(`finished ${path(request.url())}`));
      const answered = page.waitForResponse("**/echo");
      const finished = page.waitForEvent("requestfinished");
      await page.evaluate(ask, { path: "/echo", method: "POST", body: "ping" });
      const response = await answered;
      await finished;
      const { text } = (await response.json()) as { text: string };
      const again = page.waitForEvent("requestfinished");
      const document = await (await page.goto(`${site.url}/second`))?.text();
      await again;
      const large = await (await page.goto(`${site.url}/large?bytes=${LARGE_BODY_BYTES}`))?.body();
      return {
        events: events.slice(0, 6),
        large: [large?.length, sha256(large ?? "")],
        text,
        sent: response.request().postData(),
        header: (await response.allHeaders())["x-answer"],
        type: response.request().resourceType(),
        document,
      };
    },
    proves: { text: "ping", sent: "ping", header: "from the site", type: "fetch" },
  },
  {
    name: "redirects and requests that fail",
    run: async ({ open, site }) => {
      const page = await open("/plain");
      const response = await page.goto(`${site.url}/redirect?to=/redirect%3Fto=/second`);
      const chain: string[] = [];
      for (let request = response?.request(); request; request = request.redirectedFrom() ?? undefined)
        chain.push(request.url());
      const failed = page.waitForEvent("requestfailed");
      const text = await page.evaluate(ask, { path: "/cut" });
      return { chain, text, failure: (await failed).failure()?.errorText };
    },
    proves: {
      chain: [
        "http://site/second",
        "http://site/redirect?to=/second",
        "http://site/redirect?to=/redirect%3Fto=/second",
      ],
      text: "TypeError: Failed to fetch",
      failure: "net::ERR_EMPTY_RESPONSE",
    },
  },
  {
    name: "web sockets, of the site and of the script, and server-sent events",
    run: async ({ open }) => {
      const page = await open("/plain");
      const frames: string[] = [];
      const closed = new Promise<void>((resolve) => {
        page.on("websocket", (socket) => {
          frames.push(socket.url());
          socket.on("framesent", ({ payload }) => frames.push(`sent ${payload.toString()}`));
          socket.on("framereceived", ({ payload }) => frames.push(`received ${payload.toString()}`));
          socket.on("close", () => resolve());
        });
      });
      const ticks = await page.evaluate(async () => {
        const socket = new WebSocket("/socket");
        await new Promise((resolve) => socket.addEventListener("open", resolve));
        const echoed = new Promise((resolve) => socket.addEventListener("message", resolve));
        socket.send("one");
        await echoed;
        socket.close();
        const source = new EventSource("/ticks");
        const heard: string[] = [];
        await new Promise<void>((resolve) => {
          source.addEventListener("message", ({ data }: MessageEvent<string>) => {
            if (heard.push(data) === 2) resolve();
          });
        });
        source.close();
        return heard;
      });
      await closed;
      await page.routeWebSocket("**/made-up", (socket) =>
        socket.onMessage((text) => socket.send(`mock ${text.toString()}`)),
      );
      await page.reload();
      const mocked = await page.evaluate(async () => {
        const socket = new WebSocket("/made-up");
        await new Promise((resolve) => socket.addEventListener("open", resolve));
        const answer = new Promise<string>((resolve) =>
          socket.addEventListener("message", ({ data }: MessageEvent<string>) => resolve(data)),
        );
        socket.send("hello");
        return answer;
      });
      return { frames, ticks, mocked };
    },
    proves: {
      frames: ["ws://site/socket", "sent one", "received echo one"],
      ticks: ["one", "two"],
      mocked: "mock hello",
    },
  },
  {
    name: "basic auth, extra headers, user agent and locale reach the site",
    run: async ({ open, site }) => {
      const page = await open("/plain", {
        httpCredentials: ACCOUNT,
        userAgent: "scenario agent",
        locale: "de-AT",
        extraHTTPHeaders: { "x-baton": "context" },
      });
      const first = JSON.parse(await page.evaluate(ask, { path: "/echo" })) as unknown;
      await page.setExtraHTTPHeaders({ "x-baton": "page" });
      const second = JSON.parse(await page.evaluate(ask, { path: "/echo" })) as unknown;
      const status = (await page.goto(`${site.url}/private`))?.status();
      const stranger = await failure((await open("/plain")).goto(`${site.url}/private`));
      return { first, second, members: [status, await page.title()], stranger };
    },
    proves: {
      first: { agent: "scenario agent", custom: "context" },
      second: { custom: "page" },
      members: [200, "members"],
      stranger: "page.goto: net::ERR_INVALID_AUTH_CREDENTIALS at http://site/private",
    },
  },
  {
    name: "offline and online again",
    run: async ({ open }) => {
      const page = await open("/plain");
      await page.context().setOffline(true);
      const off = [await page.evaluate(() => navigator.onLine), await page.evaluate(ask, { path: "/echo" })];
      const navigation = await failure(page.goto(page.url()));
      await page.context().setOffline(false);
      const response = await page.goto(page.url().startsWith("http") ? page.url() : "about:blank");
      return { off, navigation, status: response?.status() };
    },
    proves: { off: [false, "TypeError: Failed to fetch"] },
  },
  {
    name: "downloads: of the site and of the page, saved and read",
    run: async ({ open, folder }) => {
      const page = await open("/links");
      const seen = [];
      for (const link of ["#file", "#blob"]) {
        const [download] = await Promise.all([page.waitForEvent("download"), page.click(link)]);
        const saved = `${folder}/${download.suggestedFilename()}`;
        await download.saveAs(saved);
        const chunks: Buffer[] = [];
        for await (const chunk of await download.createReadStream()) chunks.push(chunk as Buffer);
        seen.push({
          name: download.suggestedFilename(),
          text: Buffer.concat(chunks).toString(),
          failure: await download.failure(),
          url: download.url().replace(/[0-9a-f-]{36}/, "id"),
          atPath: (await download.path()).length > 0,
        });
      }
      return { seen };
    },
    proves: {
      seen: [
        { name: "report.csv", text: "day,passes\nmonday,4\n", failure: null, atPath: true },
        { name: "made.txt", text: "made in the page", failure: null },
      ],
    },
  },
];
