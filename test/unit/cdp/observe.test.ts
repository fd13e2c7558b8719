/**
 * Policy `observe` against a real Chromium: whatever a script tries, nothing of it acts on the page, neither while it
 * runs nor after it. Each attempt is first run as it is, to see that it would act.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { withoutSideEffects } from "../../../src/cdp/observe.ts";
import { RawCdp, type CdpAnswer } from "../../support/raw-cdp.ts";
import { launchForRogues, type Chromium } from "../../support/rogue-stage.ts";

let chromium: Chromium;
/** Where scripts run as they are, and where they are observed. */
let free: Page, page: Page;
beforeAll(async () => {
  chromium = await launchForRogues();
  free = await Page.open();
  page = await Page.open();
});
afterAll(() => chromium?.launched.close());

type Params = Readonly<Record<string, unknown>>;

class Page {
  readonly #client: RawCdp;
  readonly #session: string;
  #window = "";
  #lastId = 1_000;

  static async open(): Promise<Page> {
    const client = await RawCdp.openForAll(chromium.endpoint);
    const { targetId } = await client.done("Target.createTarget", { url: "about:blank" });
    const page = new Page(client, await client.attach(String(targetId)));
    await page.#client.evaluate(
      "document.body.innerHTML = '<p>text</p>'; globalThis.acts = 0; globalThis.act = () => ++acts; 1",
      page.#session,
    );
    const { result } = await client.done("Runtime.evaluate", { expression: "globalThis" }, page.#session);
    page.#window = String((result as { objectId?: string }).objectId);
    return page;
  }

  private constructor(client: RawCdp, session: string) {
    this.#client = client;
    this.#session = session;
  }

