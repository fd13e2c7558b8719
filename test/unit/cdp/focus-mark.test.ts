/** The place in a page that an agent had, found again in a real Chromium after a person was there. */
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { markFocus, returnTo } from "../../../src/cdp/focus-mark.ts";
import { peek } from "../../../src/cdp/scan.ts";
import { Upstream } from "../../../src/cdp/upstream.ts";
import { RawCdp } from "../../support/raw-cdp.ts";
import { launchForRogues, type Chromium } from "../../support/rogue-stage.ts";

let chromium: Chromium;
beforeAll(async () => {
  chromium = await launchForRogues();
});
afterAll(() => chromium?.launched.close());

async function pageWith(html: string) {
  const client = await RawCdp.open(chromium.endpoint);
  const { targetId } = await client.done("Target.createTarget", { url: "about:blank" });
  const session = await client.attach(String(targetId));
  await client.done("Page.enable", {}, session);
  const { frameTree } = await client.done("Page.getFrameTree", {}, session);
  const frameId = (frameTree as { frame: { id: string } }).frame.id;
  await client.done(
    "Page.setDocumentContent",
    { frameId, html: `${html}<input id=elsewhere value=person>` },
    session,
  );
  const url = chromium.endpoint.replace(/browser\/.*$/, `page/${String(targetId)}`);
  const upstream = await Upstream.connect(url, 2 ** 20, AbortSignal.timeout(5_000));
  onTestFinished(() => upstream.terminate());
  upstream.start({
    message: (bytes) => upstream.settle(peek(bytes).id ?? 0, bytes),
    drained: () => {},
    closed: () => {},
  });
  return {
    client,
    session,
    do: (expression: string) => client.evaluate(expression, session),
    mark: async () => {
      const mark = await markFocus(upstream, undefined);
      if (mark === undefined) throw new Error("the page gave no mark");
      return mark;
    },
    /** As a person does. */
    leave: () => client.evaluate("elsewhere.focus(); elsewhere.setSelectionRange(1, 1); 1", session),
    goBack: (mark: string, focus = true) => returnTo(upstream, undefined, mark, focus),
    /** As an agent goes on. */
    type: (text: string) => client.done("Input.insertText", { text }, session),
    /** Whether the page still keeps it for the gate. */
    keeps: (mark: string) =>
      upstream.command("Runtime.callFunctionOn", { objectId: mark, functionDeclaration: "() => 1" }).then(
        () => true,
        () => false,
      ),
  };
}

