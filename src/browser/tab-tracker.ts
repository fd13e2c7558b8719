import type { Protocol } from "devtools-protocol";
import { BrowserError, type LinkTab } from "./browser.ts";
import type { CdpConnection } from "./cdp-connection.ts";
import type { BrowserLogger } from "./logger.ts";
import { PageTab } from "./page-tab.ts";
import { within } from "./within.ts";

/** A page that opens windows without end must not take the gateway with it: tabs beyond these are not followed. */
const MAX_TABS = 200;
/** How long a page may take to say whether it is visible before it counts as busy. */
const VISIBILITY_TIMEOUT_MS = 300;
/** Round trips to a page until it is taken for visible, though it says that it is not. */
const MAX_LOOKS = 20;
/** How long the browser may take to open or close a tab that a person asked for. */
const TAB_TIMEOUT_MS = 2_000;
/** A page that crashes again and again is left alone after this many reloads within the window. */
const MAX_CRASH_RELOADS = 3;
const CRASH_WINDOW_MS = 30_000;

export interface TabHooks {
  /** Something that `tabs` or `active` shows has changed. */
  changed(): void;
  /** A dialog opened or closed in the tab. */
  dialog(tab: PageTab): void;
  /** The tab closed, crashed or is otherwise done with what it was sent. */
  removed(tab: PageTab): void;
  dragIntercepted(tab: PageTab, data: Protocol.Input.DragData): void;
}

/** Follows the pages of one connected browser and decides which of them is shown. */
export class TabTracker {
  readonly #connection: CdpConnection;
  readonly #hooks: TabHooks;
  readonly #logger: BrowserLogger;
  readonly #tabs = new Map<string, PageTab>();
  /** Latest information of each page target, attached or on its way to be. */
  readonly #known = new Map<string, Protocol.Target.TargetInfo>();
  readonly #waiters = new Set<() => void>();
  #active: PageTab | undefined;
  /** Grows with every choice of a tab: what a page said about itself before the latest one is out of date. */
  #activations = 0;
  /** Ids of formerly active tabs, the latest last. */
  #recent: string[] = [];
  #following = false;

  constructor(connection: CdpConnection, hooks: TabHooks, logger: BrowserLogger) {
    this.#connection = connection;
    this.#hooks = hooks;
    this.#logger = logger;
  }

  get active(): PageTab | undefined {
    return this.#active;
  }

  get(tabId: string): PageTab | undefined {
    return this.#tabs.get(tabId);
  }