  /** With what a call of a function needs. */
  whole(params: Params): Params {
    return "functionDeclaration" in params ? { objectId: this.#window, ...params } : params;
  }

  run(params: Params): Promise<CdpAnswer> {
    const method = "functionDeclaration" in params ? "Runtime.callFunctionOn" : "Runtime.evaluate";
    return this.#client.call(method, this.whole(params), this.#session);
  }

  /** The same through `withoutSideEffects`; its own words when it refuses. */
  async observe(params: Params): Promise<CdpAnswer | string> {
    this.#lastId += 1;
    const method = "functionDeclaration" in params ? "Runtime.callFunctionOn" : "Runtime.evaluate";
    const bytes = withoutSideEffects(
      { id: this.#lastId, method, sessionId: this.#session },
      this.whole(params),
    );
    if (typeof bytes === "string") return bytes;
    this.#client.raw(bytes, false);
    return this.#client.answer(this.#lastId);
  }

  /** How often `act` ran, once everything is done that the page had before it. */
  async acts(): Promise<unknown> {
    const expression = `new Promise((done) => setTimeout(done)).then(() => [acts, document.body.outerHTML, document.title, location.href])`;
    const { result } = await this.#client.done(
      "Runtime.evaluate",
      { expression, awaitPromise: true, returnByValue: true },
      this.#session,
    );
    return (result as { value?: unknown }).value;
  }
}

const THENABLE = "({ then(done) { act(); done(); } })";
const PROXY =
  "new Proxy({}, { ownKeys() { act(); return []; }, get() { act(); }, getPrototypeOf() { act(); return null; } })";
const fn = (functionDeclaration: string, more: object = {}): Params => ({ functionDeclaration, ...more });
const script = (expression: string, more: object = {}): Params => ({ expression, ...more });
const byValue = { returnByValue: true };

/** Each acts when it is run as it is. */
const ATTEMPTS: [string, Params][] = [
  ["a call", fn("() => act()")],
  ["a call beside the function", fn("(act(), () => 1)")],
  ["a function's default parameter", fn("(a = act()) => a")],
  ["an async function", fn("async () => act()")],
  ["after an await", fn("async () => { await 0; act(); }")],
  ["a class's static block", script("class A { static { act(); } }")],
  ["a computed key", script("({ [act()]: 1 })")],
  ["a template", script("`${act()}`")],
  ["a tagged template", script("act`x`")],
  ["a regular expression's callback", script("'a'.replace(/a/, act)")],
  ["a getter that is read", script("({ get a() { return act(); } }).a")],
  ["a getter that is returned by value", script("({ get a() { return act(); } })", byValue)],
  ["a getter of a function's result", fn("() => ({ get a() { return act(); } })", byValue)],
  [
    "a getter that is serialized",
    script("({ get a() { return act(); } })", { serializationOptions: { serialization: "json" } }),
  ],
  ["a proxy that is returned by value", script(PROXY, byValue)],
  ["a thenable that is awaited", script(THENABLE, { awaitPromise: true })],
  ["a thenable of a function's that is awaited", fn(`() => ${THENABLE}`, { awaitPromise: true })],
  ["a thenable of an async function's", script(`(async () => ${THENABLE})()`)],
  ["a thenable of an async arrow's without brackets", script(`(async x => ${THENABLE})()`)],
  ["a thenable of an async declaration's", fn(`async () => ${THENABLE}`)],
  ["a thenable of an async method's", script(`({ async a() { return ${THENABLE}; } }).a()`)],
  [
    "a thenable of an async function behind a comment",
    script(`(async/**/function () { return ${THENABLE}; })()`),
  ],
  ["a thenable that is thrown at a promise", script(`new Promise((done) => done(${THENABLE}))`)],
  ["a promise's callback", script("Promise.resolve().then(act)")],
  ["an async generator", script("(async function* () { act(); })().next()")],
  ["a generator", script("[...(function* () { yield act(); })()]")],
  ["an iterator", script("[...{ [Symbol.iterator]: () => { act(); return [][Symbol.iterator](); } }]")],
  ["a conversion", script("+{ valueOf: act }")],
  ["sorting", script("[2, 1].sort(act)")],
  ["eval", script("eval('act()')")],
  ["eval of text put together", fn("() => (0, eval)('ac' + 't()')")],
  ["the function constructor", script("Function('act()')()")],
  ["a timer", script("setTimeout(act)")],
  ["a microtask", script("queueMicrotask(act)")],
  ["a repl", script("await 0; act()", { replMode: true, awaitPromise: true })],
  ["an argument as text", fn("() => 1", { arguments: [{ unserializableValue: "act()" }] })],
  [
    "a second argument as text",
    fn("() => 1", { arguments: [{ value: 1 }, { unserializableValue: "act(), 1n" }] }),
  ],
  ["changing the document", script("document.body.append('x')")],
  ["changing markup", fn("() => { document.body.innerHTML = ''; }")],
  ["changing the title", script("document.title = 'x'")],
  ["changing the address", script("location.hash = 'x'")],
  ["a listener", script("addEventListener('message', act); postMessage(1)")],
  ["a global", script("acts = 50")],
];

describe("a script that would act on the page", () => {
  it.each(ATTEMPTS)("G1: does not: %s", async (_, params) => {
    const untouched = await free.acts();
    await free.run(params);
    expect(await free.acts(), "what it does when nobody stops it").not.toEqual(untouched);
    const before = await page.acts();
    await page.observe(params);
    expect(await page.acts()).toEqual(before);
  });

  it.each([
    "() => 1)(), act(), (() => 1",
    "() => 1} act(); {",
    "() => 1, act()) || (() => 1",
    "function () {}); act(); (function () {}",
    "function () {}\n); act(); (function () {}",
    "() => 1).apply(this); }), act(), (function (...args) { return (() => 1",
    "() => 1 /*",
    "() => `",
    "() => '",
    "",
    "}",
    ")",
  ])("G1: nor does a declaration that closes what it is put into: %s", async (functionDeclaration) => {
    const before = await page.acts();
    await page.observe(fn(functionDeclaration));
    expect(await page.acts()).toEqual(before);
  });

  it.each([
    ["apply of its own", "({ get apply() { act(); return () => 1; } })"],
    ["a method called apply", "({ apply() { act(); } })"],
    ["a proxy", "new Proxy(() => 1, { apply() { act(); }, get() { act(); return () => 1; } })"],
    ["the page's own function", "act"],
    ["a bound one", "act.bind(null)"],
    ["a class", "class { constructor() { act(); } }"],
    ["a member", "this.act"],
    ["an error whose stack is a getter", "() => new (class extends Error { get stack() { act(); } })()"],
    ["a thrown object that is asked for its text", "() => { throw { toString() { act(); } }; }"],
  ])("G1: nor does what is no plain function: %s", async (_, functionDeclaration) => {
    const before = await page.acts();
    await page.observe(fn(functionDeclaration));
    expect(await page.acts()).toEqual(before);
  });

  it.each<unknown>([undefined, null, 5, {}, ["() => 1"]])(
    "a declaration that is no text is refused: %j",
    (functionDeclaration) => {
      const answer = withoutSideEffects({ id: 1, method: "Runtime.callFunctionOn" }, { functionDeclaration });
      expect(answer).toContain("not a function");
    },
  );

  it.each<unknown>([
    {},
    "act()",
    [null],
    ["act()"],
    [{ unserializableValue: {} }],
    [{ unserializableValue: "1n,act()" }],
    [{ unserializableValue: "1n\n" }],
  ])("arguments that are none are refused: %j", (given) => {
    const params = { functionDeclaration: "() => 1", arguments: given };
    expect(typeof withoutSideEffects({ id: 1, method: "Runtime.callFunctionOn" }, params)).toBe("string");
  });
});

describe("a script that only reads", () => {
  it.each<[string, Params, unknown]>([
    ["an expression", script("document.querySelector('p').textContent", byValue), "text"],
    ["a function", fn("() => document.querySelectorAll('p').length", byValue), 1],
    ["a function with comments", fn("() => /* so */ 5 // five", byValue), 5],
    [
      "a function with this and arguments",
      fn("function (a, b) { return [this === window, a, b]; }", {
        arguments: [{ value: "x" }, { value: null }],
        ...byValue,
      }),
      [true, "x", null],
    ],
    [
      "numbers that JSON does not know",
      fn("(...all) => all.map(String).join()", {
        arguments: ["NaN", "-0", "Infinity", "-Infinity", "-12n"].map((unserializableValue) => ({
          unserializableValue,
        })),
        ...byValue,
      }),
      "NaN,0,Infinity,-Infinity,-12",
    ],
    ["a layout", script("document.body.getBoundingClientRect().left", byValue), 8],
  ])("is answered: %s", async (_, params, value) => {
    expect(await page.observe(params)).toMatchObject({ result: { result: { value } } });
  });
});
