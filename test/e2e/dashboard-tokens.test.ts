/** Tokens and links as people meet them: in a real browser, at a gateway that asks for tokens. */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { IncomingMessage } from "node:http";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import type { CreateLinkBody } from "../../protocol/auth.ts";
import type { LaunchedBrowser } from "../../src/browser/browser.ts";
import { chromiumProvider } from "../../src/browser/chromium.ts";
import { createGateway, type Gateway } from "../../src/gateway.ts";
import type { BatonClient, SandboxHandle } from "../../src/sdk/api.ts";
import { connect } from "../../src/sdk/node.ts";
import { chromiumPath, launchPersonBrowser } from "../support/browser.ts";
import { token, TOKENS } from "../support/tokens.ts";

let sandboxBrowser: LaunchedBrowser;
let gateway: Gateway;
let people: Browser;
let admin: BatonClient;
let bank: SandboxHandle;
let url: string;

beforeAll(async () => {
  const provider = chromiumProvider({ executablePath: await chromiumPath() });
  sandboxBrowser = await provider.launch({ url: "data:text/html,<title>Account</title><body bgcolor=red>" });
  gateway = createGateway({ port: 0, browsers: provider, ...TOKENS });
  url = await gateway.listen();
  admin = connect({ url, token: () => token({ sub: "root", role: "admin" }) });
  const cdpUrl = await sandboxBrowser.endpoint(AbortSignal.timeout(20_000));
  await admin.createSandbox({ sandboxId: "bank", browser: { cdpUrl } });
  await admin.createSandbox({ sandboxId: "shop" });
  bank = admin.sandbox("bank");
  people = await launchPersonBrowser();
});

afterAll(async () => {
  admin?.close();
  await people?.close();
  await gateway?.close();
  await sandboxBrowser?.close();
});

/** Every address, and the address of every page that led to it, that the gateway's server was asked for. */
let asked: string[] = [];
/** Everything that pages said on their consoles. */
let said: string[] = [];
const note = (message: unknown): void => {
  const { request } = message as { request: IncomingMessage };
  asked.push(request.url ?? "", request.headers.referer ?? "");
};
beforeEach(() => {
  asked = [];
  said = [];
  subscribe("http.server.request.start", note);
});
afterEach(() => {
  unsubscribe("http.server.request.start", note);
});

/** Whoever opens a page of their own: nothing is shared with others. */
async function somebody(): Promise<BrowserContext> {
  const context = await people.newContext({ viewport: { width: 1280, height: 800 } });
  onTestFinished(() => context.close());
  return context;
}

async function open(address: string, context?: BrowserContext): Promise<Page> {
  const page = await (context ?? (await somebody())).newPage();
  // Socket addresses are not among those that the server's channel tells.
  page.on("websocket", (socket) => asked.push(socket.url()));
  page.on("console", (message) => said.push(message.text()));
  await page.goto(address);
  return page;
}

async function link(body: CreateLinkBody): Promise<{ linkId: string; url: string; token: string }> {
  const made = await bank.createLink(body);
  return { linkId: made.link.linkId, url: made.url, token: made.url.split("#token=")[1] ?? "" };
}

const banner = (page: Page) => page.getByTestId("control-banner");
const refused = (page: Page, reason: string) => page.locator(`[data-reason="${reason}"]`);
const keptToken = (page: Page): Promise<string> =>
  page.evaluate(() => (JSON.parse(sessionStorage.getItem("baton.token") ?? "{}") as { token: string }).token);

/** Where a token may lie for others to find. */
async function tracesOf(page: Page, secrets: readonly string[]): Promise<string[]> {
  const places = await page.evaluate(() => ({
    address: location.href,
    history: JSON.stringify(history.state),
    cookie: document.cookie,
    localStorage: JSON.stringify(localStorage),
    title: document.title,
    page: document.documentElement.outerHTML,
    fields: [...document.querySelectorAll("input, textarea")]
      .map((field) => (field as HTMLInputElement).value)
      .join(),
  }));
  const all = { ...places, asked: asked.join(" "), said: said.join(" "), url: page.url() };
  return Object.entries(all).flatMap(([place, text]) =>
    secrets.some((secret) => text.includes(secret)) ? [place] : [],
  );
}