describe("where an agent was", () => {
  it.each<[string, string, string, string, string]>([
    ["a cursor", "<input id=i value=abcdef>", "i.focus(); i.setSelectionRange(3, 3)", "i.value", "abcXdef"],
    ["a selection", "<input id=i value=abcdef>", "i.focus(); i.setSelectionRange(1, 4)", "i.value", "aXef"],
    ["everything selected", "<input id=i value=abcdef>", "i.focus(); i.select()", "i.value", "X"],
    [
      "a text area",
      "<textarea id=i>abcdef</textarea>",
      "i.focus(); i.setSelectionRange(2, 2)",
      "i.value",
      "abXcdef",
    ],
    ["a field that knows no selection", "<input id=i type=email>", "i.focus()", "i.value", "X"],
    [
      "an editable element",
      "<div id=i contenteditable>abcdef</div>",
      "i.focus(); getSelection().setBaseAndExtent(i.firstChild, 1, i.firstChild, 3)",
      "i.textContent",
      "aXdef",
    ],
    [
      "a field in a shadow",
      "<div id=h></div>",
      "h.attachShadow({ mode: 'open' }).innerHTML = '<input value=abc>'; globalThis.i = h.shadowRoot.firstChild; i.focus(); i.setSelectionRange(1, 1)",
      "i.value",
      "aXbc",
    ],
    [
      "a field in a frame of the same site",
      "<iframe id=f></iframe>",
      "f.contentDocument.body.innerHTML = '<input value=abc>'; globalThis.i = f.contentDocument.querySelector('input'); i.focus(); i.setSelectionRange(2, 2)",
      "i.value",
      "abXc",
    ],
    [
      "an editable element in a frame of the same site",
      "<iframe id=f></iframe>",
      "f.contentDocument.body.innerHTML = '<div contenteditable>abc</div>'; globalThis.i = f.contentDocument.querySelector('div'); i.focus(); f.contentWindow.getSelection().collapse(i.firstChild, 1)",
      "i.textContent",
      "aXbc",
    ],
    [
      "an editable element in a shadow",
      "<div id=h></div>",
      "h.attachShadow({ mode: 'open' }).innerHTML = '<div contenteditable>abc</div>'; globalThis.i = h.shadowRoot.firstChild; i.focus(); h.shadowRoot.getSelection().collapse(i.firstChild, 1)",
      "i.textContent",
      "aXbc",
    ],
  ])("G2: text goes on in %s", async (_, html, place, value, expected) => {
    const page = await pageWith(html);
    await page.do(`${place}; 1`);
    const mark = await page.mark();
    await page.leave();
    expect(await page.goBack(mark)).toBe("same");
    await page.type("X");
    expect([await page.do(value), await page.do("elsewhere.value")]).toEqual([expected, "person"]);
    expect(await page.keeps(mark)).toBe(false);
  });

  it("text goes on at the end of what a person changed, and replaces all if all was selected", async () => {
    const page = await pageWith("<input id=i value=abc>");
    await page.do("i.focus(); i.setSelectionRange(1, 2); 1");
    const mark = await page.mark();
    await page.do("i.value = 'other text'; elsewhere.focus(); 1");
    expect(await page.goBack(mark)).toBe("same");
    await page.type("X");
    expect(await page.do("i.value")).toBe("other textX");
    await page.do("i.select(); 1");
    const all = await page.mark();
    await page.do("i.value = 'another text'; elsewhere.focus(); 1");
    expect(await page.goBack(all)).toBe("same");
    await page.type("Y");
    expect(await page.do("i.value")).toBe("Y");
  });

  it("nothing had the focus: nothing has it again", async () => {
    const page = await pageWith("");
    const mark = await page.mark();
    await page.leave();
    expect(await page.goBack(mark)).toBe("same");
    await page.type("X");
    expect([
      await page.do("elsewhere.value"),
      await page.do("document.activeElement === document.body"),
    ]).toEqual(["person", true]);
  });

  it("input that names its place needs the document, not the focus", async () => {
    const page = await pageWith("<input id=i>");
    await page.do("i.focus(); 1");
    const mark = await page.mark();
    await page.do("i.remove(); elsewhere.focus(); 1");
    expect(await page.goBack(mark, false)).toBe("same");
    expect(await page.do("document.activeElement.id")).toBe("elsewhere");
  });

  it("the element was removed: text has no place, and the person's focus stays", async () => {
    const page = await pageWith("<input id=i>");
    await page.do("i.focus(); 1");
    const mark = await page.mark();
    await page.do("i.remove(); elsewhere.focus(); 1");
    expect(await page.goBack(mark)).toBe("no-element");
    expect(await page.do("document.activeElement.id")).toBe("elsewhere");
  });

  it("the document was left: nothing has a place there", async () => {
    const page = await pageWith("<input id=i>");
    await page.do("i.focus(); 1");
    const mark = await page.mark();
    await page.client.done("Page.navigate", { url: "data:text/html,<input autofocus>" }, page.session);
    expect(await page.goBack(mark)).toBe("gone");
  });

  it("a frame that had the focus was removed", async () => {
    const page = await pageWith("<iframe id=f></iframe>");
    await page.do(
      "f.contentDocument.body.innerHTML = '<input>'; f.contentDocument.querySelector('input').focus(); 1",
    );
    const mark = await page.mark();
    await page.do("f.remove(); elsewhere.focus(); 1");
    expect(await page.goBack(mark)).toBe("no-element");
    expect(await page.do("document.activeElement.id")).toBe("elsewhere");
  });
});
