/** A page that hangs under the agent's hand: the person who takes over can leave it (C2). */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { BatonError } from "../../protocol/errors.ts";
import { chromiumProvider } from "../../src/browser/chromium.ts";
import { chromiumPath } from "../support/browser.ts";
import { startGateway, until } from "../support/gateway.ts";

/** Its whole surface is a button that never returns. */
const TRAP = `<title>trap</title><body onmousedown="navigator.sendBeacon('/pressed'); for (;;) {}" style="height: 100vh">`;

it(
  "C2: a person takes over from an agent whose page hangs, closes its tab, and then drives",
  { timeout: 60_000 },
  async () => {
    let pressed = (): void => {};
    const hangs = new Promise<void>((resolve) => {
      pressed = resolve;
    });
    const server = createServer((request, response) => {
      if (request.url === "/pressed") pressed();
      response.setHeader("content-type", "text/html").end(TRAP);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void server.close());
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const provider = chromiumProvider({ executablePath: await chromiumPath() });
    const launched = await provider.launch({ url: address });
    onTestFinished(() => launched.close());
    const { client } = await startGateway({ browsers: provider });
    const worker = client({ role: "worker" });
    await worker.createSandbox({
      sandboxId: "s",
      browser: { cdpUrl: await launched.endpoint(AbortSignal.timeout(20_000)) },
    });
    const agent = client({ role: "agent" }).sandbox("s");
    const anna = client({ role: "operator", name: "anna" }).sandbox("s");
    const trap = (await until(anna, ({ tabs }) => tabs.some(({ title }) => title === "trap"))).tabs[0];

    const stuck = agent.input.click(400, 300);
    await hangs;
    const taken = anna.takeControl();
    await until(anna, ({ sandbox }) => sandbox.control.phase === "draining");
    // What leaves the page may pass once the drain has taken so long that the page must hang.
    const opened = async (): Promise<boolean> =>
      anna.input.openTab().then(
        () => true,
        (error: unknown) => {
          if (error instanceof BatonError && error.code === "not_controller") return false;
          throw error;
        },
      );
    while (!(await opened()));
    await anna.input.closeTab(trap?.tabId ?? "");
    await Promise.all([stuck, taken]);
    expect(anna.current?.sandbox.control).toMatchObject({ phase: "active", controller: "anna" });
    await anna.input.text("free");
  },
);
