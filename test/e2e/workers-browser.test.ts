/** A launched Chromium and several processes: people and agents on any of them have it, and it outlives its own. */
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { request, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { expect, it } from "vitest";
import { Keys } from "../../src/auth/keys.ts";
import { bankSite } from "../support/bank-site.ts";
import { Baton } from "../support/baton-process.ts";
import { chromiumPath } from "../support/browser.ts";
import { until } from "../support/gateway.ts";
import { familyOf } from "../support/process-facts.ts";
import { clientOn, listeners, workersOf } from "../support/workers.ts";

/** Three processes compile their sources, and Chromium starts twice. */
const TEST_MS = 90_000;

/** Those of these processes that a process descends from. */
async function familiesWith(member: number, pids: readonly number[]): Promise<number[]> {
  const families = await Promise.all(pids.map(async (pid) => ({ pid, family: await familyOf(pid) })));
  return families.filter(({ family }) => family.includes(member)).map(({ pid }) => pid);
}

it(
  "C1, H5: a handoff across workers on one launched browser, and the worker that launched it is killed",
  async () => {
    const site = await bankSite();
    const baton = new Baton([], { BATON_WORKERS: "2", BATON_CHROMIUM: await chromiumPath() });
    const url = await baton.url();
    const pids = await workersOf(baton);
    const setup = await clientOn(baton, url, pids[0] ?? 0, { role: "worker", name: "setup" });
    await setup.createSandbox({ sandboxId: "s", browser: { launch: true, url: `${site.url}/login` } });
    const { pid: chromium = 0 } = await baton.line("Chromium runs");
    // A request goes to any of them.
    const [launcher = 0] = await familiesWith(chromium, pids);
    const other = pids.find((pid) => pid !== launcher) ?? 0;
    expect(pids).toContain(launcher);

    const bot = await clientOn(baton, url, launcher, { role: "agent", name: "bot" });
    const ann = await clientOn(baton, url, other, { role: "operator", name: "anna" });
    const [agent, anna] = [bot.sandbox("s"), ann.sandbox("s")];
    agent.onResume(async ({ prompt }) => `did: ${prompt}`);
    const signedIn = ({ tabs }: { tabs: readonly { title: string }[] }) =>
      tabs.some(({ title }) => title === "signed in");
    await until(agent, signedIn);
    await until(anna, signedIn);
    await agent.input.text("a");
    await site.until("a");
    await agent.requestHumanHandoff({ reason: "mfa", message: "The code", resumePrompt: "Go on" });
    await anna.acceptHumanHandoff({ controller: "anna" });
    await expect(agent.input.text("x")).rejects.toMatchObject({ code: "not_controller" });
    await anna.input.text("b");
    await site.until("ab");
    // One Chromium for both: the second worker found the first one's.
    expect(baton.log.all.filter(({ msg }) => msg === "Chromium runs")).toHaveLength(1);
    expect([await bot.worker(), await ann.worker()]).toEqual([launcher, other]);

    process.kill(launcher, "SIGKILL");
    await baton.line("a worker serves again");
    // It died with its worker, and another one has its profile: the same page, still signed in, still anna's.
    await baton.line("Chromium runs");
    const after = await until(
      anna,
      ({ sandbox, tabs, connected }) =>
        connected && sandbox.browser?.status === "live" && tabs.some(({ title }) => title === "signed in"),
      AbortSignal.timeout(30_000),
    );
    expect(after.sandbox.control).toMatchObject({ controller: "anna" });
    expect(await ann.worker()).toBe(other);
    await anna.input.navigate(`${site.url}/account`);
    await until(anna, ({ tabs }) =>
      tabs.some((tab) => tab.url.endsWith("/account") && tab.title === "signed in"),
    );
    await anna.input.text("c");
    await site.until("c");
    const done = await anna.completeHumanHandoff({ controller: "anna", runResumePrompt: true });
    expect(done.resume).toMatchObject({ ok: true, response: "did: Go on" });
    await agent.waitForControl();
    await agent.input.text("d");
    await site.until("cd");

    baton.child.kill("SIGTERM");
    expect(await baton.end()).toMatchObject({ code: 0, errors: [] });
    expect(await workersOf(baton)).toEqual([]);
    // Nobody starts what another worker has just closed.
    expect(baton.log.all.filter(({ msg }) => msg === "Chromium runs")).toHaveLength(2);
  },
  TEST_MS,
);

it(
  "runs the demo once, its browser behind the filter of its own worker",
  async () => {
    const baton = new Baton(["--demo"], {
      BATON_WORKERS: "2",
      BATON_CHROMIUM: await chromiumPath(),
      BATON_SECRET: "0123456789abcdef0123456789abcdef",
    });
    await baton.url();
    await baton.line("live sandbox: ");
    const { pid: chromium = 0 } = await baton.line("Chromium runs");
    const command = await readFile(`/proc/${chromium}/cmdline`, "utf8");
    const port = Number(/--proxy-server=http:\/\/127\.0\.0\.1:(\d+)/.exec(command)?.[1]);
    const [launcher] = await familiesWith(chromium, await workersOf(baton));
    // Not the primary, which would hand its connections to all in turn.
    expect(await listeners(baton, port)).toEqual([launcher]);
    baton.child.kill("SIGTERM");
    expect(await baton.end()).toMatchObject({ code: 0, errors: [] });
    for (const start of ["live sandbox: ", "Chromium runs", "dashboard: "])
      expect(baton.log.all.filter(({ msg }) => msg.startsWith(start))).toHaveLength(1);
  },
  TEST_MS,
);

it(
  "a page of one worker's browser may not reach where another worker's listens for commands",
  async () => {
    const secret = "0123456789abcdef0123456789abcdef";
    const baton = new Baton([], {
      BATON_WORKERS: "2",
      BATON_CHROMIUM: await chromiumPath(),
      BATON_SECRET: secret,
      BATON_NAVIGATION_TARGETS: "loopback",
    });
    const url = await baton.url();
    const bearer = await new Keys({ secrets: [secret] }).sign(
      { sub: "setup", role: "worker", sandboxes: ["*"], jti: "t" },
      Date.now() + 600_000,
    );
    const pids = await workersOf(baton);
    /** What each worker's browser has: its way out, and where it listens. */
    const proxies = new Map<number, number>();
    const debugging = new Map<number, number>();
    for (let index = 0; proxies.size < 2; index += 1) {
      const response = await fetch(`${url}/v1/sandboxes`, {
        method: "POST",
        // The next request is another worker's.
        headers: {
          authorization: `Bearer ${bearer}`,
          "content-type": "application/json",
          connection: "close",
        },
        body: JSON.stringify({ sandboxId: `s${index}`, browser: { launch: true } }),
      });
      expect(response.status, await response.text()).toBe(200);
      const { pid: chromium = 0 } = await baton.line("Chromium runs");
      const [launcher = 0] = await familiesWith(chromium, pids);
      const command = await readFile(`/proc/${chromium}/cmdline`, "utf8");
      const [, proxy] = /--proxy-server=http:\/\/127\.0\.0\.1:(\d+)/.exec(command) ?? [];
      const [, profile = ""] = /--user-data-dir=([^\0]+)/.exec(command) ?? [];
      const [port] = (await readFile(join(profile, "DevToolsActivePort"), "utf8")).split("\n");
      proxies.set(launcher, Number(proxy));
      debugging.set(launcher, Number(port));
    }
    const site = await bankSite();
    for (const [worker, proxy] of proxies) {
      expect(await through(proxy, `${site.url}/login`)).toBe(200);
      for (const [owner, port] of debugging)
        expect(await through(proxy, `http://127.0.0.1:${port}/json/version`), String(owner === worker)).toBe(
          403,
        );
    }
  },
  TEST_MS,
);

/** The status that a forward proxy answers for an address. */
async function through(proxy: number, address: string): Promise<number | undefined> {
  const asked = request({ host: "127.0.0.1", port: proxy, path: address, agent: false });
  asked.end();
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  response.resume();
  return response.statusCode;
}
