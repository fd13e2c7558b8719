import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Frame } from "../../../src/browser/browser.ts";
import { ChromiumLink } from "../../../src/browser/chromium-link.ts";
import { next, shownTab, startBench, until, type Bench } from "./bench.ts";

let bench: Bench;
beforeAll(async () => {
  bench = await startBench();
});
afterAll(() => bench.close());

function picture(quality: number, accept: (frame: Frame) => boolean = () => true): Promise<Frame> {
  const found = next<Frame>(bench.link, (resolve) => ({
    frame(frame, done) {
      done();
      if (accept(frame)) resolve(frame);
    },
  }));
  bench.link.startScreencast({ quality });
  return found;
}

async function click(x: number, y: number, modifiers = 0): Promise<void> {
  await Promise.all([
    bench.link.dispatch({ kind: "mouse", action: "down", x, y, modifiers }),
    bench.link.dispatch({ kind: "mouse", action: "up", x, y, modifiers }),
  ]);
}

describe("tabs", () => {
  it("follows a popup that a click opens, and goes back when the popup closes itself", async () => {
    const { path } = bench.site.add(`<script>addEventListener("keydown", () => close())</script>popup`);
    await bench.open(`<button style="position:fixed;inset:0" onclick="window.open('${path}')">open</button>`);
    const opener = shownTab(bench.link);
    const loaded = bench.site.loads(path);
    await click(300, 300);
    await loaded;
    await until(bench.link, () => shownTab(bench.link) !== opener);
    await bench.link.dispatch({ kind: "key", action: "down", key: "x", text: "x" });
    await until(bench.link, () => shownTab(bench.link) === opener);
    await bench.link.drain();
    expect(bench.link.tabs).toHaveLength(1);
  });

  it("does not follow a tab that was opened in the background", async () => {
    const { path } = bench.site.add("background");
    await bench.open(`<a style="position:fixed;inset:0" href="${path}">link</a>`);
    const before = shownTab(bench.link);
    const loaded = bench.site.loads(path);
    await click(300, 300, 2);
    await loaded;
    await until(bench.link, () => bench.link.tabs.length === 2);
    const background = bench.link.tabs.find((tab) => tab.tabId !== before)?.tabId ?? "";
    // More round trips than the link takes to make up its mind.
    for (let look = 0; look < 50; look++) await bench.evaluate("document.visibilityState", background);
    expect(shownTab(bench.link)).toBe(before);
    await bench.link.dispatch({ kind: "tab", action: "close", tabId: background });
    expect(shownTab(bench.link)).toBe(before);
  });

  it("follows a tab that somebody else brings to the front while it is watched", async () => {
    const first = shownTab(bench.link);
    await bench.link.dispatch({ kind: "tab", action: "open" });
    const second = shownTab(bench.link);
    await picture(40, (frame) => frame.tabId === second);
    const other = new ChromiumLink({ endpoint: (signal) => bench.browser.endpoint(signal) });
    await other.ready();
    await other.dispatch({ kind: "tab", action: "select", tabId: first });
    await until(bench.link, () => shownTab(bench.link) === first);
    await other.dispatch({ kind: "tab", action: "close", tabId: second });
    await other.close();
    bench.link.stopScreencast();
  });

  it("tells titles and addresses, cut to a bounded length", async () => {
    await bench.open(
      `<script>document.title = "t".repeat(5000); history.pushState("", "", "#" + "u".repeat(9000))</script>`,
    );
    await until(bench.link, () =>
      bench.link.tabs.some((tab) => tab.title.length === 256 && tab.url.length === 2_048),
    );
  });

  it("carries on when the page crashes", async () => {
    await bench.open("<body>crashes");
    await picture(40);
    const path = String(await bench.evaluate("location.pathname"));
    const again = bench.site.loads(path);
    await bench.crashShownPage();
    await again;
    await bench.link.drain();
    await click(300, 300);
    expect(await bench.seen('seen.includes("click 0 1")')).toContain("mousedown 0 1");
    bench.link.stopScreencast();
  });
});

