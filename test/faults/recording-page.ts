/** The sandbox's browser: a real Chromium on a page that keeps a record of every input that reaches it. */
import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { WebSocket } from "ws";
import { ChromiumProcess } from "../../src/browser/launch-chromium.ts";
import { chromiumPath } from "../support/browser.ts";
import { within } from "../support/inbox.ts";

const PAGE = `<!doctype html><title>record</title><textarea autofocus></textarea><script>
const record = (window.__record = []);
const field = document.querySelector("textarea");
field.addEventListener("input", ({ data }) => {
  record.push({ n: record.length + 1, at: Date.now(), text: data ?? field.value });
  field.value = "";
});
field.addEventListener("blur", () => field.focus());
field.focus();
</script>`;

export interface Recorded {
  readonly n: number;
  readonly at: number;
  /** What one input inserted. */
  readonly text: string;
}

export class RecordingPage {
  /** What a sandbox is attached to. */
  readonly cdpUrl: string;
  readonly #chromium: ChromiumProcess;
  readonly #close: () => void;

  static async open(): Promise<RecordingPage> {
    const server = createServer((_, response) => {
      response.writeHead(200, { "content-type": "text/html" }).end(PAGE);
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const chromium = new ChromiumProcess({
      executablePath: await chromiumPath(),
      url: `http://127.0.0.1:${port}/`,
    });
    const close = (): void => {
      server.close();
      server.closeAllConnections();
    };
    try {
      const endpoint = await chromium.endpoint(AbortSignal.timeout(30_000));
      const page = new RecordingPage(endpoint, chromium, close);
      // The first read proves that the document is there.
      await page.record();
      return page;
    } catch (error) {
      close();
      await chromium.close();
      throw error;
    }
  }

  private constructor(cdpUrl: string, chromium: ChromiumProcess, close: () => void) {
    this.cdpUrl = cdpUrl;
    this.#chromium = chromium;
    this.#close = close;
  }

  async record(): Promise<Recorded[]> {
    const response = await fetch(`http://${new URL(this.cdpUrl).host}/json/list`);
    const targets = (await response.json()) as { type: string; webSocketDebuggerUrl: string }[];
    const target = targets.find(({ type }) => type === "page");
    if (!target) throw new Error("the recording page is gone");
    const socket = new WebSocket(target.webSocketDebuggerUrl);
    try {
      await within(once(socket, "open"), "the connection to the recording page");
      const answer = once(socket, "message");
      // The document is on its way at first: the call that finds none there fails with it, and is made again.
      const expression = `new Promise((resolve) => {
        const look = () => (window.__record ? resolve(window.__record) : setTimeout(look, 10));
        look();
      })`;
      const params = { expression, awaitPromise: true, returnByValue: true };
      socket.send(JSON.stringify({ id: 1, method: "Runtime.evaluate", params }));
      const [data] = (await within(answer, "the page's record")) as [Buffer];
      const { result } = JSON.parse(data.toString("utf8")) as {
        result?: { result: { value: Recorded[] } };
      };
      return result ? result.result.value : await this.record();
    } finally {
      socket.terminate();
    }
  }

  async close(): Promise<void> {
    await this.#chromium.close();
    this.#close();
  }
}
