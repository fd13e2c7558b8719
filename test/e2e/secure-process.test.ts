/** The `baton` command with and without a secret: whom it lets in, what it tells nobody, and how its pages are held. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect as connectTcp } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { once } from "node:events";
import type { Page } from "playwright-core";
import { describe, expect, it, onTestFinished } from "vitest";
import { CLOSE, type Problem } from "../../protocol/errors.ts";
import { Baton, type Ended } from "../support/baton-process.ts";
import { launchPersonBrowser } from "../support/browser.ts";
import { Inbox, within } from "../support/inbox.ts";
import { RawCdp } from "../support/raw-cdp.ts";
import { RawClient } from "../support/raw-client.ts";
import { embedder, endpointOf, familyOf, policyOf, portOf } from "../support/process-facts.ts";
import { token } from "../support/tokens.ts";

const SECRET = "CANARY-secret-that-is-long-enough-for-all";
const STARTS_A_BROWSER_MS = 60_000;

async function folder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "baton-test-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true, maxRetries: 10 }));
  return dir;
}

/** Runs until the end of the test, or until `stop`, after which its output is whole. */
function start(
  args: readonly string[],
  env: Record<string, string>,
): { baton: Baton; stop: () => Promise<Ended> } {
  const baton = new Baton(args, env);
  const stop = async (): Promise<Ended> => {
    baton.child.kill("SIGTERM");
    return baton.end();
  };
  // A browser that it launched ends with it.
  onTestFinished(async () => void (await stop()));
  return { baton, stop };
}

async function made(...args: string[]): Promise<string> {
  const { code, out, errors } = await new Baton(["token", ...args], { BATON_SECRET: SECRET }).end();
  expect([code, errors]).toEqual([0, []]);
  expect(out).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
  return out.trim();
}

function ask(url: string, bearer: string, init: RequestInit & { json?: object } = {}): Promise<Response> {
  const { json, ...rest } = init;
  return fetch(url, {
    ...rest,
    ...(json && { method: "POST", body: JSON.stringify(json) }),
    headers: {
      authorization: `Bearer ${bearer}`,
      ...(json && { "content-type": "application/json" }),
      ...(rest.headers as Record<string, string>),
    },
  });
}

/** An address of this machine that others could reach it by. */
function outerAddress(): string | undefined {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return all.find(({ family, internal }) => family === "IPv4" && !internal)?.address;
}

async function answers(host: string, port: string): Promise<boolean> {
  const socket = connectTcp({ host, port: Number(port) });
  onTestFinished(() => void socket.destroy());
  return within(
    once(socket, "connect").then(
      () => true,
      () => false,
    ),
    "the answer to a connection",
  );
}

describe("baton without a secret", () => {
  it("says that it asks nobody who they are, and listens on loopback only", async () => {
    const { baton } = start([], {});
    const url = await baton.url();
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(
      baton.log.all.filter(({ level, msg }) => level === 40 && msg.includes("BATON_SECRET")).length,
    ).toBe(1);
    expect((await fetch(`${url}/v1/sandboxes`)).status).toBe(200);
    const outer = outerAddress();
    const { port } = new URL(url);
    expect(await answers("127.0.0.1", port)).toBe(true);
    if (outer !== undefined) expect(await answers(outer, port)).toBe(false);
  });

  it.each(["0.0.0.0", "::", "192.0.2.1", "example.com"])(
    "does not listen on %s: one clear line, and 1",
    async (host) => {
      const { code, out, errors } = await new Baton([], { BATON_HOST: host }).end();
      expect(errors).toEqual([
        expect.stringMatching(
          /^baton: BATON_HOST=\S+ would let others connect.*Set BATON_SECRET.*or unset BATON_HOST/,
        ),
      ]);
      expect([code, out]).toEqual([1, ""]);
    },
  );
});

