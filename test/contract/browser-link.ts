/**
 * What every browser link must do (`src/browser/browser.ts`). Each implementation calls this with a factory of its
 * own; nothing in here knows which one it talks to, and it waits for events, never for time.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { BrowserLink, Frame, LinkStatus } from "../../src/browser/browser.ts";
import { next, shownTab, until } from "../unit/browser/bench.ts";

export interface BrowserHarness {
  /** A new link to the running browser. */
  attach(): BrowserLink;
  /** A link to an address where no browser is. */
  attachNowhere(): BrowserLink;
  /** Makes the shown page a fresh one that records its input. */
  freshPage(link: BrowserLink): Promise<void>;
  /** The input that the shown page has got, once `last` is among it: "mousedown", "keyup a" and the like. */
  seen(link: BrowserLink, last: string): Promise<string[]>;
  /** The shown page opens a popup. */
  openPopup(link: BrowserLink): Promise<void>;
  /** The shown page opens an alert. */
  openAlert(link: BrowserLink): Promise<void>;
  /** The page takes no input until `wake`. */
  freeze(link: BrowserLink): Promise<void>;
  wake(link: BrowserLink): Promise<void>;
  /** The browser's process dies; the link can find it again. */
  kill(link: BrowserLink): Promise<void>;
  close(): Promise<void>;
}

