/** The browsers that this node started, and the way to every other one. */
import type { BrowserSource } from "../../protocol/http.ts";
import { BatonError } from "../../protocol/errors.ts";
import type { BrowserLink, BrowserProvider, LaunchedBrowser } from "../browser/browser.ts";

interface Launched {
  readonly browser: Promise<LaunchedBrowser>;
  /** Calls that wait for it or were given it; without one it ends. */
  users: number;
}

export class Browsers {
  readonly #provider: BrowserProvider;
  readonly #launched = new Map<string, Launched>();

  constructor(provider: BrowserProvider) {
    this.#provider = provider;
  }

  /**
   * Starts the browser of a sandbox; resolves when it runs, to what a caller calls that does not need it after all.
   * @throws BrowserError `browser_missing`, `browser_attach_failed`
   */
  async launch(
    sandboxId: string,
    url: string | undefined,
    signal: AbortSignal,
  ): Promise<() => Promise<void>> {
    const launched = this.#launched.get(sandboxId) ?? {
      browser: this.#provider.launch({ ...(url !== undefined && { url }) }),
      users: 0,
    };
    this.#launched.set(sandboxId, launched);
    launched.users += 1;
    const abandon = async (): Promise<void> => {
      launched.users -= 1;
      if (launched.users > 0) return;
      if (this.#launched.get(sandboxId) === launched) this.#launched.delete(sandboxId);
      await end(launched);
    };
    try {
      await (await launched.browser).endpoint(signal);
    } catch (error) {
      await abandon();
      throw error;
    }
    return abandon;
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

  /**
   * Takes a sandbox's browser out of reach, if this node started one: whoever makes the sandbox anew gets another.
   * @returns what ends it
   */
  take(sandboxId: string): () => Promise<void> {
    const launched = this.#launched.get(sandboxId);
    this.#launched.delete(sandboxId);
    return async () => {
      if (launched) await end(launched);
    };
  }

  async close(): Promise<void> {
    await Promise.all([...this.#launched.keys()].map((sandboxId) => this.take(sandboxId)()));
  }

  async #endpoint(sandboxId: string, source: BrowserSource, signal: AbortSignal): Promise<string> {
    if ("cdpUrl" in source) return source.cdpUrl;
    const launched = await this.#launched.get(sandboxId)?.browser;
    if (!launched)
      throw new BatonError(
        "browser_unavailable",
        "The browser of this sandbox was started by a gateway that is gone. Attach a new one.",
      );
    return launched.endpoint(signal);
  }
}

async function end({ browser }: Launched): Promise<void> {
  await (await browser.catch(() => undefined))?.close();
}
