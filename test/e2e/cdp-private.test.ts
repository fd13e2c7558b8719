/**
 * G3 with a real Chromium: a person signs in, in private, on a page that shows, keeps, sends and says the secret wherever
 * a page can. Nothing of it is in any byte that leaves the gateway for anybody else, or that it keeps.
 */
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { decodeFrame } from "../../protocol/frame.ts";
import { LocalStore } from "../../src/store/local/local-store.ts";
import { expectQuiet, startCdpStage, type CdpStage, type Scene } from "../support/cdp-stage.ts";
import { until } from "../support/gateway.ts";
import { RawCdp } from "../support/raw-cdp.ts";
import { RawClient, type Identity } from "../support/raw-client.ts";

/** Typed key by key, put in as text, and pasted. */
const [KEYED, TEXTED, PASTED] = ["Zq7Keyed3X", "Wj5Texted8Y", "Vk2Pasted9Z"] as const;
const SECRETS = [KEYED, TEXTED, PASTED];

let stage: CdpStage;
let dataDir: string;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "baton-private-"));
  stage = await startCdpStage([{ store: await LocalStore.open({ dir: dataDir }) }]);
});

afterAll(async () => {
  await stage?.close();
  const files = await filesOf(dataDir);
  await rm(dataDir, { recursive: true, force: true });
  expect(files.length).toBeGreaterThan(0);
  expectNothingOf(files);
  expectNothingOf(stage.log);
  expectQuiet(stage.log);
});

