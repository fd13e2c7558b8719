import { request } from "node:http";
import { chromium } from "playwright-core";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startDemoSite } from "../../examples/login-handoff/site/site.ts";
import type { DemoSite, RecordedEvent } from "../../examples/login-handoff/site/site.ts";

const browserTimeoutMs = 60_000;

let site: DemoSite;

beforeEach(async () => {
  site = await startDemoSite();
});

afterEach(async () => {
  await site.close();
});

describe("the site over HTTP", () => {
  const form = (path: string, fields: Record<string, string>, cookie = ""): Promise<Response> =>
    fetch(site.url + path, {
      method: "POST",
      redirect: "manual",
      body: new URLSearchParams(fields),
      headers: { cookie },
    });
  const get = (path: string, cookie = ""): Promise<Response> =>
    fetch(site.url + path, { redirect: "manual", headers: { cookie } });
  const cookiesOf = (response: Response): string =>
    response.headers
      .getSetCookie()
      .filter((cookie) => !cookie.includes("Max-Age=0"))
      .map((cookie) => cookie.split(";")[0])
      .join("; ");
  const whoAmI = async (cookie: string): Promise<unknown> => (await get("/whoami", cookie)).json();

  it("lets a visitor past each step only in order, and says how far they are", async () => {
    expect((await get("/account")).headers.get("location")).toBe("/");
    expect((await get("/statement")).headers.get("location")).toBe("/");
    expect((await get("/mfa")).headers.get("location")).toBe("/");
    expect((await get("/robot-check")).headers.get("location")).toBe("/");
    expect(await whoAmI("")).toEqual({ username: null, mfa: false, robotCheck: false });

    const login = await form("/login", { username: "ada", password: "x" });
    expect([login.status, login.headers.get("location")]).toEqual([303, "/mfa"]);
    expect(login.headers.getSetCookie()[0]).toContain("HttpOnly");
    const session = cookiesOf(login);
    expect((await get("/account", session)).headers.get("location")).toBe("/mfa");
    expect((await form("/robot-check", { moves: "9" }, session)).headers.get("location")).toBe("/mfa");
    expect(await whoAmI(session)).toEqual({ username: "ada", mfa: false, robotCheck: false });

    const wrong = await form("/mfa", { code: "000000" }, session);
    expect([wrong.status, wrong.headers.getSetCookie()]).toEqual([422, []]);
    expect(await wrong.text()).toContain("That code is not right");
    const mfa = await form("/mfa", { code: site.mfaCode }, session);
    expect(mfa.headers.get("location")).toBe("/robot-check");
    expect(mfa.headers.getSetCookie()[0]).toContain("HttpOnly");
    const both = `${session}; ${cookiesOf(mfa)}`;
    expect(await whoAmI(session)).toMatchObject({ mfa: false });
    expect(await whoAmI(both)).toEqual({ username: "ada", mfa: true, robotCheck: false });
    expect((await get("/account", both)).headers.get("location")).toBe("/robot-check");

    expect((await form("/robot-check", { moves: "1" }, both)).status).toBe(422);
    expect((await form("/robot-check", { moves: "2" }, both)).headers.get("location")).toBe("/account");
    expect(await (await get("/account", both)).text()).toContain(">ada<");

    await get("/logout", both);
    expect(await whoAmI(both)).toEqual({ username: null, mfa: false, robotCheck: false });
  });

  it("shows what was typed as text, never as markup", async () => {
    const username = `<img src=x onerror="alert(1)">`;
    const page = await (await form("/login", { username, password: "" })).text();
    expect(page).toContain("&lt;img src=x onerror=&quot;alert(1)&quot;&gt;");
    expect(page).not.toContain("<img");
    expect(page).toContain("Enter your password.");
    expect((await form("/login", { username: "a".repeat(65), password: "x" })).status).toBe(422);
  });

  it("answers bad requests with a plain 4xx", async () => {
    const post = (path: string, type: string, body: string): Promise<Response> =>
      fetch(site.url + path, { method: "POST", headers: { "content-type": type }, body });
    const formType = "application/x-www-form-urlencoded";
    expect((await get("/nowhere")).status).toBe(404);
    const wrongMethod = await fetch(`${site.url}/account`, { method: "DELETE" });
    expect([wrongMethod.status, wrongMethod.headers.get("allow")]).toEqual([405, "GET"]);
    expect((await post("/login", formType, `username=${"a".repeat(64 * 1024)}`)).status).toBe(413);
    expect((await post("/login", "text/plain", "username=ada")).status).toBe(415);
    expect((await post("/__events", "text/plain", "{}")).status).toBe(415);
    expect((await post("/__events", "application/json", "{")).status).toBe(400);
    expect((await post("/__events", "application/json", `{"page":"/","pageId":"p"}`)).status).toBe(400);
    expect((await get("/__events?since=x")).status).toBe(400);
    const unreadable = new Promise((resolve) => {
      request(site.url, { path: "//" }, (response) => {
        response.resume();
        resolve(response.statusCode);
      }).end();
    });
    expect(await unreadable).toBe(400);
  });
});

