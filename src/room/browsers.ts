/**
 * The browsers that this node started, and the way to every other one.
 *
 * A launched browser is named `ws://…#<launchId>`. The store keeps the newest name: the address is where it was last
 * seen, the id says which profile is this sandbox's, and not one of an earlier sandbox of the same name.
 */
import { nanoid } from "nanoid";
import type { BrowserSource } from "../../protocol/http.ts";
import { BatonError } from "../../protocol/errors.ts";
import type { AttachOptions, BrowserLink, BrowserProvider, LaunchedBrowser } from "../browser/browser.ts";
import type { BrowserLogger } from "../browser/logger.ts";
import { checkNavigation } from "../targets/navigation.ts";
import type { TargetPolicy } from "../targets/policy.ts";
import { ProfileFolders, type ProfileId } from "../browser/profile-folders.ts";

export interface BrowsersOptions {
  /** Folder for the profiles of launched browsers. Without it they are temporary, and end with this process. */
  readonly profileDir?: string;
  /** The newest name of a launched browser that the store has. May reject: the link tries again. */
  readonly storedEndpoint: (sandboxId: string, signal: AbortSignal) => Promise<string | undefined>;
  /** A browser was started anew and has this name now. When it rejects, it is told again at the next occasion. */
  readonly started: (sandboxId: string, endpoint: string) => Promise<void> | void;
  /** Where a caller's `cdpUrl` may lead. Default: anywhere. */
  readonly cdpTargets?: TargetPolicy;
  /** What people, and the first address of a launched browser, may open. Default: anything. */
  readonly navigation?: TargetPolicy;
  readonly logger?: BrowserLogger;
}

export interface LaunchResult {
  /** What the store keeps for this browser. */
  readonly endpoint: string;
  /** For a caller that does not need it after all. When nobody does, the browser ends and its profile goes. */
  readonly abandon: () => Promise<void>;
}

interface Launched {
  readonly launchId: string;
  readonly browser: Promise<LaunchedBrowser>;
  /** Calls that wait for it or were given it; without one it ends. */
  users: number;
  /** The name that the store knows, or is being told. */
  known: string | undefined;
}

export class Browsers {
  readonly #provider: BrowserProvider;
  readonly #options: BrowsersOptions;
  readonly #profiles: ProfileFolders | undefined;
  readonly #launched = new Map<string, Launched>();
  /** Those that the store did not know at the last look. */
  readonly #unknown = new WeakSet<Launched>();
  /** Grows with every removal: what was read of the store before one may be out of date. */
  #taken = 0;
  #closed = false;

  constructor(provider: BrowserProvider, options: BrowsersOptions) {
    this.#provider = provider;
    this.#options = options;
    const { profileDir, logger } = options;
    if (profileDir !== undefined) this.#profiles = new ProfileFolders(profileDir, logger);
  }

  /**
   * Starts the browser of a new sandbox; resolves when it runs. `started` is not called for it.
   * @throws BrowserError `browser_missing`, `browser_attach_failed`; BatonError `unavailable`, `target_refused`
   */
  async launch(sandboxId: string, url: string | undefined, signal: AbortSignal): Promise<LaunchResult> {
    const { navigation } = this.#options;
    if (url !== undefined && navigation) await checkNavigation(navigation, url);
    if (this.#closed) throw shuttingDown();
    const launched = this.#launched.get(sandboxId) ?? this.#begin({ sandboxId, launchId: nanoid() }, url);
    launched.users += 1;
    const abandon = async (): Promise<void> => {
      launched.users -= 1;
      if (launched.users > 0) return;
      if (this.#launched.get(sandboxId) === launched) this.#launched.delete(sandboxId);
      await discard(launched);
    };
    try {
      const url = await (await launched.browser).endpoint(signal);
      launched.known = nameOf(url, launched);
      return { endpoint: launched.known, abandon };
    } catch (error) {
      await abandon();
      throw error;
    }
  }

  /** Connects to the browser of a sandbox; reconnects until closed. */
  attach(sandboxId: string, source: BrowserSource): BrowserLink {
    return this.#provider.attach({
      endpoint: async (signal) => this.#endpoint(sandboxId, source, signal),
      ...this.#policies(source),
    });
  }