describe("a link in the dashboard", () => {
  it("leaves the address at once, is found nowhere else, and survives a reload although it opens once", async () => {
    const { url, token } = await link({ access: "drive", singleUse: true, subject: "Ben" });
    expect(token).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/);
    const page = await open(url);
    await banner(page).getByText("The agent is driving").waitFor();
    expect(new URL(page.url()).hash).toBe("");
    const session = await keptToken(page);
    expect(session).not.toBe(token);
    expect(await tracesOf(page, [token, session])).toEqual([]);
    expect(asked).toContain("/s/bank");
    expect(asked.some((address) => address.endsWith("/v1/connect"))).toBe(true);

    await page.reload();
    await banner(page).getByText("The agent is driving").waitFor();
    expect(await page.getByTestId("given-name").textContent()).toMatch(/^guest-Ben-\w{6}$/);
    await page.goto(`${url.split("/s/")[0]}/`);
    await page.getByText("Your link opens one sandbox").waitFor();
    await page.goBack();
    await banner(page).getByText("The agent is driving").waitFor();
    expect(await tracesOf(page, [token, session, await keptToken(page)])).toEqual([]);
  });

  it("that opens once says so to the second who opens it", async () => {
    const { url, token } = await link({ access: "watch", singleUse: true });
    await banner(await open(url)).waitFor();
    const second = await open(url);
    await refused(second, "used").waitFor();
    await second.getByRole("heading", { name: "This link was used already" }).waitFor();
    expect(await tracesOf(second, [token])).toEqual([]);
    await second.reload();
    await refused(second, "used").waitFor();
  });

  it("that a chat has cut says so, and leaves the address too", async () => {
    const { url } = await link({ access: "watch" });
    const page = await open(url.slice(0, url.lastIndexOf(".")));
    await refused(page, "malformed").getByText("This link is not whole").waitFor();
    expect(page.url()).not.toContain("token");
  });

  it("that is opened in a tab where another one was takes its place", async () => {
    const first = await link({ access: "watch", subject: "Ada" });
    const second = await link({ access: "drive", subject: "Ben" });
    const page = await open(first.url);
    await page.getByTestId("watching").waitFor();
    // No more than the fragment changes: the page is not loaded again.
    await page.evaluate((address) => (location.href = address), second.url);
    await page.getByTestId("take-control").waitFor();
    expect(await page.getByTestId("given-name").textContent()).toMatch(/^guest-Ben-\w{6}$/);
    expect(await tracesOf(page, [first.token, second.token])).toEqual([]);
  });

  it("to watch shows the page and offers nothing that drives; the gateway would refuse it anyway", async () => {
    const { url, token } = await link({ access: "watch" });
    const page = await open(url);
    await page.locator('[data-testid="viewer-canvas"][data-state="live"]').waitFor();
    await page.getByTestId("watching").getByText("You are watching").waitFor();
    expect(await page.locator("#viewer-actions button").count()).toBe(0);
    expect(await page.getByTestId("privacy").count()).toBe(0);
    expect(await page.getByTestId("share").count()).toBe(0);
    expect(await page.getByTestId("address").getAttribute("readonly")).not.toBeNull();
    expect(await page.locator("a.brand").count()).toBe(0);
    await page.getByTestId("viewer-canvas").click();
    const toast = page.getByTestId("toast");
    await toast.getByText("The agent is driving. You are watching.").waitFor();
    expect(await toast.getByRole("button", { name: /take|accept/i }).count()).toBe(0);

    const byHand = connect({ url: new URL(url).origin, token });
    onTestFinished(() => byHand.close());
    await byHand.ready();
    await expect(byHand.sandbox("bank").takeControl()).rejects.toMatchObject({ code: "forbidden" });
  });

  it("to drive drives, is renewed meanwhile, and neither forces nor withdraws nor shares", async () => {
    const { url } = await link({ access: "drive", expiresInMs: 10_000, subject: "Eve" });
    const page = await open(url);
    await page.getByTestId("take-control").waitFor();
    await bank.requestHumanHandoff({ reason: "approval", message: "Approve the transfer" });
    await page.getByTestId("accept").click();
    await banner(page).getByText("You are driving").waitFor();
    expect(await page.getByTestId("ends-soon").count()).toBe(0);
    const before = await keptToken(page);
    await page.waitForFunction(
      (old) => !(sessionStorage.getItem("baton.token") ?? old).includes(old),
      before,
    );
    await bank.completeHumanHandoff({ controller: "root" });
    await banner(page).getByText("The agent is driving").waitFor();
    expect(await page.getByTestId("share").count()).toBe(0);
    await bank.takeControl();
    await banner(page).getByText("root is driving").waitFor();
    expect(await page.getByTestId("take-over").count()).toBe(0);
    await bank.releaseControl();
  });

  it("that is revoked while it is open ends the page, and says that nothing is lost", async () => {
    const { url, linkId } = await link({ access: "drive" });
    const page = await open(url);
    await banner(page).getByText("The agent is driving").waitFor();
    await bank.revokeLink(linkId);
    await refused(page, "revoked").getByText("Your access was ended").waitFor();
    await refused(page, "revoked").getByText("the browser stays as it is").waitFor();
    expect(await page.getByTestId("viewer-canvas").count()).toBe(0);
    await page.getByRole("button", { name: "Try again" }).click();
    await refused(page, "revoked").getByText("This link was withdrawn").waitFor();
  });

  it("opens the embedded viewer as well", async () => {
    const { url, token } = await link({ access: "watch" });
    const page = await open(url.replace("/s/bank#", "/s/bank?embed#"));
    await page.getByTestId("watching").waitFor();
    expect(page.url().endsWith("/s/bank?embed")).toBe(true);
    expect(await page.locator(".top-bar").count()).toBe(0);
    expect(await tracesOf(page, [token])).toEqual([]);
  });
});