describe("baton with a secret", () => {
  it("listens for everybody, asks for tokens, and `baton token` makes one", async () => {
    const { baton, stop } = start([], {
      BATON_SECRET: SECRET,
      BATON_HOST: "0.0.0.0",
      BATON_LOG_LEVEL: "trace",
      BATON_STORE: "memory",
    });
    const [url, bearer] = await Promise.all([baton.url(), made("--subject", "ada", "--role", "admin")]);
    const { port } = new URL(url);
    const outer = outerAddress();
    const base = `http://${outer ?? "127.0.0.1"}:${port}`;
    const refused = await fetch(`${base}/v1/sandboxes`);
    const problem = (await refused.json()) as Problem;
    expect([refused.status, problem.code, problem.details?.["reason"]]).toEqual([
      401,
      "unauthorized",
      "missing",
    ]);
    expect((await ask(`${base}/v1/sandboxes`, bearer)).status).toBe(200);
    expect(
      (await ask(`${base}/v1/sandboxes`, await token({}, "not the secret of this gateway!!!"))).status,
    ).toBe(401);
    const stranger = await RawClient.open(base);
    stranger.hello({});
    expect((await stranger.closing()).code).toBe(CLOSE.unauthorized.code);
    const client = await RawClient.open(base);
    client.hello({ token: bearer });
    expect(await client.next("welcome")).toMatchObject({
      name: "ada",
      role: "admin",
      grant: { sandboxes: ["*"] },
    });
    await client.close();
    const { code, out, errors } = await stop();
    expect([code, errors]).toEqual([0, []]);
    for (const secret of [SECRET, "CANARY", bearer, "eyJ"]) expect(out.includes(secret), secret).toBe(false);
    expect(out).not.toContain("is not set");
  });

  it(
    "keeps it to itself when something is wrong with it, or with the rest",
    async () => {
      const short = "CANARY-short";
      const cases: [string[], Record<string, string>][] = [
        [[], { BATON_SECRET: short }],
        [[], { BATON_SECRET: `${SECRET},${short}` }],
        [[], { BATON_SECRET: SECRET, BATON_PORT: "http" }],
        [[], { BATON_SECRET: SECRET, BATON_PUBLIC_KEYS: "CANARY-key" }],
        [["token", "--role", "king", "--subject", "ada"], { BATON_SECRET: SECRET }],
        [["token", "--role", "admin", "--subject", "ada", "--expires", "soon"], { BATON_SECRET: SECRET }],
        [["token", "--role", "admin", "--subject", "ada"], { BATON_SECRET: short }],
      ];
      for (const [args, env] of cases) {
        const { code, out, errors } = await new Baton(args, env).end();
        const what = JSON.stringify([args, env]);
        expect([code, out], what).toEqual([1, ""]);
        expect(errors[0], what).toMatch(/^baton: /);
        expect(errors.join("\n"), what).not.toContain("CANARY");
      }
    },
    STARTS_A_BROWSER_MS,
  );

  it(
    "exports a record that `baton audit verify` understands: 0, 1 when it was changed, 2 when it cannot tell",
    async () => {
      const dir = await folder();
      const { baton } = start([], { BATON_SECRET: SECRET });
      const url = await baton.url();
      const bearer = await token({ sub: "root", role: "admin" }, SECRET);
      for (const sandboxId of ["one", "two"])
        expect((await ask(`${url}/v1/sandboxes`, bearer, { json: { sandboxId } })).status).toBe(200);
      const text = await (await ask(`${url}/v1/audit`, bearer)).text();
      const [whole, changed, shorter] = ["whole", "changed", "shorter"].map((name) =>
        join(dir, `${name}.ndjson`),
      ) as [string, string, string];
      await writeFile(whole, text);
      await writeFile(changed, text.replace('"root"', '"ruth"'));
      await writeFile(shorter, text.split("\n").slice(1).join("\n"));
      const verify = (...args: string[]): Promise<Ended> => new Baton(["audit", "verify", ...args]).end();
      const good = await verify("--from", "0", whole);
      expect(good).toMatchObject({ code: 0, errors: [] });
      expect(good.out).toContain("is as it was written: 3 lines");
      const runs = [
        [1, changed],
        [0, shorter],
        [1, "--from", "0", shorter],
        [2, join(dir, "none.ndjson")],
        [2],
        [2, "--head", "x", whole],
      ] as const;
      for (const [code, ...args] of runs)
        expect([(await verify(...args)).code, args], args.join(" ")).toEqual([code, args]);
    },
    STARTS_A_BROWSER_MS,
  );
});

/** Headers that every answer has, whatever it is. */
const HEADERS = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
};

