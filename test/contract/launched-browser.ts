/**
 * What every launched browser must do (`LaunchedBrowser` and the provider's part of it in `src/browser/browser.ts`).
 * A new provider stands for another gateway process on the same machine.
 */
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { BrowserLink, BrowserProvider, LaunchedBrowser } from "../../src/browser/browser.ts";
import { until } from "../unit/browser/bench.ts";

export interface LaunchHarness {
  /** A provider that shares nothing with those before but the machine. */
  provider(): BrowserProvider;
  /** Addresses of three pages that load. */
  readonly pages: readonly [string, string, string];
  /** The process dies at once. Resolves when it has. */
  kill(browser: LaunchedBrowser): Promise<void>;
  close(): Promise<void>;
}

const soon = (): AbortSignal => AbortSignal.timeout(15_000);

export function launchedBrowserContract(name: string, start: () => Promise<LaunchHarness>): void {
  describe(`launched browser: ${name}`, () => {
    let harness: LaunchHarness;
    let folder: string;
    const cleanups: (() => Promise<unknown>)[] = [];
    beforeEach(async () => {
      harness = await start();
      const root = await mkdtemp(join(tmpdir(), "baton-test-"));
      folder = join(root, "profile");
      cleanups.push(
        () => harness.close(),
        () => rm(root, { recursive: true, force: true, maxRetries: 10 }),
      );
    });
    afterEach(async () => {
      for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
    });

    /** As a gateway process that has it: the browser, and a link to it. */
    const launch = async (
      url?: string,
    ): Promise<{ provider: BrowserProvider; browser: LaunchedBrowser; link: BrowserLink }> => {
      const provider = harness.provider();
      const browser = await provider.launch({ userDataDir: folder, ...(url !== undefined && { url }) });
      cleanups.push(() => browser.close());
      const link = provider.attach({ endpoint: (signal) => browser.endpoint(signal) });
      cleanups.push(() => link.close());
      await link.ready();
      return { provider, browser, link };
    };
    const urls = (link: BrowserLink): string[] => link.tabs.map((tab) => tab.url).toSorted();
    const opens = (link: BrowserLink, ...wanted: string[]): Promise<void> =>
      until(link, () => wanted.every((url) => urls(link).includes(url)));

    it("a kept profile comes back with its pages, in place of the first one, for another process; a damaged record stops nobody", async () => {
      const [first, second, third] = harness.pages;
      const before = await launch(first);
      await opens(before.link, first);
      await before.link.dispatch({ kind: "tab", action: "open" });
      await before.link.dispatch({ kind: "navigate", to: "url", url: second });
      await opens(before.link, first, second);
      await before.link.close();
      const old = await before.browser.endpoint(soon());
      expect(await before.provider.answers(old, soon())).toBe(true);
      await before.browser.close();
      expect(await before.provider.answers(old, soon())).toBe(false);
      expect((await stat(folder)).mode & 0o777).toBe(0o700);

      const after = await launch(third);
      await opens(after.link, first, second);
      expect(urls(after.link).filter((url) => url.startsWith("http"))).toEqual([first, second].toSorted());
      const now = await after.browser.endpoint(soon());
      expect(now).not.toBe(old);
      expect(await before.provider.answers(now, soon())).toBe(true);
      await after.link.close();
      await after.browser.close();

      const record = join(folder, "baton.json");
      expect(JSON.parse(await readFile(record, "utf8"))).toMatchObject({ version: 1 });
      await writeFile(record, '{"version":1,"urls":["http');
      const damaged = await launch();
      expect(damaged.link.status).toBe("live");
      await damaged.browser.discard();
      await expect(stat(folder)).rejects.toMatchObject({ code: "ENOENT" });
    });

    it("is started anew with its pages, under another endpoint, when it was killed", async () => {
      const [first] = harness.pages;
      const { browser, link, provider } = await launch(first);
      await opens(link, first);
      const old = await browser.endpoint(soon());
      await harness.kill(browser);
      expect(await provider.answers(old, soon())).toBe(false);
      const [now, same] = await Promise.all([browser.endpoint(soon()), browser.endpoint(soon())]);
      expect(now).not.toBe(old);
      expect(same).toBe(now);
      await opens(link, first);
    });

    it("a second one on the same profile is the first, and outlives whoever did not start it", async () => {
      const owner = await launch(harness.pages[0]);
      const other = await launch();
      const endpoint = await owner.browser.endpoint(soon());
      expect(await other.browser.endpoint(soon())).toBe(endpoint);
      expect(other.browser.pid).toBeUndefined();
      await other.link.close();
      await other.browser.discard();
      expect(await owner.provider.answers(endpoint, soon())).toBe(true);
      expect((await stat(folder)).isDirectory()).toBe(true);
    });

    it("is not started again after it was closed", async () => {
      const browser = await harness.provider().launch({ userDataDir: folder });
      await browser.close();
      await expect(browser.endpoint(soon())).rejects.toMatchObject({ code: "browser_unavailable" });
      await browser.discard();
    });
  });
}