describe("signing in", () => {
  async function signIn(page: Page, pasted: string): Promise<void> {
    await page.getByTestId("token-input").fill(pasted);
    await page.getByTestId("sign-in").click();
  }

  it("asks for a token, says what is wrong with one, and lets a good one in under its own name", async () => {
    const page = await open(url);
    await refused(page, "missing").waitFor();
    const field = page.getByTestId("token-input");
    expect(await field.getAttribute("type")).toBe("password");
    expect(await field.getAttribute("autocomplete")).toBe("off");
    await signIn(page, "open sesame");
    await page.getByText("That is no token").waitFor();
    await signIn(page, await token({ expiresIn: -10 }));
    await refused(page, "expired").getByText("This token has expired").waitFor();
    await signIn(page, await token({}, "another secret of tests that is long"));
    await refused(page, "signature").getByText("This token is not for here").waitFor();

    const good = await token({ sub: "ada", role: "operator", sandboxes: ["ban*"] });
    await signIn(page, ` Bearer ${good}\n`);
    await page.getByTestId("sandbox-card").getByText("bank").waitFor();
    expect(await page.getByTestId("sandbox-card").count()).toBe(1);
    expect(await page.getByTestId("given-name").textContent()).toBe("ada");
    expect(await page.getByTestId("name-input").count()).toBe(0);
    expect(await tracesOf(page, [good])).toEqual([]);
    await page.reload();
    await page.getByTestId("sandbox-card").getByText("bank").waitFor();
    await page.getByRole("button", { name: "Sign out" }).click();
    await refused(page, "missing").waitFor();
    await page.reload();
    await refused(page, "missing").waitFor();
  });

  it("ends with the token, after a countdown", async () => {
    const page = await open(`${url}/s/bank`);
    await refused(page, "missing").waitFor();
    await signIn(page, await token({ expiresIn: 4 }));
    await page.getByTestId("ends-soon").getByText("Your token ends in").waitFor();
    await refused(page, "expired").getByText("Your token has expired").waitFor();
    await signIn(page, await token());
    await banner(page).getByText("The agent is driving").waitFor();
    expect(await page.getByTestId("ends-soon").count()).toBe(0);
  });

  it("lists to a viewer the sandboxes that the token names", async () => {
    const page = await open(url);
    await refused(page, "missing").waitFor();
    await signIn(page, await token({ role: "viewer", sandboxes: ["shop", "acme-*"] }));
    await page.getByTestId("token-sandboxes").getByText("shop").click();
    await page.getByTestId("watching").waitFor();
  });
});

describe("sharing", () => {
  it("makes a link to hand on, shows it once, and takes it back", async () => {
    const page = await open(`${url}/s/bank#token=${await token({ sub: "ada" })}`);
    await page.getByTestId("share").click();
    const dialog = page.getByTestId("share-dialog");
    await page.getByTestId("share-drive").check();
    await page.getByTestId("share-name").fill("Kim");
    await page.getByTestId("share-make").click();
    await dialog.getByText("It is as good as a password").waitFor();
    await dialog.getByText("guest-Kim").waitFor();
    const address = await page.getByTestId("share-url").inputValue();
    const secret = address.split("#token=")[1] ?? "";
    expect(secret).not.toBe("");
    const guest = await open(address);
    await guest.getByTestId("take-control").waitFor();
    await page.getByTestId("share-revoke").click();
    await dialog.getByText("The link is revoked").waitFor();
    await refused(guest, "revoked").waitFor();
    await dialog.getByRole("button", { name: "Close" }).click();
    expect(await tracesOf(page, [secret])).toEqual([]);
    await page.getByTestId("share").click();
    expect(await page.getByTestId("share-url").count()).toBe(0);
    await page.getByTestId("share-make").waitFor();
  });
});