describe("G3: while a person drives in private", () => {
  it(
    "no byte to an agent, a viewer, the log, the events, the metrics or the disk holds the secret, then or later",
    { timeout: 40_000 },
    async () => {
      const scene = await stage.scene();
      const { site, anna } = scene;
      const { tap, page } = await scene.playwrightPage("", "/vault");
      const heard: string[] = [];
      page.on("console", (message) => heard.push(message.text()));
      page.on("request", (request) => heard.push(request.url()));
      await page.route("**/post*", (route) => route.continue());
      const cdp = await page.context().newCDPSession(page);
      const cut = page.waitForFunction(
        () => location.pathname === "/after" && document.readyState === "complete",
      );

      const rawTap = await scene.tap();
      const raw = await Inspector.open(rawTap.url);
      const observerTap = await scene.tap("?policy=observe");
      const observer = await Inspector.open(observerTap.url);
      // Beside the gate: what an agent would have seen.
      const witness = await Inspector.open(scene.endpoint);
      // Begun before, answered in her time.
      const spying = raw.cdp.call(
        "Runtime.evaluate",
        { expression: "new Promise((resolve) => { later = resolve; })", awaitPromise: true },
        raw.session,
      );
      await raw.cdp.evaluate("0", raw.session);
      const viewer = await Watcher.start(scene, { role: "viewer", name: "vic" });
      const bot = await Watcher.start(scene, { role: "agent", name: "bot" });
      const hers = await Watcher.start(scene, { role: "operator", name: "anna" });

      await cdp.send(
        "Baton.requestHandoff" as never,
        { reason: "mfa", message: "Sign in", privacy: "private" } as never,
      );
      const ended = cdp.send("Baton.getHandoff" as never, { waitMs: 30_000 } as never);
      await anna.acceptHumanHandoff({ controller: "anna" });
      const takenAt = Date.now();
      const told = [tap, rawTap, observerTap].map(({ messages }) => messages.length);
      const waiting = Promise.all([...raw.ask(), raw.cdp.call("Target.getTargets")]);
      const refused = await Promise.all(observer.ask());
      expect(refused.filter(({ result }) => result)).toEqual([]);
      const text = page.textContent("#text");
      const lateTap = await scene.tap();
      const late = chromium.connectOverCDP(lateTap.url);
      // Awaited when it is the agent's turn; a failure before that is the one to report.
      for (const each of [cut, ended, waiting, spying, text, late]) each.catch(() => {});

      await scene.click("name");
      await anna.input.type(KEYED);
      await scene.click("other");
      await anna.input.text(TEXTED);
      await anna.input.paste(PASTED);
      await scene.click("spread");
      await until(anna, ({ dialog }) => dialog !== null);
      await hers.frameSince(takenAt);
      const { http } = scene;
      const during = await Promise.all(["/cdp/json/list", "/events", ""].map((path) => http(path)));
      await anna.input.answerDialog(true);
      await site.has("/vault spread");
      await witness.cdp.sync();
      await tap.sync();
      // It is there, for those whom it is for.
      const said = JSON.stringify(witness.cdp.received);
      for (const secret of SECRETS) {
        expect(said).toContain(secret);
        expect(hers.bytes.includes(secret)).toBe(true);
      }
      for (const way of [
        "Runtime.consoleAPICalled",
        "Network.requestWillBeSent",
        "Network.requestWillBeSentExtraInfo",
        "Network.webSocketCreated",
        "Page.javascriptDialogOpening",
        "Runtime.exceptionThrown",
        "Page.navigatedWithinDocument",
      ])
        expect(JSON.stringify(witness.cdp.received.filter(({ method }) => method === way)), way).toContain(
          KEYED,
        );
      witness.cdp.cut();
      await scene.click("clean");
      await scene.shows("/after");
      for (const [index, each] of [tap, rawTap, observerTap].entries())
        expect(each.messages.slice(told[index]).filter(({ method }) => method !== undefined)).toEqual([]);
      expect((await spying).error?.data).toContain('"code":"private"');
      const givenBackAt = Date.now();
      await anna.completeHumanHandoff({ controller: "anna", returnControlTo: "ai" });

      // The scripts go on, on the page that she left.
      expect(await text).toBe("after");
      await cut;
      expect(((await ended) as { handoff: { status: string } }).handoff.status).toBe("completed");
      expect(page.url()).toBe(`${site.url}/after`);
      expect(page.frames()).toHaveLength(1);
      expect(page.workers()).toEqual([]);
      await page.fill("#name", "Ada");
      await page.click("#one");
      await page.reload();
      await waiting;
      await Promise.all(raw.ask());
      const lateBrowser = await late;
      onTestFinished(() => lateBrowser.close());
      expect(
        lateBrowser
          .contexts()[0]
          ?.pages()
          .map((each) => each.url()),
      ).toEqual([`${site.url}/after`]);
      const afterTap = await scene.tap();
      const after = await Inspector.open(afterTap.url);
      await Promise.all(after.ask());
      expect(await page.context().cookies()).toEqual([expect.objectContaining({ name: "session" })]);

      await viewer.frameSince(givenBackAt);
      await bot.frameSince(givenBackAt);
      for (const watcher of [viewer, bot]) {
        expect(watcher.captures.filter((when) => when > takenAt && when < givenBackAt)).toEqual([]);
        expectNothingOf([watcher.bytes]);
      }
      expect(hers.captures.some((when) => when > takenAt && when < givenBackAt)).toBe(true);
      expectNothingOf(heard);
      expectNothingOf([tap, rawTap, observerTap, lateTap, afterTap].map(({ received }) => received));
      expectNothingOf([...during, await http("/events"), await http("/cdp/json/list"), await http("")]);
      expectNothingOf([await (await fetch(new URL("/metrics", stage.gateways[0]?.url))).text()]);
      expectNothingOf(await filesOf(dataDir));
      expectNothingOf(stage.log);
      await page.context().clearCookies();
    },
  );

  it("she hides the page and shows it again without giving it back", async () => {
    const scene = await stage.scene();
    const { anna } = scene;
    const { tap, page } = await scene.playwrightPage("?policy=observe", "/vault");
    const raw = await Inspector.open(scene.cdpUrl("?policy=observe"));
    const witness = await Inspector.open(scene.endpoint);
    const viewer = await Watcher.start(scene, { role: "viewer", name: "vic" });
    await anna.takeControl();
    expect(await raw.cdp.evaluate("document.title", raw.session)).toBe("vault");
    await anna.setPrivacy({ privacy: "private" });
    const takenAt = Date.now();
    const refusal = await raw.cdp.refused("Runtime.evaluate", { expression: "document.title" }, raw.session);
    expect(refusal.message).toContain("anna drives this browser now");
    expect(JSON.parse(refusal.data ?? "")).toMatchObject({ controller: "anna", privacy: "private" });
    await scene.click("name");
    await anna.input.type(KEYED);
    await scene.click("spread");
    await until(anna, ({ dialog }) => dialog !== null);
    await anna.input.answerDialog(true);
    await scene.site.has("/vault spread");
    // She stays on the page: its console, and what it was answered, are still there.
    await scene.click("tidy");
    await scene.site.has("/vault tidy");
    const sent = witness.cdp.received.flatMap(({ method, params }) => {
      const { url } = (params?.request ?? {}) as { url?: string };
      return method === "Network.requestWillBeSent" && url?.includes("/post")
        ? String(params?.requestId)
        : [];
    });
    const post = { requestId: sent[0] ?? "" };
    const { body } = await witness.cdp.done("Network.getResponseBody", post, witness.session);
    expect(body).toContain(KEYED);
    const shownAt = Date.now();
    await anna.setPrivacy({ privacy: "open" });
    await raw.cdp.event("Page.frameDetached");
    expect(await raw.cdp.evaluate("document.title", raw.session)).toBe("tidy");
    for (const method of ["Network.getResponseBody", "Network.getRequestPostData"])
      expect((await raw.cdp.refused(method, post, raw.session)).data).toContain('"code":"private"');
    await Promise.all(raw.ask());
    await viewer.frameSince(shownAt);
    await anna.releaseControl();
    const late = await Inspector.open(scene.cdpUrl());
    await Promise.all(late.ask());
    const releasedAt = Date.now();
    await page.goto(`${scene.site.url}/desk`);
    await page.click("#one");
    expect(await page.title()).toBe("desk");
    await viewer.frameSince(releasedAt);
    expect(viewer.captures.filter((when) => when > takenAt && when < shownAt)).toEqual([]);
    expectNothingOf([
      viewer.bytes,
      tap.received,
      ...[raw, late].map(({ cdp }) => JSON.stringify(cdp.received)),
    ]);
  });
});