describe("the pages of baton", () => {
  it("are held by headers that allow nothing but their own code, and who may embed them", async () => {
    const origin = "https://app.example";
    const env = { BATON_SECRET: SECRET, BATON_STORE: "memory" };
    const embeddable = start([], { ...env, BATON_FRAME_ANCESTORS: `'self',${origin}` }).baton;
    const secure = start([], { ...env, BATON_PUBLIC_URL: "https://baton.example" }).baton;
    const [url, proxied] = [await embeddable.url(), `http://127.0.0.1:${await portOf(secure)}`];
    const html = await (await fetch(`${url}/`)).text();
    const assets = [...html.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].map(([, path]) => path ?? "");
    expect(assets.length).toBeGreaterThan(1);
    // Nothing inline, which the policy would not let run.
    expect(html).not.toMatch(/<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=/i);
    for (const path of [
      "/",
      "/s/demo",
      "/s/demo?embed",
      ...assets,
      "/v1/sandboxes",
      "/nowhere",
      "/openapi.json",
    ]) {
      const response = await fetch(`${url}${path}`);
      await response.arrayBuffer();
      for (const [name, value] of Object.entries(HEADERS))
        expect(response.headers.get(name), `${name} of ${path}`).toBe(value);
      for (const name of [
        "x-powered-by",
        "server",
        "access-control-allow-origin",
        "strict-transport-security",
      ])
        expect(response.headers.get(name), `${name} of ${path}`).toBeNull();
      const policy = policyOf(response);
      expect(policy.get("default-src"), path).toEqual(["'none'"]);
      expect(policy.get("script-src"), path).toEqual(["'self'"]);
      expect(policy.get("style-src"), path).toEqual(["'self'"]);
      expect(policy.get("object-src"), path).toEqual(["'none'"]);
      expect(policy.get("base-uri"), path).toEqual(["'none'"]);
      expect(policy.get("form-action"), path).toEqual(["'none'"]);
      expect(policy.get("frame-ancestors"), path).toEqual(["'self'", origin]);
      expect([...policy.values()].flat().join(" "), path).not.toMatch(/unsafe|\*|https?:(?!\/\/app)/);
    }
    const other = await fetch(`${proxied}/s/demo`);
    expect(policyOf(other).get("frame-ancestors")).toEqual(["'self'"]);
    expect(policyOf(other).get("connect-src")).toContain("wss://baton.example");
    expect(other.headers.get("strict-transport-security")).toMatch(/^max-age=\d{7,}$/);
  });

  it(
    "work under them in a real browser, alone and embedded, without one violation",
    async () => {
      const [friend, stranger] = [await embedder(), await embedder()];
      const { baton } = start(["--demo"], {
        BATON_SECRET: SECRET,
        BATON_STORE: "memory",
        BATON_FRAME_ANCESTORS: `'self',${friend.origin}`,
      });
      const url = await baton.url();
      await baton.line("live sandbox: ");
      const browser = await launchPersonBrowser();
      onTestFinished(() => browser.close());
      const said = new Inbox<string>();
      const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
      await context.addInitScript(() => {
        document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) =>
          console.error(`violation of ${violatedDirective} by ${blockedURI}`),
        );
      });
      const open = async (address: string): Promise<Page> => {
        const page = await context.newPage();
        page.on("console", (message) => said.put(`${message.type()}: ${message.text()}`));
        page.on("pageerror", (error) => said.put(`error: ${error.message}`));
        await page.goto(address);
        return page;
      };
      const bearer = await token({ sub: "ada" }, SECRET);
      const page = await open(`${url}/s/demo#token=${bearer}`);
      await page.locator('[data-testid="viewer-canvas"][data-state="live"]').waitFor();
      // The demo's agent comes that far with a token of its own.
      await baton.line("demo agent: stuck at the one-time code");
      await page.getByTestId("accept").click();
      await page.getByTestId("control-banner").getByText("You are driving").waitFor();
      await page.getByTestId("viewer-canvas").click();
      await page.keyboard.type("hello");
      await page.getByTestId("share").click();
      await page.getByTestId("share-make").click();
      await page.getByTestId("share-url").waitFor();
      const home = await open(`${url}/#token=${bearer}`);
      await home.getByTestId("sandbox-card").getByText("demo").waitFor();

      const embedded = await open(friend.page(`${url}/s/demo?embed#token=${bearer}`));
      await embedded
        .frameLocator("iframe")
        .locator('[data-testid="viewer-canvas"][data-state="live"]')
        .waitFor();
      expect(said.all.filter((line) => /violation|content security policy|^error/i.test(line))).toEqual([]);

      // Another site's frame stays empty, and its console says why.
      const refused = await open(stranger.page(`${url}/s/demo?embed#token=${bearer}`));
      await said.take("a refusal", (line) => /frame-ancestors/i.test(line));
      expect(refused.frames().filter((frame) => frame.url().startsWith(url))).toEqual([]);
    },
    STARTS_A_BROWSER_MS,
  );
});

