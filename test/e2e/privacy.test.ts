/** G3 over real sockets: what everybody but the controller gets of the page during a private takeover. */
import { describe, expect, it, onTestFinished } from "vitest";
import type { DownMessage } from "../../protocol/down.ts";
import { decodeFrame } from "../../protocol/frame.ts";
import { chromiumProvider } from "../../src/browser/chromium.ts";
import { chromiumPath } from "../support/browser.ts";
import { startLoggedGateway } from "../support/logged-gateway.ts";
import type { Identity, RawClient } from "../support/raw-client.ts";
import { twoNodes } from "../support/two-nodes.ts";

const SANDBOX = "s";
const CANARY = "CANARY-7f3a";
const REQUEST = { type: "handoff.request", sandboxId: SANDBOX, reason: "mfa", message: "Enter the code" };
const bytes = (text: string): Buffer => Buffer.from(text, "latin1");

/** A client that follows and watches the sandbox, and every byte that it was sent. */
class Watcher {
  readonly raw: RawClient;
  readonly #sent: Buffer[] = [];

  constructor(raw: RawClient) {
    this.raw = raw;
    raw.socket.on("message", (data: Buffer) => this.#sent.push(data));
  }

  static async start(raw: RawClient): Promise<Watcher> {
    const watcher = new Watcher(raw);
    await raw.done("sandbox.joined", { type: "sandbox.join", sandboxId: SANDBOX });
    await raw.done("preview.started", {
      type: "preview.start",
      sandboxId: SANDBOX,
      pacing: "none",
      maxFps: 60,
    });
    return watcher;
  }

  /** Whether any byte so far held this text. */
  async saw(text: string): Promise<boolean> {
    await this.raw.ping();
    return Buffer.concat(this.#sent).includes(bytes(text));
  }

  /** Resolves with the first picture that holds this text. */
  async picture(text: string): Promise<void> {
    while (!(await this.raw.frame()).includes(bytes(text)));
  }

  call(message: { readonly type: string; readonly [field: string]: unknown }) {
    return this.raw.done("result", { sandboxId: SANDBOX, ...message });
  }

  /** Types of what was sent, events by their own, from the last of `type` on. */
  async since(type: string): Promise<string[]> {
    await this.raw.ping();
    const types = this.raw.received.map(kind).filter((each) => each !== "pong" && each !== "presence");
    return types.slice(types.lastIndexOf(type));
  }
}

const kind = (message: DownMessage): string => (message.type === "event" ? message.event.type : message.type);

async function stage(settings = {}) {
  const test = await startLoggedGateway({ settings });
  await test.create(SANDBOX);
  const watch = async (identity: Identity): Promise<Watcher> => Watcher.start(await test.raw(identity));
  const anna = await watch({ role: "operator", name: "anna" });
  const others = {
    agent: await watch({ role: "agent", name: "bot" }),
    ben: await watch({ role: "operator", name: "ben" }),
    viewer: await watch({ role: "viewer", name: "anna" }),
  };
  const { browser } = test;
  browser.navigate("http://example.test/before");
  for (const watcher of [anna, ...Object.values(others)]) {
    await watcher.raw.next("browser.tabs", ({ tabs }) => tabs[0]?.url.endsWith("/before") === true);
  }
  return {
    ...test,
    watch,
    anna,
    ...others,
    others: Object.values(others),
    /** The page shows a secret, in its picture, its address and a dialog. */
    betray: async (to: Watcher) => {
      browser.navigate(`http://example.test/${CANARY}`);
      browser.openDialog({ type: "prompt", message: CANARY });
      browser.paint(bytes(CANARY));
      await to.picture(CANARY);
      await to.raw.next("browser.tabs", ({ tabs }) => tabs[0]?.url.endsWith(CANARY) === true);
      await to.raw.next("browser.dialog", ({ dialog }) => dialog?.message === CANARY);
    },
    recover: () => {
      browser.closeDialog();
      browser.navigate("http://example.test/after");
    },
  };
}

describe("a private takeover", () => {
  it("G3: only the controller gets pictures, tabs and dialogs; the others hear of nothing, and come back to what is after it", async () => {
    const { anna, agent, others, watch, betray, recover, browser } = await stage();
    await agent.call({ ...REQUEST, privacy: "private" });
    browser.paint(bytes("still open"));
    for (const watcher of [anna, ...others]) await watcher.picture("still open");
    await anna.call({ type: "handoff.accept", controller: "anna" });
    await betray(anna);
    for (const watcher of others) {
      expect(await watcher.saw(CANARY)).toBe(false);
      expect(await watcher.since("handoff.accepted")).toEqual(["handoff.accepted", "control.active"]);
      await watcher.raw.next("browser.tabs", ({ tabs }) => tabs.length === 0);
      await watcher.raw.next("browser.dialog", ({ dialog }) => dialog === null);
    }
    const late = await watch({ role: "viewer", name: "late" });
    expect(late.raw.received.find(({ type }) => type === "sandbox.joined")).toMatchObject({
      snapshot: { control: { controller: "anna", privacy: "private" } },
      tabs: [],
      dialog: null,
    });
    browser.paint(bytes(CANARY));
    await anna.picture(CANARY);
    recover();
    await anna.call({ type: "handoff.complete", controller: "anna" });
    for (const watcher of [...others, late]) {
      const { tabs } = await watcher.raw.next("browser.tabs", (message) => message.tabs.length > 0);
      expect(tabs[0]?.url).toBe("http://example.test/after");
      await watcher.raw.frame();
      browser.paint(bytes("open again"));
      await watcher.picture("open again");
      expect(await watcher.saw(CANARY)).toBe(false);
    }
  });

  it("G3: the curtain is down before anybody hears of the takeover, also for those who hear first", async () => {
    const { anna, ben, agent, others } = await stage();
    await agent.call({ ...REQUEST, privacy: "private" });
    await anna.call({ type: "handoff.accept", controller: "anna" });
    for (const watcher of others) {
      const types = await watcher.since("sandbox.joined");
      const fell = types.lastIndexOf("browser.dialog");
      expect(types.slice(fell - 1, fell + 2)).toEqual(["browser.tabs", "browser.dialog", "handoff.accepted"]);
    }
    expect(
      await ben.raw.refused({
        type: "control.privacy",
        sandboxId: SANDBOX,
        controller: "ben",
        privacy: "open",
      }),
    ).toMatchObject({
      code: "not_controller",
      details: { controller: "anna" },
    });
  });

  it("G3: the person who drives hides the page and shows it again, over the socket and over HTTP", async () => {
    const { anna, ben, betray, recover, http, state, browser } = await stage();
    await anna.call({ type: "control.take", controller: "anna" });
    const { epoch } = await state(SANDBOX);
    await anna.call({ type: "control.privacy", controller: "anna", privacy: "private" });
    const hidden = await state(SANDBOX);
    expect(hidden.control).toMatchObject({ controller: "anna", phase: "active", privacy: "private" });
    expect(hidden.epoch).toBeGreaterThan(epoch);
    await betray(anna);
    expect(await ben.saw(CANARY)).toBe(false);
    recover();
    const response = await http(`/v1/sandboxes/${SANDBOX}/control/privacy`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-baton-role": "operator", "x-baton-name": "anna" },
      body: JSON.stringify({ controller: "anna", privacy: "open" }),
    });
    expect(await response.json()).toMatchObject({ ok: true, preview: { controller: "anna" } });
    const open = await state(SANDBOX);
    expect(open.control).not.toHaveProperty("privacy");
    expect(open.epoch).toBeGreaterThan(hidden.epoch);
    await ben.raw.next("browser.tabs", ({ tabs }) => tabs[0]?.url.endsWith("/after") === true);
    browser.paint(bytes("open again"));
    for (const watcher of [anna, ben]) await watcher.picture("open again");
    expect(await ben.saw(CANARY)).toBe(false);
  });

  it("G3: taken privately, passed on and given back to the queue, the page is the present controller's alone", async () => {
    const { anna, ben, agent, viewer, betray, browser } = await stage();
    await anna.call({ type: "control.take", controller: "anna", privacy: "private" });
    await agent.call(REQUEST);
    await anna.call({ type: "control.pass", controller: "anna", to: "ben" });
    await betray(ben);
    await ben.call({ type: "control.release", controller: "ben" });
    browser.paint(bytes("CANARY in the queue"));
    for (const watcher of [anna, ben, agent, viewer]) {
      expect(await watcher.saw("CANARY in the queue")).toBe(false);
      expect(
        (await watcher.raw.done("sandbox.joined", { type: "sandbox.join", sandboxId: SANDBOX })).tabs,
      ).toEqual([]);
    }
    expect(await anna.saw(CANARY)).toBe(false);
    await anna.raw.done("preview.started", { type: "preview.start", sandboxId: SANDBOX, pacing: "none" });
    await anna.call({ type: "handoff.accept", controller: "anna" });
    browser.paint(bytes("anna's again"));
    await anna.picture("anna's again");
    expect(await ben.saw("anna's again")).toBe(false);
  });

  it("G3, P2: a viewer behind the curtain hears that the browser lives, and not how often the page changes", async () => {
    const { anna, viewer, browser } = await stage({ aliveMs: 20 });
    await anna.call({ type: "control.take", controller: "anna", privacy: "private" });
    for (const key of ["p", "a", "s", "s"]) {
      browser.paint(bytes(`${CANARY} ${key}`));
      await anna.picture(`${CANARY} ${key}`);
    }
    // One that was sent after all this, so that there is one.
    await viewer.raw.ping();
    const told = viewer.raw.received.length;
    await anna.raw.ping();
    await viewer.raw.next("preview.alive", (beat) => viewer.raw.received.indexOf(beat) >= told);
    const since = viewer.raw.received.findIndex((message) => kind(message) === "control.taken");
    const beats = viewer.raw.received
      .slice(since)
      .flatMap((message) => (message.type === "preview.alive" ? message : []));
    expect(new Set(beats.map((beat) => beat.seq)).size).toBe(1);
    expect(beats.every(({ alive }) => alive)).toBe(true);
  });

  it("G3: viewers on another node are shut out by the time the controller may drive", async () => {
    const { a, anna, browser } = await twoNodes();
    const viewer = await Watcher.start(await a.raw({ role: "viewer", name: "far" }));
    browser.paint(bytes("still open"));
    await viewer.picture("still open");
    await anna.takeControl({ privacy: "private" });
    browser.navigate(`http://example.test/${CANARY}`);
    browser.paint(bytes(CANARY));
    expect(await viewer.saw(CANARY)).toBe(false);
    browser.navigate("http://example.test/after");
    await anna.setPrivacy({ privacy: "open" });
    await viewer.raw.next("browser.tabs", ({ tabs }) => tabs[0]?.url.endsWith("/after") === true);
    await viewer.raw.next(
      "event",
      ({ event }) => event.type === "control.privacy" && event.changes.control?.privacy === undefined,
    );
    browser.paint(bytes("open again"));
    await viewer.picture("open again");
    expect(await viewer.saw(CANARY)).toBe(false);
  });
});

it(
  "G3: of a real page that stands still, a viewer gets a picture of after the takeover, and none of its time",
  {
    timeout: 60_000,
  },
  async () => {
    const provider = chromiumProvider({ executablePath: await chromiumPath() });
    const launched = await provider.launch({ url: "data:text/html,<title>form</title><input autofocus>" });
    onTestFinished(() => launched.close());
    const test = await startLoggedGateway({ browsers: provider });
    const cdpUrl = await launched.endpoint(AbortSignal.timeout(20_000));
    await test.client({ role: "worker" }).createSandbox({ sandboxId: SANDBOX, browser: { cdpUrl } });
    const anna = await Watcher.start(await test.raw({ role: "operator", name: "anna" }));
    const ben = await Watcher.start(await test.raw({ role: "operator", name: "ben" }));
    const capturedAt = async ({ raw }: Watcher) => decodeFrame(await raw.frame())?.header.capturedAt ?? 0;
    for (const watcher of [anna, ben]) await capturedAt(watcher);
    await anna.call({ type: "control.take", controller: "anna", privacy: "private" });
    const since = Date.now();
    const events = [{ kind: "text", text: "secret" }];
    await anna.raw.done("done", { type: "input", sandboxId: SANDBOX, events });
    while ((await capturedAt(anna)) < since);
    const until = Date.now();
    await anna.call({ type: "control.release", controller: "anna" });
    let first: number;
    do first = await capturedAt(ben);
    while (first < since);
    expect(first).toBeGreaterThanOrEqual(until);
  },
);

describe("a sandbox with an agent policy", () => {
  it("shows it, answers the same creation again, and refuses one with another policy", async () => {
    const { http } = await startLoggedGateway();
    const create = async (fields: object) => {
      const response = await http("/v1/sandboxes", {
        method: "POST",
        headers: { "content-type": "application/json", "x-baton-role": "worker" },
        body: JSON.stringify({ sandboxId: "p", ...fields }),
      });
      return [response.status, await response.json()] as const;
    };
    const made = { ok: true, sandbox: { sandboxId: "p", agentPolicy: "observe" } };
    expect(await create({ agentPolicy: "observe" })).toMatchObject([200, made]);
    expect(await create({ agentPolicy: "observe" })).toMatchObject([200, made]);
    expect(await create({})).toMatchObject([200, made]);
    expect(await create({ agentPolicy: "hold" })).toMatchObject([409, { code: "sandbox_exists" }]);
    expect(await create({ agentPolicy: "obey" })).toMatchObject([400, { code: "invalid_message" }]);
  });
});
