/** A machine that restarts in the middle of a login: the process is killed, and what was acknowledged is there again. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { connect } from "../../src/sdk/node.ts";
import { bankSite } from "../support/bank-site.ts";
import { Baton } from "../support/baton-process.ts";
import { chromiumPath } from "../support/browser.ts";
import { until } from "../support/gateway.ts";

it("H6, E2, R1: killed while a person drives: the handoff, the tabs, the login and everybody's position are there again", async () => {
  const dir = await mkdtemp(join(tmpdir(), "baton-restart-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true, maxRetries: 10 }));
  const env = { BATON_DATA_DIR: dir, BATON_CHROMIUM: await chromiumPath() };
  const site = await bankSite();
  const first = new Baton([], env);
  const url = await first.url();
  const client = (role: "agent" | "operator", name: string) => {
    const made = connect({ url, role, name, reconnectMinMs: 20, reconnectMaxMs: 200 });
    onTestFinished(() => made.close());
    return made;
  };
  const bot = client("agent", "bot");
  await client("operator", "setup").createSandbox({
    sandboxId: "s",
    browser: { launch: true, url: `${site.url}/login` },
  });
  const agent = bot.sandbox("s");
  const anna = client("operator", "anna").sandbox("s");
  const prompts: string[] = [];
  agent.onResume(async ({ prompt }) => {
    prompts.push(prompt);
    return "back at work";
  });
  const seen: number[] = [];
  const ended = until(
    agent,
    ({ event, sandbox }) => {
      if (event) seen.push(event.seq);
      return sandbox.resume?.status === "answered";
    },
    AbortSignal.timeout(50_000),
  );
  await until(anna, ({ tabs }) => tabs.some(({ title }) => title === "signed in"));
  await agent.requestHumanHandoff({ reason: "mfa", message: "The code, please", resumePrompt: "Go on" });
  await anna.acceptHumanHandoff({ controller: "anna" });
  await anna.input.navigate(`${site.url}/account`);
  await until(anna, ({ tabs }) =>
    tabs.some((tab) => tab.url.endsWith("/account") && tab.title === "signed in"),
  );
  const before = await until(anna, () => true);

  first.child.kill("SIGKILL");
  await first.ended;
  const second = new Baton([], { ...env, BATON_PORT: new URL(url).port });
  await second.url();

  // The same page, still signed in, still anna's.
  const after = await until(
    anna,
    ({ sandbox, tabs, connected }) => {
      const page = tabs.find(({ active }) => active);
      return (
        connected &&
        sandbox.browser?.status === "live" &&
        page?.title === "signed in" &&
        page.url.endsWith("/account")
      );
    },
    AbortSignal.timeout(15_000),
  );
  expect(after.sandbox).toMatchObject({
    epoch: before.sandbox.epoch,
    control: { controller: "anna", phase: "active" },
    handoff: { requestId: before.sandbox.handoff?.requestId, status: "accepted" },
  });
  await expect(agent.input.text("not mine")).rejects.toMatchObject({ code: "not_controller" });
  await anna.input.click(100, 20);
  await anna.input.text("246810");
  const done = await anna.completeHumanHandoff({
    controller: "anna",
    note: "typed it",
    runResumePrompt: true,
  });
  expect(done.resume).toMatchObject({ ok: true, response: "back at work" });
  await ended;
  expect(prompts).toEqual(["Go on"]);
  const start = seen[0] ?? 0;
  expect(seen).toEqual(seen.map((_, index) => start + index));
}, 60_000);
