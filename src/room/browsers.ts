/** The browsers that this node started, and the way to every other one. */
import type { BrowserSource } from "../../protocol/http.ts";
import { BatonError } from "../../protocol/errors.ts";
import type { BrowserLink, BrowserProvider, LaunchedBrowser } from "../browser/browser.ts";

export class Browsers {
  readonly #provider: BrowserProvider;
  readonly #launched = new Map<string, Promise<LaunchedBrowser>>();

  constructor(provider: BrowserProvider) {
    this.#provider = provider;
  }

  /** Starts the browser of a sandbox; resolves when it runs. @throws BrowserError `browser_missing`, `browser_attach_failed` */
  async launch(sandboxId: string, url: string | undefined, signal: AbortSignal): Promise<void> {
    const running = this.#launched.get(sandboxId);
    if (running) return void (await running);
    const launching = this.#provider.launch({ ...(url !== undefined && { url }) });
    this.#launched.set(sandboxId, launching);
    try {
      await (await launching).endpoint(signal);
    } catch (error) {
      await this.release(sandboxId);
      throw error;
    }
  }

  /** Connects to the browser of a sandbox; reconnects until closed. */
  attach(sandboxId: string, source: BrowserSource): BrowserLink {
    return this.#provider.attach({ endpoint: async (signal) => this.#endpoint(sandboxId, source, signal) });
  }

  /** Resolves when there is a browser at the address. @throws BrowserError `browser_attach_failed` */
  async check(source: BrowserSource, signal: AbortSignal): Promise<void> {
    if (!("cdpUrl" in source)) return;
    const link = this.#provider.attach({ endpoint: async () => source.cdpUrl });
    try {
      await link.ready(signal);
    } finally {
      await link.close();
    }
  }

  /** Ends the sandbox's browser if this node started it. */
  async release(sandboxId: string): Promise<void> {
    const launched = this.#launched.get(sandboxId);
    this.#launched.delete(sandboxId);
    await (await launched?.catch(() => undefined))?.close();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#launched.keys()].map((sandboxId) => this.release(sandboxId)));
  }

  async #endpoint(sandboxId: string, source: BrowserSource, signal: AbortSignal): Promise<string> {
    if ("cdpUrl" in source) return source.cdpUrl;
    const launched = await this.#launched.get(sandboxId);
    if (!launched)
      throw new BatonError(
        "browser_unavailable",
        "The browser of this sandbox was started by a gateway that is gone. Attach a new one.",
      );
    return launched.endpoint(signal);
  }
}
