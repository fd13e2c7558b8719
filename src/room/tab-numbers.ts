/** Small numbers for a browser's tabs: what frame headers and input name them by. Never given twice. */
import type { Tab } from "../../protocol/preview.ts";
import type { LinkTab } from "../browser/browser.ts";

export class TabNumbers {
  readonly #numbers = new Map<string, number>();
  #last = 0;

  of(tabId: string): number {
    const known = this.#numbers.get(tabId);
    if (known !== undefined) return known;
    this.#last += 1;
    this.#numbers.set(tabId, this.#last);
    return this.#last;
  }

  /** Numbers these tabs and forgets all others. */
  list(tabs: readonly LinkTab[]): Tab[] {
    const open = new Set(tabs.map(({ tabId }) => tabId));
    for (const tabId of this.#numbers.keys()) if (!open.has(tabId)) this.#numbers.delete(tabId);
    return tabs.map((tab) => ({ ...tab, number: this.of(tab.tabId) }));
  }
}
