/**
 * What a browser keeps of a private time (G3) and would tell later: what consoles logged is forgotten, and what cookies
 * were given is known, so that agents' connections can leave it out. A session that a person signed in to in private
 * can be used, and not copied.
 */
import type { BrowserLink } from "../browser/browser.ts";

/** Shorter values are no secrets, and stand in other places too. */
const MIN_LENGTH = 6;
/** Values that are known; the oldest are forgotten first. */
const MAX_SECRETS = 2_000;

export class PrivateTime {
  readonly #link: BrowserLink;
  #before: ReadonlySet<string> | null = null;
  #secrets: string[] = [];
  #happened = false;

  constructor(link: BrowserLink) {
    this.#link = link;
  }

  /** Cookie values that were set in private, as they stand in JSON. */
  get secrets(): readonly string[] {
    return this.#secrets;
  }

  /** There was one: what tabs remember of their past is partly of it. */
  get happened(): boolean {
    return this.#happened;
  }

  /** Nobody drives yet. Resolves when what there was before is known. Never rejects. */
  async begin(): Promise<void> {
    this.#before ??= await this.#link.cookieValues();
  }

  /** It began before anybody looked from here: every cookie may be of it. */
  missed(): void {
    this.#before ??= new Set();
  }

  /** Nobody drives any more. Never rejects. */
  async end(): Promise<void> {
    const before = this.#before;
    if (!before) return;
    this.#before = null;
    this.#happened = true;
    const [after] = await Promise.all([this.#link.cookieValues(), this.#link.forgetConsole()]);
    const secrets = [...after]
      .filter((value) => value.length >= MIN_LENGTH && !before.has(value))
      .flatMap(spellings);
    this.#secrets = [...new Set([...this.#secrets, ...secrets])].slice(-MAX_SECRETS);
  }
}

/** As JSON has it, and as Chromium writes it: with what is not ASCII escaped. */
function spellings(value: string): string[] {
  const plain = JSON.stringify(value).slice(1, -1);
  const escaped = plain.replace(
    /[\u0080-\uffff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return plain === escaped ? [plain] : [plain, escaped];
}