  get blocked(): Set<string> {
    const blocking = [...this.#tabs.values()].filter(({ dialog }) => dialog !== null);
    return new Set(blocking.flatMap(({ tabId, dialogFrameId }) => [tabId, dialogFrameId ?? tabId]));
  }

  list(): LinkTab[] {
    return [...this.#tabs.values()].map((tab) => tab.toTab(tab === this.#active));
  }

  /** Resolves once every open page is attached and one of them is active. Opens a page if there is none. */
  async start(): Promise<void> {
    const { browser } = this.#connection;
    const first: Promise<void>[] = [];
    // Discovery and attaching by hand, not Target.setAutoAttach: with that, Chromium pauses every popup (and with it
    // its opener) until this client resumes it, also when it was told not to wait for a debugger.
    browser.on("Target.targetCreated", ({ targetInfo }) => {
      const adopted = this.#adopt(targetInfo);
      if (this.#following) void adopted.then((tab) => tab && this.#follow(tab));
      else first.push(adopted.then(() => {}));
    });
    browser.on("Target.targetInfoChanged", ({ targetInfo }) => this.#update(targetInfo));
    browser.on("Target.targetDestroyed", ({ targetId }) => this.#remove(targetId));
    browser.on("Target.detachedFromTarget", ({ sessionId }) => {
      for (const tab of this.#tabs.values()) if (tab.session.id === sessionId) this.#remove(tab.tabId);
    });
    await browser.send("Target.setDiscoverTargets", { discover: true });
    // Attaching is answered by the browser process, so that a page that hangs holds up nobody.
    await Promise.all(first);
    this.#following = true;
    if (this.#tabs.size === 0) await this.open();
    else this.#activate((await this.#visibleTab()) ?? [...this.#tabs.values()].at(-1));
  }

  /** Asks for titles and addresses anew; Chromium tells nobody when a script changes the title. */
  async refresh(): Promise<void> {
    const { targetInfos } = await this.#connection.browser.send("Target.getTargets", {});
    for (const info of targetInfos) this.#update(info);
  }

  async open(): Promise<void> {
    const { targetId } = await this.#connection.browser.send("Target.createTarget", { url: "about:blank" });
    await this.#until(() => this.#tabs.has(targetId));
    this.#activate(this.#tabs.get(targetId));
  }

  async select(tab: PageTab): Promise<void> {
    await this.#connection.browser.send("Target.activateTarget", { targetId: tab.tabId });
    // Before that the page still says that it is hidden, which would count as another tab being in front.
    await this.#comesToFront(tab);
    this.#activate(this.#tabs.get(tab.tabId));
  }

  async close(tab: PageTab): Promise<void> {
    await this.#connection.browser.send("Target.closeTarget", { targetId: tab.tabId });
    await this.#until(() => !this.#tabs.has(tab.tabId));
  }

  /** Everything unanswered counts as handled. */
  end(): void {
    for (const tab of this.#tabs.values()) {
      tab.interrupt();
      this.#hooks.removed(tab);
    }
    this.#tabs.clear();
    this.#active = undefined;
    this.#notify();
  }

  async #adopt(info: Protocol.Target.TargetInfo): Promise<PageTab | undefined> {
    if (!isPage(info) || this.#known.has(info.targetId)) return undefined;
    if (this.#known.size >= MAX_TABS) {
      this.#logger.warn({ maxTabs: MAX_TABS }, "the browser has too many tabs; the newest is not followed");
      return undefined;
    }
    this.#known.set(info.targetId, info);
    const session = await this.#connection.attach(info.targetId).catch(() => undefined);
    const latest = this.#known.get(info.targetId);
    if (!session || session.closed || !latest) {
      this.#known.delete(info.targetId);
      return undefined;
    }
    const tab = new PageTab(info.targetId, session, info.openerId);
    tab.title = latest.title;
    tab.url = latest.url;
    this.#tabs.set(tab.tabId, tab);
    this.#listen(tab);
    // Without it there are no dialog events, and Chromium answers dialogs by itself.
    session.post("Page.enable");
    this.#refreshHistory(tab);
    this.#hooks.changed();
    this.#notify();
    return tab;
  }

  #listen(tab: PageTab): void {
    const { session } = tab;
    const isMain = (frameId: string): boolean => frameId === tab.tabId;
    const setLoading = (loading: boolean): void => {
      tab.loading = loading;
      this.#hooks.changed();
    };
    session.on("Page.frameStartedLoading", ({ frameId }) => void (isMain(frameId) && setLoading(true)));
    session.on("Page.frameStoppedLoading", ({ frameId }) => {
      if (!isMain(frameId)) return;
      setLoading(false);
      this.#refreshHistory(tab);
      this.#refreshTitle(tab);
    });
    session.on("Page.domContentEventFired", () => this.#refreshTitle(tab));
    session.on("Page.frameNavigated", ({ frame }) => void (isMain(frame.id) && this.#refreshHistory(tab)));
    session.on("Page.navigatedWithinDocument", ({ frameId }) => {
      if (!isMain(frameId)) return;
      this.#refreshHistory(tab);
      this.#refreshTitle(tab);
    });
    session.on("Page.javascriptDialogOpening", ({ type, message, defaultPrompt, frameId }) => {
      const prompt = defaultPrompt !== undefined && type === "prompt" ? { defaultPrompt } : {};
      tab.dialog = { type, message, ...prompt, openedAt: Date.now() };
      tab.dialogFrameId = frameId;
      tab.interrupt();
      this.#hooks.dialog(tab);
    });
    session.on("Page.javascriptDialogClosed", () => this.#dialogClosed(tab));
    session.on("Page.screencastVisibilityChanged", ({ visible }) => {
      // The agent, or a person on another node, brought another tab to the front.
      if (!visible && tab === this.#active) void this.#followVisible();
    });
    session.on("Input.dragIntercepted", ({ data }) => this.#hooks.dragIntercepted(tab, data));
    this.#reloadAfterCrash(tab);
  }

  #dialogClosed(tab: PageTab): void {
    if (!tab.dialog) return;
    tab.dialog = null;
    this.#hooks.dialog(tab);
  }

  #reloadAfterCrash(tab: PageTab): void {
    const crashes: number[] = [];
    tab.session.on("Inspector.targetCrashed", () => {
      tab.interrupt();
      this.#dialogClosed(tab);
      const now = performance.now();
      crashes.push(now);
      while ((crashes[0] ?? now) < now - CRASH_WINDOW_MS) crashes.shift();
      if (crashes.length > MAX_CRASH_RELOADS) {
        this.#logger.warn(
          { tabId: tab.tabId },
          "the page crashes again and again; it is not reloaded any more",
        );
        crashes.length = 0;
        return;
      }
      this.#logger.warn({ tabId: tab.tabId }, "the page crashed; reloading it");
      tab.session.post("Page.reload", {});
    });
  }

  #update(info: Protocol.Target.TargetInfo): void {
    // Chromium calls a tab that is closing "other": it is on its way out, its events follow.
    if (!this.#known.has(info.targetId) || info.type !== "page") return;
    this.#known.set(info.targetId, info);
    const tab = this.#tabs.get(info.targetId);
    if (!tab || (tab.title === info.title && tab.url === info.url)) return;
    tab.title = info.title;
    tab.url = info.url;
    this.#hooks.changed();
  }

  #remove(tabId: string): void {
    this.#known.delete(tabId);
    const tab = this.#tabs.get(tabId);
    if (!tab) return;
    this.#tabs.delete(tabId);
    this.#recent = this.#recent.filter((id) => id !== tabId);
    tab.interrupt();
    this.#hooks.removed(tab);
    if (tab === this.#active) {
      this.#active = undefined;
      const opener = tab.openerId === undefined ? undefined : this.#tabs.get(tab.openerId);
      const next = opener ?? this.#tabs.get(this.#recent.at(-1) ?? "") ?? [...this.#tabs.values()].at(-1);
      // Chromium shows the neighbour in the tab strip, which may be another one.
      if (next) this.#connection.browser.post("Target.activateTarget", { targetId: next.tabId });
      this.#activate(next);
    }
    this.#hooks.changed();
    this.#notify();
  }

  #activate(tab: PageTab | undefined): void {
    if (!tab || tab === this.#active) return;
    if (this.#active) {
      this.#recent = [...this.#recent.filter((id) => id !== this.#active?.tabId), this.#active.tabId];
    }
    this.#recent = this.#recent.filter((id) => id !== tab.tabId);
    this.#active = tab;
    this.#activations += 1;
    this.#hooks.changed();
    this.#notify();
  }

  /** A new tab is shown, unless it was opened in the background (Ctrl+click). */
  async #follow(tab: PageTab): Promise<void> {
    const before = this.#activations;
    if (!(await this.#comesToFront(tab, this.#active)) || tab === this.#active) return;
    if (this.#activations !== before) await this.#followVisible();
    else if (this.#tabs.has(tab.tabId)) this.#activate(tab);
  }

  /**
   * A tab's page learns some milliseconds late that it is in front. Resolves to false when `rival` is visible; a page
   * that does not answer (it is busy, or held by a debugger) counts as in front.
   */
  async #comesToFront(tab: PageTab, rival?: PageTab): Promise<boolean> {
    for (let look = 0; look < MAX_LOOKS; look++) {
      if ((await this.#isVisible(tab)) !== false) break;
      if (rival && (await this.#isVisible(rival)) === true) return false;
    }
    return true;
  }

  async #followVisible(): Promise<void> {
    const before = this.#activations;
    const visible = await this.#visibleTab();
    if (this.#activations === before) this.#activate(visible);
  }

  async #visibleTab(): Promise<PageTab | undefined> {
    const tabs = [...this.#tabs.values()];
    const visible = await Promise.all(tabs.map((tab) => this.#isVisible(tab)));
    const shown = tabs.filter((_, index) => visible[index] === true);
    if (this.#active && shown.includes(this.#active)) return this.#active;
    // A page that doesn't answer is busy or blocked by a dialog, and may well be the one that is looked for.
    return shown.at(-1) ?? tabs.findLast((_, index) => visible[index] === undefined);
  }

  /** Undefined when the page does not say. */
  async #isVisible(tab: PageTab): Promise<boolean | undefined> {
    const answer = tab.session.send("Runtime.evaluate", {
      expression: "document.visibilityState",
      returnByValue: true,
    });
    const state = await within(answer, VISIBILITY_TIMEOUT_MS).catch(() => undefined);
    return state === undefined ? undefined : state.result.value === "visible";
  }

  #refreshHistory(tab: PageTab): void {
    tab.session.send("Page.getNavigationHistory").then(
      ({ currentIndex, entries }) => {
        tab.canGoBack = currentIndex > 0;
        tab.canGoForward = currentIndex < entries.length - 1;
        this.#hooks.changed();
      },
      () => {},
    );
  }

  #refreshTitle(tab: PageTab): void {
    this.#connection.browser.send("Target.getTargetInfo", { targetId: tab.tabId }).then(
      ({ targetInfo }) => this.#update(targetInfo),
      () => {},
    );
  }

  /** Waits for a change of the tabs that makes `condition` true. */
  async #until(condition: () => boolean): Promise<void> {
    let check: () => void = () => {};
    const met = new Promise<void>((resolve) => {
      check = (): void => {
        if (condition()) resolve();
      };
    });
    this.#waiters.add(check);
    check();
    try {
      await within(met, TAB_TIMEOUT_MS);
    } catch {
      throw new BrowserError(
        "browser_unavailable",
        "The browser did not open or close the tab in time; try again",
      );
    } finally {
      this.#waiters.delete(check);
    }
  }

  #notify(): void {
    for (const check of this.#waiters) check();
  }
}

function isPage(info: Protocol.Target.TargetInfo): boolean {
  // A subtype marks what nobody sees: a page that is being prerendered, for example.
  if (info.type !== "page" || info.subtype !== undefined) return false;
  return !/^(?:devtools|chrome-extension):/.test(info.url);
}