describe("screencast", () => {
  const ANIMATED = `<style>@keyframes k { to { background: red } }</style><body style="animation: k 1s infinite">`;

  /** Resolves when the shown page has drawn this often. */
  const rounds = (count: number): Promise<unknown> =>
    bench.evaluate(`new Promise((resolve) => { let n = ${count};
      requestAnimationFrame(function step() { n-- > 0 ? requestAnimationFrame(step) : resolve() }) })`);

  it("P3: starting it changes neither the page's size nor its visibility", async () => {
    await bench.open(`<script>
      addEventListener("resize", () => note("resize"));
      document.addEventListener("visibilitychange", () => note("visibility"));
    </script>`);
    const size = "[innerWidth, innerHeight, outerWidth, outerHeight, devicePixelRatio]";
    const before = await bench.evaluate(size);
    const frame = await picture(50);
    expect([frame.viewportWidth, frame.viewportHeight]).toEqual([1280, 800]);
    expect(await bench.evaluate(size)).toEqual(before);
    bench.link.stopScreencast();
    await bench.evaluate(
      "new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))",
    );
    expect(await bench.seen("true")).toEqual([]);
  });

  it("goes on after navigations to the same and to another site", async () => {
    await picture(40);
    for (const host of ["127.0.0.1", "localhost", "127.0.0.1"]) {
      const { path } = bench.site.add(`<body style="background:${host === "localhost" ? "red" : "blue"}">`);
      const loaded = bench.site.loads(path);
      const url = bench.site.origin.replace("127.0.0.1", host) + path;
      await bench.link.dispatch({ kind: "navigate", to: "url", url });
      await loaded;
      const drawn = next<Frame>(bench.link, (resolve) => ({
        frame: (frame, done) => (done(), resolve(frame)),
      }));
      await bench.evaluate("document.body.textContent = 'changed'");
      await drawn;
    }
    bench.link.stopScreencast();
  });

  it("goes on when nobody took its pictures for a while", async () => {
    await bench.open(ANIMATED);
    bench.link.startScreencast({ quality: 20 });
    await rounds(30);
    await next<Frame>(bench.link, (resolve) => ({ frame: (frame) => resolve(frame) }));
    bench.link.stopScreencast();
  });

  it("P2: sends no more than a few pictures ahead of done, and goes on after it", async () => {
    await bench.open(ANIMATED);
    const waiting: (() => void)[] = [];
    let onFrame = (): void => {};
    bench.link.subscribe({ frame: (_frame, done) => (waiting.push(done), onFrame()) });
    const frames = (count: number): Promise<void> =>
      new Promise((resolve) => {
        onFrame = (): void => void (waiting.length >= count && resolve());
        onFrame();
      });
    bench.link.startScreencast({ quality: 20 });
    await frames(1);
    await rounds(30);
    expect(waiting.length).toBeLessThan(10);
    for (const done of waiting.splice(0)) for (let call = 0; call < 50; call++) done();
    await frames(1);
    await rounds(30);
    expect(waiting.length).toBeLessThan(10);
    bench.link.stopScreencast();
  });
});

describe("connection", () => {
  it("P3: attaching and leaving again and again leaves nothing behind in the page", async () => {
    await bench.open("<body>quiet");
    const globals = "Object.getOwnPropertyNames(window).sort().join()";
    const before = await bench.evaluate(globals);
    for (let round = 0; round < 3; round++) {
      const link = new ChromiumLink({ endpoint: (signal) => bench.browser.endpoint(signal) });
      await link.ready();
      await link.dispatch({ kind: "paste", text: "x" });
      await link.close();
    }
    expect(await bench.evaluate(globals)).toBe(before);
    expect(await bench.evaluate("until(() => true).then(() => seen)")).toEqual([]);
  });

  it("attaches by http address as well as by ws address", async () => {
    const endpoint = await bench.browser.endpoint(AbortSignal.timeout(5_000));
    const link = new ChromiumLink({ endpoint: async () => `http://${new URL(endpoint).host}` });
    await link.ready();
    expect(link.tabs.map((tab) => tab.tabId)).toEqual(bench.link.tabs.map((tab) => tab.tabId));
    await link.close();
  });
});