  /**
   * Resolves when there is a browser at the address.
   * @throws BrowserError `browser_attach_failed`; BatonError `target_refused`
   */
  async check(source: BrowserSource, signal: AbortSignal): Promise<void> {
    if (!("cdpUrl" in source)) return;
    const link = this.#provider.attach({ endpoint: async () => source.cdpUrl, ...this.#policies(source) });
    try {
      await link.ready(signal);
    } finally {
      await link.close();
    }
  }

  /**
   * Takes a removed sandbox's browser out of reach: whoever makes the sandbox anew gets another.
   * @returns what ends it, if this node started it, and removes its profile, if this machine has it
   */
  take(sandboxId: string): () => Promise<void> {
    this.#taken += 1;
    const launched = this.#launched.get(sandboxId);
    this.#launched.delete(sandboxId);
    return async () => {
      if (launched) await discard(launched);
      await this.#removeProfiles((id) => id.sandboxId === sandboxId).catch((error: unknown) => {
        this.#options.logger?.warn(
          { err: error, sandboxId },
          "a removed sandbox's profile could not be looked for; the next start of a gateway removes it",
        );
      });
    };
  }

  /**
   * Removes the profiles of sandboxes that were removed while no gateway of this machine ran. Resolves to how many.
   * Rejects when the folder cannot be read, or with what `existing` or `storedEndpoint` rejects with.
   */
  async sweep(existing: (sandboxId: string) => Promise<boolean>): Promise<number> {
    const gone = new Map<string, boolean>();
    return this.#removeProfiles(async ({ sandboxId }) => {
      const known = gone.get(sandboxId) ?? !(await existing(sandboxId));
      gone.set(sandboxId, known);
      // Of one that exists, the profiles of earlier ones of its name; of which the store must know the newest.
      return known || (await this.#stored(sandboxId)) !== undefined;
    });
  }

  /**
   * Ends browsers of this node whose sandboxes another node removed, or made anew: those that the store did not know
   * at two looks in a row, so none that is only just being made. To be called every half minute or so.
   * @throws what `storedEndpoint` rejects with
   */
  async reap(): Promise<void> {
    for (const [sandboxId, launched] of this.#launched) {
      const known = (await this.#stored(sandboxId))?.launchId === launched.launchId;
      if (known || this.#launched.get(sandboxId) !== launched) this.#unknown.delete(launched);
      else if (!this.#unknown.has(launched)) this.#unknown.add(launched);
      else await this.take(sandboxId)();
    }
  }

  /** Ends the browsers of this node. Kept profiles stay, for the next process. */
  async close(): Promise<void> {
    this.#closed = true;
    const all = [...this.#launched.values()];
    this.#launched.clear();
    await Promise.all(all.map(async ({ browser }) => (await browser.catch(() => undefined))?.close()));
  }

  /** By what was asked for, not by what the store says of it: only a caller's own address need be checked. */
  #policies(source: BrowserSource): Pick<AttachOptions, "targets" | "navigation"> {
    const { cdpTargets, navigation } = this.#options;
    return {
      ...("cdpUrl" in source && cdpTargets && { targets: cdpTargets }),
      ...(navigation && { navigation }),
    };
  }

  async #endpoint(sandboxId: string, source: BrowserSource, signal: AbortSignal): Promise<string> {
    if ("cdpUrl" in source) return source.cdpUrl;
    const found = await this.#find(sandboxId, signal);
    if (typeof found === "string") return found;
    const url = await (await found.browser).endpoint(signal);
    this.#tell(sandboxId, found, url);
    return url;
  }

  /** @throws BatonError `browser_unavailable`, `unavailable` */
  async #find(sandboxId: string, signal: AbortSignal): Promise<Launched | string> {
    for (;;) {
      if (this.#closed) throw shuttingDown();
      const here = this.#launched.get(sandboxId);
      if (here) return here;
      const taken = this.#taken;
      const stored = await this.#stored(sandboxId, signal);
      // Where it was last seen comes first: on this machine, another gateway may have started it again.
      if (stored && (await this.#provider.answers(stored.url, signal))) return stored.url;
      const id = stored && { sandboxId, launchId: stored.launchId };
      const kept = id && (await this.#profiles?.has(id));
      if (this.#closed || taken !== this.#taken || this.#launched.has(sandboxId)) continue;
      if (id && kept) return this.#begin(id, undefined, stored.name);
      throw new BatonError(
        "browser_unavailable",
        "The browser of this sandbox was started by a gateway that is gone, and its profile is not on this machine. " +
          "Start that gateway again, or remove the sandbox and create it anew.",
      );
    }
  }

  #begin(id: ProfileId, url: string | undefined, known?: string): Launched {
    const browser = this.#provider.launch({
      ...(url !== undefined && { url }),
      ...(this.#profiles && { userDataDir: this.#profiles.path(id) }),
    });
    const launched: Launched = { launchId: id.launchId, browser, users: 0, known };
    this.#launched.set(id.sandboxId, launched);
    // Without a Chromium there is nothing to keep; the next one who asks tries again.
    browser.catch(() => {
      if (this.#launched.get(id.sandboxId) === launched) this.#launched.delete(id.sandboxId);
    });
    return launched;
  }

  #tell(sandboxId: string, launched: Launched, url: string): void {
    const name = nameOf(url, launched);
    if (launched.known === name) return;
    launched.known = name;
    // Nobody waits for it: the browser is there, also while the store is not.
    void (async () => this.#options.started(sandboxId, name))().catch((error: unknown) => {
      if (launched.known === name) launched.known = undefined;
      this.#options.logger?.warn(
        { err: error, sandboxId },
        "where a browser is now could not be stored; other gateways find it after the next reconnection",
      );
    });
  }

  async #stored(
    sandboxId: string,
    signal = AbortSignal.timeout(STORE_TIMEOUT_MS),
  ): Promise<{ name: string; url: string; launchId: string } | undefined> {
    const name = await this.#options.storedEndpoint(sandboxId, signal);
    // Nothing else is a launched browser's: they listen on loopback, and are reached whatever the policy says.
    const [, url, launchId] =
      /^(ws:\/\/127\.0\.0\.1:\d{1,5}\/devtools\/browser\/[^#]*)#([A-Za-z0-9_-]{1,32})$/.exec(name ?? "") ??
      [];
    return name === undefined || url === undefined || launchId === undefined
      ? undefined
      : { name, url, launchId };
  }

  /** Removes what may go and is nobody's: neither this node's, nor the one that the store names. */
  async #removeProfiles(mayGo: (id: ProfileId) => boolean | Promise<boolean>): Promise<number> {
    if (!this.#profiles) return 0;
    let removed = 0;
    for (const id of await this.#profiles.list()) {
      if (!(await mayGo(id))) continue;
      if ((await this.#stored(id.sandboxId))?.launchId === id.launchId) continue;
      if (this.#launched.get(id.sandboxId)?.launchId === id.launchId) continue;
      if (await this.#profiles.remove(id)) removed += 1;
    }
    return removed;
  }
}

const STORE_TIMEOUT_MS = 5_000;

function nameOf(url: string, { launchId }: Launched): string {
  return `${url}#${launchId}`;
}

async function discard({ browser }: Launched): Promise<void> {
  await (await browser.catch(() => undefined))?.discard();
}

function shuttingDown(): BatonError {
  return new BatonError("unavailable", "The gateway is shutting down. Connect again in a moment.");
}