/** A raw agent that wants to know everything, in the page and from the browser. */
class Inspector {
  readonly cdp: RawCdp;
  readonly session: string;

  static async open(url: string): Promise<Inspector> {
    const cdp = await RawCdp.open(url);
    const { targetInfos } = await cdp.done("Target.getTargets");
    const pages = (targetInfos as { targetId: string; type: string }[]).filter(({ type }) => type === "page");
    const inspector = new Inspector(cdp, await cdp.attach(pages[0]?.targetId ?? ""));
    await inspector.#enable();
    return inspector;
  }

  private constructor(cdp: RawCdp, session: string) {
    this.cdp = cdp;
    this.session = session;
  }

  async #enable(): Promise<void> {
    const { cdp, session } = this;
    for (const domain of [
      "Page",
      "Runtime",
      "Log",
      "Audits",
      "DOM",
      "CSS",
      "Console",
      "Debugger",
      "DOMStorage",
      "Accessibility",
      "Performance",
      "Security",
      "ServiceWorker",
      "IndexedDB",
      "Media",
    ])
      cdp.post(`${domain}.enable`, {}, session);
    cdp.post("Network.enable", { maxPostDataSize: 65_536 }, session);
    cdp.post("Page.setLifecycleEventsEnabled", { enabled: true }, session);
    cdp.post("Page.startScreencast", { format: "png" }, session);
    cdp.post(
      "Target.setAutoAttach",
      { autoAttach: true, waitForDebuggerOnStart: false, flatten: true },
      session,
    );
    await cdp.done("Target.setDiscoverTargets", { discover: true });
    await cdp.call("Runtime.evaluate", { expression: "0" }, session);
    // Workers, and frames of other processes.
    for (const { method, params } of cdp.received) {
      if (method !== "Target.attachedToTarget" || params?.sessionId === session) continue;
      for (const domain of ["Runtime", "Log", "Network", "Page", "Console"])
        cdp.post(`${domain}.enable`, {}, String(params?.sessionId));
    }
    await cdp.sync();
  }

  /** Asks for all that can be asked for. */
  ask() {
    const { cdp, session } = this;
    return [
      cdp.call("DOM.getDocument", { depth: -1, pierce: true }, session),
      cdp.call("DOMSnapshot.captureSnapshot", { computedStyles: [] }, session),
      cdp.call("Accessibility.getFullAXTree", {}, session),
      cdp.call("Page.captureScreenshot", {}, session),
      cdp.call("Page.getNavigationHistory", {}, session),
      cdp.call("Page.getResourceTree", {}, session),
      cdp.call("Network.getAllCookies", {}, session),
      cdp.call(
        "Runtime.evaluate",
        { expression: "document.documentElement.outerHTML + document.cookie" },
        session,
      ),
      cdp.call("Storage.getCookies"),
    ];
  }
}

/** A client of the gateway's that follows and watches, and every byte that it was sent. */
class Watcher {
  readonly raw: RawClient;
  readonly #sent: Buffer[] = [];

  static async start(scene: Scene, identity: Identity): Promise<Watcher> {
    const raw = await RawClient.greeted(scene.url(), identity);
    onTestFinished(() => raw.socket.terminate());
    const watcher = new Watcher(raw);
    const { sandboxId } = scene;
    await raw.done("sandbox.joined", { type: "sandbox.join", sandboxId });
    await raw.done("preview.started", { type: "preview.start", sandboxId, pacing: "none", maxFps: 30 });
    return watcher;
  }

  private constructor(raw: RawClient) {
    this.raw = raw;
    raw.socket.on("message", (data: Buffer) => this.#sent.push(data));
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#sent);
  }

  /** When its pictures were composed. */
  get captures(): number[] {
    return this.#sent.flatMap((bytes) => decodeFrame(bytes)?.header.capturedAt ?? []);
  }

  /** Resolves with a picture that was composed later than this. */
  async frameSince(when: number): Promise<void> {
    while ((decodeFrame(await this.raw.frame())?.header.capturedAt ?? 0) < when);
  }
}

function expectNothingOf(where: readonly (Buffer | string)[]): void {
  for (const [index, each] of where.entries()) {
    const bytes = Buffer.isBuffer(each) ? each : Buffer.from(each);
    for (const secret of SECRETS) {
      const at = [secret, Buffer.from(secret, "utf16le"), Buffer.from(secret).toString("base64").slice(0, 12)]
        .map((form) => bytes.indexOf(form))
        .find((found) => found >= 0);
      if (at === undefined) continue;
      expect.fail(
        `the secret is in ${index}: ${bytes.subarray(Math.max(0, at - 400), at + 200).toString("latin1")}`,
      );
    }
  }
}

async function filesOf(dir: string): Promise<Buffer[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  return Promise.all(
    entries.filter((entry) => entry.isFile()).map((entry) => readFile(join(entry.parentPath, entry.name))),
  );
}