export function browserLinkContract(name: string, start: () => Promise<BrowserHarness>): void {
  describe(`browser link: ${name}`, () => {
    let harness: BrowserHarness;
    let link: BrowserLink;
    beforeAll(async () => {
      harness = await start();
    });
    afterAll(() => harness.close());
    beforeEach(async () => {
      link = harness.attach();
      await link.ready();
      await harness.freshPage(link);
    });
    afterEach(() => link.close());

    it("is live once it is ready, with one shown tab and no dialog", () => {
      expect(link.status).toBe("live");
      expect(link.tabs.filter((tab) => tab.active)).toHaveLength(1);
      expect(link.dialog).toBeNull();
    });

    it("rejects ready with browser_attach_failed when there is no browser", async () => {
      const nowhere = harness.attachNowhere();
      await expect(nowhere.ready()).rejects.toMatchObject({ code: "browser_attach_failed" });
      await nowhere.close();
    });

    it("puts events into the page in the order of the calls, without waiting for answers", async () => {
      const calls = [
        link.dispatch({ kind: "mouse", action: "down", x: 400, y: 300, button: "left" }),
        link.dispatch({ kind: "mouse", action: "up", x: 400, y: 300, button: "left" }),
        link.dispatch({ kind: "key", action: "down", key: "a", text: "a" }),
        link.dispatch({ kind: "key", action: "up", key: "a" }),
      ];
      await Promise.all(calls);
      const seen = await harness.seen(link, "keyup a");
      expect(seen).toEqual(["mousedown", "mouseup", "keydown a", "keyup a"]);
    });

    it("C5: drain releases what is still held, in the page, once", async () => {
      await link.dispatch({ kind: "key", action: "down", key: "Shift", code: "ShiftLeft", modifiers: 8 });
      await link.dispatch({ kind: "mouse", action: "down", x: 400, y: 300 });
      await link.drain();
      const seen = await harness.seen(link, "keyup Shift");
      expect(seen).toEqual(["keydown Shift", "mousedown", "mouseup", "keyup Shift"]);
      await link.drain();
      await link.dispatch({ kind: "key", action: "down", key: "b", text: "b" });
      await link.dispatch({ kind: "key", action: "up", key: "b" });
      expect(await harness.seen(link, "keyup b")).toEqual(["keydown b", "keyup b"]);
    });

    it("C2: drain is pending while the page has not handled what was sent", async () => {
      await harness.freeze(link);
      const sent = link.dispatch({ kind: "key", action: "down", key: "a", text: "a" });
      let drained = false;
      const drain = link.drain().then(() => (drained = true));
      // The browser answers, the page doesn't: a round trip that overtakes the drain.
      await link.probe(5_000);
      expect(drained).toBe(false);
      await harness.wake(link);
      await Promise.all([sent, drain]);
      expect(await harness.seen(link, "keyup a")).toEqual(["keydown a", "keyup a"]);
    });

    it("C6: an event is dropped when it may no longer leave, also after it waited its turn", async () => {
      const press = (key: string, mayLeave?: () => boolean): Promise<void> =>
        link.dispatch({ kind: "key", action: "down", key, text: key }, mayLeave);
      await expect(press("a", () => false)).rejects.toMatchObject({ code: "fenced" });
      let allowed = true;
      // Selecting takes several commands; what follows waits behind them.
      const select = link.dispatch({ kind: "tab", action: "select", tabId: shownTab(link) });
      const waiting = press("b", () => allowed);
      allowed = false;
      await expect(waiting).rejects.toMatchObject({ code: "fenced" });
      await select;
      await press("c");
      await link.dispatch({ kind: "key", action: "up", key: "c" });
      expect(await harness.seen(link, "keyup c")).toEqual(["keydown c", "keyup c"]);
    });

    it("follows a popup, and goes back to its opener when it closes", async () => {
      const opener = shownTab(link);
      await harness.openPopup(link);
      await until(link, () => link.tabs.some((tab) => tab.active && tab.tabId !== opener));
      const popup = shownTab(link);
      await link.dispatch({ kind: "tab", action: "close", tabId: popup });
      await until(link, () => shownTab(link) === opener);
      expect(link.tabs.map((tab) => tab.tabId)).not.toContain(popup);
    });

    it("opens, selects and closes tabs; what follows goes to the tab that is shown then", async () => {
      const first = shownTab(link);
      await link.dispatch({ kind: "tab", action: "open" });
      const second = shownTab(link);
      expect(second).not.toBe(first);
      const select = link.dispatch({ kind: "tab", action: "select", tabId: first });
      const down = link.dispatch({ kind: "key", action: "down", key: "a", text: "a" });
      const up = link.dispatch({ kind: "key", action: "up", key: "a" });
      await Promise.all([select, down, up]);
      expect(shownTab(link)).toBe(first);
      expect(await harness.seen(link, "keyup a")).toEqual(["keydown a", "keyup a"]);
      await link.dispatch({ kind: "tab", action: "close", tabId: second });
      expect(link.tabs.map((tab) => tab.tabId)).not.toContain(second);
    });

    it("refuses what makes no sense with invalid_message", async () => {
      const refused = { code: "invalid_message" };
      await expect(link.dispatch({ kind: "navigate", to: "url" })).rejects.toMatchObject(refused);
      await expect(link.dispatch({ kind: "tab", action: "select" })).rejects.toMatchObject(refused);
      await expect(link.dispatch({ kind: "tab", action: "close", tabId: "none" })).rejects.toMatchObject(
        refused,
      );
      await expect(link.dispatch({ kind: "dialog", accept: true })).rejects.toMatchObject(refused);
    });

    it("tells of a dialog, keeps input out of the page meanwhile, and answers it", async () => {
      await harness.openAlert(link);
      await until(link, () => link.dialog !== null);
      expect(link.dialog).toMatchObject({ type: "alert", message: "stop" });
      const key = link.dispatch({ kind: "key", action: "down", key: "x", text: "x" });
      await expect(key).rejects.toMatchObject({ code: "browser_unavailable" });
      await link.drain();
      await link.dispatch({ kind: "dialog", accept: true });
      await until(link, () => link.dialog === null);
    });

    it("P1: sends a picture at once, also of a page that does not move and when it is started again", async () => {
      for (const quality of [60, 30]) {
        const picture = next<Frame>(link, (found) => ({ frame: (frame, done) => (done(), found(frame)) }));
        link.startScreencast({ quality });
        const frame = await picture;
        expect([...(frame.decode(0)?.subarray(0, 2) ?? [])]).toEqual([0xff, 0xd8]);
        expect([frame.viewportWidth, frame.viewportHeight]).toEqual([1280, 800]);
        expect(frame.tabId).toBe(shownTab(link));
      }
      link.stopScreencast();
      const picture = next<Frame>(link, (found) => ({ frame: (frame) => found(frame) }));
      link.startScreencast({ quality: 30 });
      await picture;
    });

    it("pictures follow the shown tab; calling done twice or late does no harm", async () => {
      const late: (() => void)[] = [];
      const tabIds: string[] = [];
      const off = link.subscribe({
        frame(frame, done) {
          tabIds.push(frame.tabId);
          late.push(done);
          done();
          done();
        },
      });
      link.startScreencast({ quality: 40 });
      const first = shownTab(link);
      const picture = next<Frame>(link, (found) => ({
        frame: (frame) => void (frame.tabId !== first && found(frame)),
      }));
      await link.dispatch({ kind: "tab", action: "open" });
      const second = shownTab(link);
      expect((await picture).tabId).toBe(second);
      for (const done of late) done();
      const back = next<Frame>(link, (found) => ({
        frame: (frame) => void (frame.tabId === first && found(frame)),
      }));
      await link.dispatch({ kind: "tab", action: "select", tabId: first });
      await back;
      expect(tabIds.lastIndexOf(second)).toBeLessThan(tabIds.lastIndexOf(first));
      off();
      await link.dispatch({ kind: "tab", action: "close", tabId: second });
    });

    it("finds the browser again after it died, and says so", async () => {
      const states: LinkStatus[] = [];
      link.subscribe({ status: (status) => states.push(status) });
      const first = next<Frame>(link, (found) => ({ frame: (frame) => found(frame) }));
      link.startScreencast({ quality: 40 });
      await first;
      const pending = link.dispatch({ kind: "mouse", action: "down", x: 400, y: 300 });
      const picture = new Promise<void>((resolve) => {
        link.subscribe({ frame: () => void (states.length > 0 && resolve()) });
      });
      await harness.kill(link);
      await pending;
      await until(link, () => link.status === "live" && states.length >= 2);
      expect(states).toEqual(["reconnecting", "live"]);
      await picture;
      expect(await link.probe(5_000)).toBe(true);
      await link.drain();
    });

    it("says what the browser is and where, only while it is live", async () => {
      expect(link.endpoint).toMatch(/^wss?:\/\//);
      const { protocolVersion, product } = await link.version();
      expect(protocolVersion).toMatch(/^\d+\.\d+$/);
      expect(product).toMatch(/^\w+\/[\d.]+$/);
      expect(await link.cookieValues()).toBeInstanceOf(Set);
      await link.forgetConsole();
      await link.close();
      expect(link.endpoint).toBeUndefined();
      await expect(link.version()).rejects.toMatchObject({ code: "browser_unavailable" });
      expect(await link.cookieValues()).toEqual(new Set());
      await link.forgetConsole();
    });

    it("is gone after close, and refuses input with browser_unavailable", async () => {
      await link.close();
      expect(link.status).toBe("gone");
      const key = link.dispatch({ kind: "key", action: "down", key: "a" });
      await expect(key).rejects.toMatchObject({ code: "browser_unavailable" });
      await link.drain();
      expect(await link.probe(100)).toBe(false);
    });
  });
}