describe("the site in Chromium", { timeout: browserTimeoutMs }, () => {
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;

  beforeAll(async () => {
    browser = await chromium.launch({
      executablePath: process.env["BATON_CHROMIUM"] ?? "/usr/bin/chromium",
      args: [
        "--no-sandbox",
        "--headless=new",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    });
  }, browserTimeoutMs);

  afterAll(async () => {
    await browser.close();
  });

  beforeEach(async () => {
    context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    page = await context.newPage();
  });

  afterEach(async () => {
    await context.close();
  });

  const flushed = (of: Page = page): Promise<unknown> => of.evaluate("window.__flushed()");
  const recorded = (path: string): RecordedEvent[] => site.events().filter((event) => event.page === path);

  async function reachSlider(): Promise<void> {
    await page.goto(site.url);
    await page.fill("#username", "ada");
    await page.fill("#password", "secret");
    await page.click("#sign-in");
    await page.fill("#code", site.mfaCode);
    await page.click("#verify");
    await page.waitForURL("**/robot-check");
  }

  async function drag(share: number, { steps = 12, hold = true } = {}): Promise<void> {
    const handle = await page.locator("#slider-handle").boundingBox();
    const track = await page.locator("#slider-track").boundingBox();
    if (handle === null || track === null) throw new Error("The slider is not on the page.");
    // The handle springs back after a failed try; where it is bound for is where the next one starts.
    const [x, y] = [track.x + 4 + handle.width / 2, track.y + track.height / 2];
    await page.waitForFunction("document.getElementById('puzzle').getAnimations().length === 0");
    await page.mouse.move(x, y);
    await page.mouse.down();
    if (!hold) await page.mouse.up();
    await page.mouse.move(x + (track.width - handle.width - 8) * share, y + 3, { steps });
    if (hold) await page.mouse.up();
  }

  it("leads a person from the sign-in through code, popup and slider to the account", async () => {
    await page.goto(site.url);
    await page.fill("#username", "ada");
    await page.click("#sign-in");
    expect(await page.textContent("#error")).toBe("Enter your password.");
    expect(await page.inputValue("#username")).toBe("ada");
    await page.fill("#password", "secret");
    await page.click("#sign-in");

    await page.waitForURL("**/mfa");
    expect(await page.evaluate("document.activeElement.id")).toBe("code");
    const popupOpens = page.waitForEvent("popup");
    await page.click("#open-help");
    const popup = await popupOpens;
    await popup.fill("#question", "Where is my code?");
    expect(await popup.evaluate("[innerWidth, innerHeight, location.pathname]")).toEqual([480, 420, "/help"]);
    const popupCloses = popup.waitForEvent("close");
    await popup.click("#close-help");
    await popupCloses;
    await site.waitForEvent((event) => event.type === "click" && event.target === "close-help");
    await page.fill("#code", "111111");
    await page.click("#verify");
    expect(await page.textContent("#error")).toContain("not right");
    await page.fill("#code", site.mfaCode);
    await page.keyboard.press("Enter");

    await page.waitForURL("**/robot-check");
    await drag(1);
    await page.waitForURL("**/account");
    expect(await page.textContent("#signed-in-as")).toBe("ada");
    const asked = await site.waitForEvent((event) => event.target === "question" && event.type === "input");
    expect(asked.value).toBe("Where is my code?");

    await page.fill("#transfer-note", "June");
    const asks = page.waitForEvent("dialog");
    const clicked = page.click("#approve-transfer");
    const dialog = await asks;
    // An open dialog stops the page: what led to it must have left before.
    await site.waitForEvent((event) => event.type === "click" && event.target === "approve-transfer");
    expect([dialog.type(), dialog.message()]).toEqual(["confirm", "Send €1,240.00 to Halden Studio?"]);
    await dialog.accept();
    await clicked;
    expect(await page.textContent("#transfer-status")).toBe("Approved: June");

    const statementOpens = context.waitForEvent("page");
    await page.click("#open-statement");
    const statement = await statementOpens;
    await statement.waitForSelector("#statement");
    expect(await statement.evaluate("window.opener")).toBeNull();
    await page.click("#sign-out");
    await page.waitForURL(`${site.url}/`);
  });

  it.each([
    ["a drag that stops short", () => drag(0.7), "all the way"],
    ["a jump", () => drag(1, { steps: 1 }), "jump"],
    ["moves without the button", () => drag(1, { hold: false }), "all the way"],
  ])("does not take %s for a slide", async (_name, attempt, says) => {
    await reachSlider();
    await attempt();
    expect(await page.textContent("#slider-status")).toContain(says);
    expect(await page.evaluate("fetch('/whoami').then((r) => r.json())")).toMatchObject({
      robotCheck: false,
    });
    await drag(1);
    await page.waitForURL("**/account");
  });

  it("breaks a drag off when a move arrives without the button", async () => {
    await reachSlider();
    await drag(0);
    await page.mouse.down();
    await page.mouse.move(900, 400, { steps: 4 });
    const cdp = await context.newCDPSession(page);
    await cdp.send("Input.dispatchMouseEvent", {
      type: "mouseMoved",
      x: 1000,
      y: 400,
      button: "none",
      buttons: 0,
    });
    await page.mouse.up();
    expect(await page.textContent("#slider-status")).toContain("let go on the way");
  });

  it("records keys, text and mouse exactly as the page saw them, in order", async () => {
    await page.goto(`${site.url}/events-pad`);
    await page.mouse.move(300, 200);
    await page.mouse.down();
    await page.mouse.up();
    await page.mouse.wheel(0, 120);
    await page.click("#pad", { button: "right" });
    await page.keyboard.press("Shift+A");
    await page.keyboard.insertText("ü");
    await flushed();
    const events = recorded("/events-pad");
    expect(events.map((event) => `${event.type} ${event.target}`)).toEqual([
      "mousemove area",
      "mousedown area",
      "focusin area",
      "mouseup area",
      "click area",
      "wheel area",
      "mousemove pad",
      "mousedown pad",
      "focusin pad",
      "contextmenu pad",
      "mouseup pad",
      "keydown pad",
      "keydown pad",
      "beforeinput pad",
      "input pad",
      "keyup pad",
      "keyup pad",
      "beforeinput pad",
      "input pad",
    ]);
    expect(events[1]).toMatchObject({
      x: 300,
      y: 200,
      button: 0,
      buttons: 1,
      isTrusted: true,
      shiftKey: false,
    });
    expect(events[4]).toMatchObject({ x: 300, y: 200, detail: 1 });
    expect(events[5]).toMatchObject({ deltaX: 0, deltaY: 120 });
    expect(events[12]).toMatchObject({ key: "A", code: "KeyA", shiftKey: true });
    expect(events[13]).toMatchObject({ inputType: "insertText", data: "A" });
    expect(events[14]).toMatchObject({ value: "A" });
    expect(events[18]).toMatchObject({ value: "Aü", data: "ü" });
    expect(await page.textContent("#last-event")).toContain("input");

    const since = events[16]?.seq ?? 0;
    const answer: unknown = await (await fetch(`${site.url}/__events?since=${since}`)).json();
    expect(answer).toEqual({ events: events.slice(17), lastSeq: since + 2 });
    site.clearEvents();
    expect(site.events()).toEqual([]);
  });

  it("keeps a burst dense and in order", async () => {
    await page.goto(`${site.url}/events-pad`);
    await page.evaluate(`for (let i = 0; i < 1500; i += 1) {
      document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "k" + i, bubbles: true }));
    }`);
    const last = await site.waitForEvent((event) => event.key === "k1499");
    expect(last.isTrusted).toBe(false);
    const expected = Array.from({ length: 1500 }, (_, index) => `k${index}`);
    expect(recorded("/events-pad").map((event) => event.key)).toEqual(expected);
  });

  it("sends again what a failed request carried, once", async () => {
    await page.goto(`${site.url}/events-pad`);
    await page.evaluate(`void (() => {
      const { fetch } = window;
      window.fetch = async (...sent) => {
        window.fetch = fetch;
        await fetch(...sent);
        throw new TypeError("the answer got lost");
      };
    })()`);
    await page.press("#pad", "q");
    await site.waitForEvent((event) => event.type === "keyup" && event.key === "q");
    await flushed();
    const types = recorded("/events-pad").map((event) => event.type);
    expect(types).toEqual(["focusin", "keydown", "beforeinput", "input", "keyup"]);
  });

  it("delivers what a page saw before it went away, even with its last request unanswered", async () => {
    await page.goto(`${site.url}/events-pad`);
    await page.evaluate("void (window.fetch = () => new Promise(() => undefined))");
    await page.click("#pad");
    await page.keyboard.type("bye");
    expect(recorded("/events-pad")).toEqual([]);
    await page.goto(`${site.url}/help`);
    await site.waitForEvent((event) => event.type === "keyup" && event.key === "e");
    const values = recorded("/events-pad").filter((event) => event.type === "input");
    expect(values.map((event) => event.value)).toEqual(["b", "by", "bye"]);
  });

  it("tells tabs and documents apart", async () => {
    await reachSlider();
    await page.goto(`${site.url}/mfa`);
    const popupOpens = page.waitForEvent("popup");
    await page.click("#open-help");
    const popup = await popupOpens;
    await popup.click("#question");
    await flushed(popup);
    await popup.reload();
    await popup.click("#question");
    await flushed(popup);
    await flushed();
    const [first, second] = recorded("/help").filter((event) => event.type === "click");
    const opener = recorded("/mfa").at(-1);
    expect(first?.pageId).not.toBe(second?.pageId);
    expect(first?.tabId).toBe(second?.tabId);
    expect(first?.tabId).not.toBe(opener?.tabId);
    expect(opener?.tabId).toBe(recorded("/")[0]?.tabId);
  });

  it("shows every page whole at desktop and phone width, animated, without errors or outside requests", async () => {
    const problems: string[] = [];
    page.on("pageerror", (error) => problems.push(String(error)));
    page.on("request", (asked) => {
      if (!asked.url().startsWith(site.url) && !asked.url().startsWith("data:")) problems.push(asked.url());
    });
    await reachSlider();
    await drag(1);
    await page.waitForURL("**/account");
    for (const viewport of [
      { width: 1280, height: 800 },
      { width: 390, height: 844 },
    ]) {
      await page.setViewportSize(viewport);
      for (const path of [
        "/",
        "/mfa",
        "/robot-check",
        "/account",
        "/help",
        "/statement",
        "/animate",
        "/events-pad",
      ]) {
        await page.goto(site.url + path);
        expect([path, await page.evaluate("document.documentElement.scrollWidth")]).toEqual([
          path,
          viewport.width,
        ]);
      }
    }
    await page.goto(`${site.url}/account`);
    const chart = "document.getElementById('live-chart').toDataURL()";
    const before: unknown = await page.evaluate(chart);
    await page.waitForFunction(`${chart} !== ${JSON.stringify(before)}`);
    expect(await page.evaluate("activity.scrollHeight > 4 * activity.clientHeight")).toBe(true);
    await page.goto(`${site.url}/animate`);
    await page.waitForFunction("Number(document.getElementById('frame-counter').textContent) > 5");
    expect(problems).toEqual([]);
  });
});