describe("baton --demo with a secret", () => {
  it(
    "works, gives its browser none of its settings, and tells nobody where that browser listens",
    async () => {
      const dir = await folder();
      const { baton, stop } = start(["--demo"], {
        BATON_SECRET: SECRET,
        BATON_LOG_LEVEL: "trace",
        BATON_DATA_DIR: dir,
        BATON_CDP_TARGETS: "loopback",
      });
      const url = await baton.url();
      const { pid = 0 } = await baton.line("Chromium runs");
      await baton.line("live sandbox: ");
      const family = await familyOf(pid);
      expect(family.length).toBeGreaterThan(1);
      for (const member of family) {
        const environment = await readFile(`/proc/${member}/environ`, "utf8").catch(() => "");
        expect(environment, `process ${member}`).not.toMatch(/BATON_|CANARY/);
      }

      const { port, path } = await endpointOf(dir);
      const cdpUrl = `ws://127.0.0.1:${port}${path}?key=CANARY-query`;
      const deadUrl = "ws://user:CANARY-password@127.0.0.1:1/devtools/browser/CANARY-dead";
      const bearer = await token({ sub: "root", role: "admin", act_for: true }, SECRET);
      const heard: string[] = [];
      const get = async (at: string, init?: Parameters<typeof ask>[2]): Promise<void> => {
        const response = await ask(`${url}${at}`, bearer, init);
        heard.push(JSON.stringify([...response.headers]), await response.text());
      };
      const client = await RawClient.open(url);
      onTestFinished(() => client.socket.terminate());
      client.hello({ token: bearer });
      await client.done("lobby", { type: "lobby.join" });
      const json = (sandboxId: string, to: string) => ({ json: { sandboxId, browser: { cdpUrl: to } } });
      await get("/v1/sandboxes", json("attached", cdpUrl));
      await get("/v1/sandboxes", json("attached", cdpUrl));
      await get("/v1/sandboxes", json("attached", deadUrl));
      await get("/v1/sandboxes", json("dead", deadUrl));
      await get("/v1/sandboxes", json("refused", "ws://10.0.0.1:9222/devtools/browser/CANARY-refused"));
      for (const sandboxId of ["demo", "attached"]) {
        await client.done("sandbox.joined", { type: "sandbox.join", sandboxId, since: { epoch: 0, seq: 0 } });
        const at = `/v1/sandboxes/${sandboxId}`;
        const agent = await RawCdp.open(
          `${url.replace("http://", `ws://x:${bearer}@`)}${at}/cdp?policy=reject`,
        );
        await agent.sync();
        heard.push(JSON.stringify(await agent.call("Target.getTargets")));
        for (const rest of [
          "",
          "/handoff",
          "/events",
          "/events?since=0-0",
          "/cdp/json/version",
          "/cdp/json/list",
        ])
          await get(`${at}${rest}`);
        await get(`${at}/handoff`, { json: { reason: "mfa", message: "m" } });
        await get(`${at}/links`, { json: { access: "watch" } });
        agent.cut();
      }
      for (const at of [
        "/v1/sandboxes",
        "/json/version",
        "/json/list",
        "/metrics",
        "/v1/audit",
        "/openapi.json",
      ])
        await get(at);
      await get("/v1/sandboxes/attached", { method: "DELETE" });
      await get("/v1/audit");
      await client.ping();
      heard.push(JSON.stringify(client.received));
      const { code, out, errors } = await stop();
      expect([code, errors]).toEqual([0, []]);
      // The tests' own Chromium: what it answers of itself came through.
      expect(heard.join()).toContain("webSocketDebuggerUrl");
      const { origin } = new URL(url);
      for (const text of [...heard, ...out.split("\n")]) {
        expect(text).not.toContain("CANARY");
        expect(text).not.toContain(path);
        expect(text.replaceAll(origin, ""), "an address of a browser").not.toMatch(new RegExp(`:${port}\\b`));
        expect(text).not.toContain("DevToolsActivePort");
      }
      expect(out).not.toMatch(/eyJ/);
    },
    STARTS_A_BROWSER_MS,
  );
});
