/**
 * What a person types goes into the page and nowhere else: no event, log line, metric or file of the gateway holds a
 * character of it, however the input is sent and whatever becomes of it.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { pino } from "pino";
import { describe, expect, it, onTestFinished } from "vitest";
import { chromiumProvider } from "../../src/browser/chromium.ts";
import { LocalStore } from "../../src/store/local/local-store.ts";
import { chromiumPath } from "../support/browser.ts";
import { startGateway, until, type TestGateway } from "../support/gateway.ts";
import { Inbox } from "../support/inbox.ts";
import { RawClient } from "../support/raw-client.ts";

const CANARY = "Zq7CANARYx9";
/** Found wherever it stands alone. */
const SIGN = "Ѫ";

/** Everything that the gateway keeps or tells of a sandbox, with what it must hold for the test to mean something. */
async function traces(
  test: TestGateway,
  lines: readonly string[],
  dir: string,
): Promise<Record<string, string>> {
  const read = async (path: string): Promise<string> => (await fetch(`${test.url}${path}`)).text();
  const files = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const traced = {
    events: await read("/v1/sandboxes/s/events?since=0-0"),
    sandbox: await read("/v1/sandboxes/s"),
    handoff: await read("/v1/sandboxes/s/handoff"),
    metrics: await read("/metrics"),
    log: lines.join("\n"),
    files: files.map(({ parentPath, name }) => readFileSync(join(parentPath, name), "latin1")).join("\n"),
  };
  expect(traced.events).toContain('"sandboxId":"s"');
  expect(traced.metrics).toContain("baton");
  expect(traced.files).toContain("sandboxId");
  return traced;
}

async function start(options: Parameters<typeof startGateway>[0] = {}) {
  const dir = mkdtempSync(join(tmpdir(), "baton-typed-"));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  const lines: string[] = [];
  const logger = pino({ level: "trace" }, { write: (line: string) => void lines.push(line) });
  logger.info("the log is listened to");
  const test = await startGateway({ store: await LocalStore.open({ dir }), logger, ...options });
  const clean = async (): Promise<void> => {
    const traced = await traces(test, lines, dir);
    const bytes = Buffer.from(SIGN).toString("latin1");
    for (const [where, text] of Object.entries(traced))
      for (const typed of [CANARY, SIGN, bytes]) expect(text, where).not.toContain(typed);
    expect(traced["log"]).toContain("the log is listened to");
  };
  return { ...test, clean };
}

describe("what a person types", () => {
  it(
    "reaches the page, by key, as text, by paste and into a dialog, and leaves no trace",
    { timeout: 60_000 },
    async () => {
      const page = `<title>form</title><input autofocus oninput="navigator.sendBeacon('/is', value)"
      onkeydown="if (event.key === 'Enter') navigator.sendBeacon('/is', 'asked ' + prompt('Code?'))">`;
      const told = new Inbox<string>();
      const server = createServer((request, response) => {
        if (request.method === "POST") void text(request).then((body) => told.put(body));
        response.setHeader("content-type", "text/html").end(page);
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      onTestFinished(() => void server.close());
      const provider = chromiumProvider({ executablePath: await chromiumPath() });
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
      const launched = await provider.launch({ url });
      onTestFinished(() => launched.close());
      const { client, clean } = await start({ browsers: provider });
      const cdpUrl = await launched.endpoint(AbortSignal.timeout(20_000));
      await client({ role: "worker" }).createSandbox({ sandboxId: "s", browser: { cdpUrl } });
      const anna = client({ role: "operator", name: "anna" }).sandbox("s");
      await until(anna, ({ tabs }) => tabs.some(({ title }) => title === "form"));
      const holds = (value: string) => told.take(value, (is) => is === value);
      await client({ role: "agent" })
        .sandbox("s")
        .requestHumanHandoff({ reason: "mfa", message: "Code?", privacy: "private" });
      await anna.acceptHumanHandoff({ controller: "anna" });

      await anna.input.click(60, 20);
      await anna.input.type(CANARY);
      await holds(CANARY);
      await anna.input.text(` ${CANARY}`);
      await anna.input.paste(` ${CANARY}`);
      await holds(`${CANARY} ${CANARY} ${CANARY}`);
      const key = { kind: "key", key: SIGN, code: "KeyA" } as const;
      await anna.input.send([
        { ...key, action: "down", text: SIGN },
        { ...key, action: "up" },
      ]);
      await holds(`${CANARY} ${CANARY} ${CANARY}${SIGN}`);
      const pressed = anna.input.press("Enter");
      await until(anna, ({ dialog }) => dialog?.message === "Code?");
      await anna.input.answerDialog(true, CANARY);
      await pressed;
      await holds(`asked ${CANARY}`);
      await anna.completeHumanHandoff({ controller: "anna", note: "Signed in" });
      await clean();
    },
  );

  it("leaves no trace when it is refused, fails, or is no message at all", async () => {
    const { client, clean, create, browser, url } = await start();
    await create("s");
    const anna = client({ role: "operator", name: "anna" }).sandbox("s");
    await until(anna, ({ sandbox }) => sandbox.browser?.status === "live");
    await expect(anna.input.text(CANARY)).rejects.toMatchObject({ code: "not_controller" });
    await anna.takeControl({ privacy: "private" });
    await expect(anna.input.answerDialog(true, CANARY)).rejects.toMatchObject({ code: "invalid_message" });
    await expect(anna.input.closeTab(CANARY)).rejects.toMatchObject({ code: "invalid_message" });
    const raw = await RawClient.greeted(url, { role: "operator", name: "anna" });
    onTestFinished(() => raw.socket.terminate());
    await raw.done("sandbox.joined", { type: "sandbox.join", sandboxId: "s" });
    const input = (fields: object) => ({
      type: "input",
      sandboxId: "s",
      events: [{ kind: "text", ...fields }],
    });
    for (const fields of [{ text: CANARY, [CANARY]: 1 }, { text: [CANARY] }, { kind: CANARY, text: CANARY }])
      await raw.refused(input(fields), "invalid_message");
    await raw.refused({ type: `input${CANARY}`, sandboxId: "s" }, "unknown_type");
    raw.raw(`{"type":"input","events":[{"text":"${CANARY}`);
    await raw.next("error", ({ code }) => code === "invalid_json");
    browser.hang();
    const lost = anna.input.text(CANARY).catch(() => {});
    await raw.ping();
    browser.crash();
    await lost;
    await expect(anna.input.text(CANARY)).rejects.toMatchObject({ code: "browser_unavailable" });
    await clean();
  });
});
