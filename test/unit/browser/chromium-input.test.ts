import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { InputEvent, KeyInput } from "../../../protocol/input.ts";
import { startBench, until, type Bench } from "./bench.ts";

let bench: Bench;
beforeAll(async () => {
  bench = await startBench();
});
afterAll(() => bench.close());

const FIELD = `<textarea id=t style="position:fixed;left:0;top:0;width:600px;height:200px"></textarea>
  <script>t.addEventListener("input", (e) => note("input " + e.inputType + " " + t.value))</script>`;

async function send(...events: InputEvent[]): Promise<void> {
  await Promise.all(events.map((event) => bench.link.dispatch(event)));
}

function press(key: string, options: Partial<KeyInput> = {}): InputEvent[] {
  const { text, ...rest } = options;
  return [
    { kind: "key", action: "down", key, ...rest, ...(text !== undefined && { text }) },
    { kind: "key", action: "up", key, ...rest },
  ];
}

function click(x: number, y: number, clickCount = 1, button: "left" | "right" = "left"): InputEvent[] {
  return [
    { kind: "mouse", action: "down", x, y, button, clickCount },
    { kind: "mouse", action: "up", x, y, button, clickCount },
  ];
}

async function openField(value = ""): Promise<void> {
  await bench.open(FIELD);
  await bench.evaluate(`t.value = ${JSON.stringify(value)}; t.focus(); t.setSelectionRange(9999, 9999)`);
}

const field = (): Promise<unknown> => bench.evaluate("[t.value, t.selectionStart, t.selectionEnd]");

describe("mouse", () => {
  it("clicks, double-clicks and right-clicks with the counts that pages read", async () => {
    await bench.open("<body>click here");
    await send(...click(300, 300), ...click(300, 300, 2), ...click(500, 300, 1, "right"));
    const seen = await bench.seen('seen.includes("mouseup 2 1")');
    expect(seen).toEqual([
      "mousedown 0 1",
      "mouseup 0 1",
      "click 0 1",
      "mousedown 0 2",
      "mouseup 0 2",
      "click 0 2",
      "dblclick 0 2",
      "mousedown 2 1",
      "contextmenu 2 0",
      "mouseup 2 1",
    ]);
  });

  it("drags: moves between down and up carry the held button, also when the client leaves it out", async () => {
    await bench.open("<body>drag here");
    await send(
      { kind: "mouse", action: "down", x: 100, y: 300 },
      { kind: "mouse", action: "move", x: 150, y: 300 },
      { kind: "mouse", action: "up", x: 200, y: 300 },
      { kind: "mouse", action: "move", x: 250, y: 300 },
    );
    const seen = await bench.seen('seen.includes("mousemove 250 0")');
    expect(seen.filter((line) => !line.startsWith("click"))).toEqual([
      "mousedown 0 1",
      "mousemove 150 1",
      "mouseup 0 1",
      "mousemove 250 0",
    ]);
  });

  const DRAGGABLE = `<body ondragover="event.preventDefault()">
    <div draggable=true style="position:fixed;left:0;top:300px;width:100px;height:100px;background:red"
      ondragstart="event.dataTransfer.setData('text/plain', 'cargo')" ondragend="note('dragend')">drag</div>
    <div style="position:fixed;left:300px;top:300px;width:100px;height:100px;background:blue"
      ondrop="event.preventDefault(); note('drop ' + event.dataTransfer.getData('text/plain'))">drop</div>`;

  it("carries out a drag of an HTML element, at a person's pace", async () => {
    await bench.open(DRAGGABLE);
    await bench.link.dispatch({ kind: "mouse", action: "down", x: 50, y: 350 });
    for (const x of [60, 120, 200, 350])
      await bench.link.dispatch({ kind: "mouse", action: "move", x, y: 350 });
    await bench.link.dispatch({ kind: "mouse", action: "up", x: 350, y: 350 });
    expect(await bench.seen('seen.includes("dragend")')).toContain("drop cargo");
    await send(...click(700, 100));
    expect(await bench.seen('seen.includes("click 0 1")')).toContain("mousedown 0 1");
  });

  it("carries out a drag of an HTML element that is sent in one burst", async () => {
    await bench.open(DRAGGABLE);
    await send(
      { kind: "mouse", action: "down", x: 50, y: 350 },
      { kind: "mouse", action: "move", x: 60, y: 350 },
      { kind: "mouse", action: "move", x: 350, y: 350 },
      { kind: "mouse", action: "up", x: 350, y: 350 },
    );
    expect(await bench.seen('seen.includes("dragend")')).toContain("drop cargo");
  });

  it("C5: drain calls a drag off without dropping", async () => {
    await bench.open(DRAGGABLE);
    await bench.link.dispatch({ kind: "mouse", action: "down", x: 50, y: 350 });
    for (const x of [60, 120, 350]) await bench.link.dispatch({ kind: "mouse", action: "move", x, y: 350 });
    await bench.link.drain();
    expect(await bench.seen('seen.includes("dragend")')).not.toContain("drop cargo");
    await send(...click(700, 100));
    expect(await bench.seen('seen.includes("click 0 1")')).toContain("mousedown 0 1");
  });

  it("scrolls", async () => {
    await bench.open('<body style="height:5000px">');
    await send({ kind: "wheel", x: 300, y: 300, deltaX: 0, deltaY: 240 });
    expect(await bench.seen('seen.some((line) => line.startsWith("wheel"))')).toEqual(["wheel 240"]);
  });

  it("sends every button and, of moves that pile up, the newest", async () => {
    await bench.open("<body>");
    const moves: InputEvent[] = Array.from({ length: 200 }, (_, x) => ({
      kind: "mouse",
      action: "move",
      x,
      y: 400,
    }));
    await send(...moves, ...click(199, 400), ...moves, ...click(199, 400));
    const seen = await bench.seen('seen.filter((line) => line.startsWith("click")).length === 2');
    expect(seen.filter((line) => line.startsWith("mouse") && !line.startsWith("mousemove"))).toHaveLength(4);
    const moved = seen.filter((line) => line.startsWith("mousemove"));
    expect(moved.length).toBeLessThan(40);
    expect(moved.at(-1)).toBe("mousemove 199 0");
    expect(seen.indexOf("mousemove 199 0")).toBeLessThan(seen.indexOf("mousedown 0 1"));
  });
});

describe("keyboard", () => {
  it("types, also what no key of the layout has, and Enter, Backspace and arrows edit", async () => {
    await openField();
    await send(
      ...press("h", { code: "KeyH", text: "h" }),
      ...press("é", { text: "é" }),
      ...press("Enter"),
      ...press("X", { code: "KeyX", text: "X", modifiers: 8 }),
      ...press("ArrowLeft"),
      ...press("Backspace"),
      { kind: "text", text: "日本" },
      ...press("End"),
    );
    expect(await field()).toEqual(["hé日本X", 5, 5]);
    expect(await bench.seen("true")).toEqual(
      expect.arrayContaining([
        "keydown h 72",
        "keydown Enter 13",
        "keydown ArrowLeft 37",
        "keydown Backspace 8",
      ]),
    );
  });

  it.each([
    ["Control", 2],
    ["Meta", 4],
  ])("%s shortcuts select, copy, cut, paste, undo and redo", async (modifier, modifiers) => {
    await openField("one");
    const shortcut = (letter: string): InputEvent[] =>
      press(letter, { code: `Key${letter.toUpperCase()}`, text: letter, modifiers });
    await send({ kind: "key", action: "down", key: modifier, modifiers });
    await send(...shortcut("a"), ...shortcut("c"), ...press("End"), ...shortcut("v"));
    expect(await field()).toEqual(["oneone", 6, 6]);
    await send(...shortcut("z"));
    expect(await field()).toEqual(["one", 3, 3]);
    await send(...shortcut("y"));
    expect(await field()).toEqual(["oneone", 6, 6]);
    await send(...shortcut("a"), ...shortcut("x"));
    expect(await field()).toEqual(["", 0, 0]);
    await send({ kind: "key", action: "up", key: modifier });
  });

  it("tells the pad from the row, and a repeated key from a new one", async () => {
    await bench.open(`<script>
      addEventListener("keydown", (e) => note([e.code, e.location, e.repeat, e.keyCode].join(" ")));
    </script>`);
    await send(
      { kind: "key", action: "down", key: "1", code: "Numpad1", text: "1", location: 3 },
      { kind: "key", action: "down", key: "a", code: "KeyA", text: "a" },
      { kind: "key", action: "down", key: "a", code: "KeyA", text: "a", repeat: true },
      { kind: "key", action: "down", key: "Shift", code: "ShiftRight", location: 2, modifiers: 8 },
    );
    await bench.link.drain();
    const seen = await bench.seen('seen.some((line) => line.startsWith("ShiftRight"))');
    expect(seen).toEqual(
      expect.arrayContaining([
        "Numpad1 3 false 97",
        "KeyA 0 false 65",
        "KeyA 0 true 65",
        "ShiftRight 2 false 16",
      ]),
    );
  });
});

describe("paste", () => {
  it("gives the page the event, and leaves the text to a page that handles it", async () => {
    await bench.open(`<input id=t><script>
      t.addEventListener("paste", (e) => { e.preventDefault(); note("paste " + e.clipboardData.getData("text/plain")); });
      t.focus();
    </script>`);
    await send({ kind: "paste", text: "code 4711" }, ...press("!", { text: "!" }));
    expect(await bench.evaluate("t.value")).toBe("!");
    expect(await bench.seen("true")).toContain("paste code 4711");
  });

  it("inserts the text where nobody handles it, before what comes after", async () => {
    await openField("a");
    await send({ kind: "paste", text: "bc" }, ...press("d", { text: "d" }), { kind: "paste", text: "e" });
    expect(await field()).toEqual(["abcde", 5, 5]);
  });

  it("inserts into a field inside an iframe", async () => {
    await bench.open(`<iframe id=f srcdoc="<input id=i>" onload="note('frame')"></iframe>`);
    await bench.seen('seen.includes("frame")');
    await bench.evaluate("f.contentDocument.querySelector('input').focus()");
    await send({ kind: "paste", text: "inside" });
    expect(await bench.evaluate("f.contentDocument.querySelector('input').value")).toBe("inside");
  });

  it("does not wait for ever on a page whose handler opens a dialog", async () => {
    await bench.open(
      `<input id=t><script>t.addEventListener("paste", () => alert("no pasting")); t.focus()</script>`,
    );
    await send({ kind: "paste", text: "x" });
    expect(bench.link.dialog).toMatchObject({ message: "no pasting" });
    await send({ kind: "dialog", accept: true });
    await until(bench.link, () => bench.link.dialog === null);
    expect(await bench.evaluate("t.value")).toBe("");
  });
});

describe("dialogs", () => {
  it("a click that opens a confirm box is settled, and the answer reaches the page", async () => {
    await bench.open(
      `<button id=b style="position:fixed;inset:0" onclick="note('said ' + confirm('sure?'))">ask</button>`,
    );
    await send(...click(300, 300));
    await until(bench.link, () => bench.link.dialog !== null);
    expect(bench.link.dialog).toMatchObject({ type: "confirm", message: "sure?" });
    await bench.link.drain();
    await send({ kind: "dialog", accept: true });
    expect(await bench.seen('seen.some((line) => line.startsWith("said"))')).toContain("said true");
  });

  it("answers a prompt with text, and gives the page a release that came meanwhile", async () => {
    await bench.open(
      `<button style="position:fixed;inset:0" onmousedown="note('said ' + prompt('name?', 'nobody'))">ask</button>`,
    );
    await bench.link.dispatch({ kind: "mouse", action: "down", x: 300, y: 300 });
    await until(bench.link, () => bench.link.dialog !== null);
    expect(bench.link.dialog).toMatchObject({ type: "prompt", defaultPrompt: "nobody" });
    await bench.link.dispatch({ kind: "mouse", action: "up", x: 300, y: 300 });
    await send({ kind: "dialog", accept: true, promptText: "Ada" });
    const seen = await bench.seen('seen.some((line) => line.startsWith("mouseup"))');
    expect(seen).toContain("said Ada");
  });
});

describe("navigation", () => {
  /** Chromium can't leave such a page for one of the same site: they share the process that hangs. */
  async function openStuckPage(): Promise<void> {
    const { path, loaded } = bench.site.add("<body>stuck");
    const url = bench.site.origin.replace("127.0.0.1", "localhost") + path;
    await bench.link.dispatch({ kind: "navigate", to: "url", url });
    await loaded;
    await bench.evaluate("void setTimeout(() => { for (;;); })");
  }

  it("goes to an address, back, forward and reloads", async () => {
    await bench.open("<body>first");
    const first = await bench.evaluate("location.pathname");
    await bench.open("<body>second");
    const second = await bench.evaluate("location.pathname");
    const shows = (path: unknown, loaded = false): Promise<void> =>
      until(bench.link, () => {
        const tab = bench.link.tabs.find((candidate) => candidate.active);
        return new URL(tab?.url ?? "about:blank").pathname === path && tab?.loading === loaded;
      });
    await send({ kind: "navigate", to: "back" });
    await shows(first);
    await until(bench.link, () => bench.link.tabs.find((tab) => tab.active)?.canGoForward === true);
    await send({ kind: "navigate", to: "forward" });
    await shows(second);
    const reloaded = bench.site.loads(String(second));
    await send({ kind: "navigate", to: "reload" });
    await reloaded;
  });

  it("C2: drain does not wait for a slow server", async () => {
    await bench.open("<body>old");
    await send({ kind: "navigate", to: "url", url: `${bench.site.origin}/hold` });
    await bench.link.drain();
    await bench.site.held;
    bench.site.release();
  });

  it("leaves a page that hangs for another site", async () => {
    await openStuckPage();
    const key = bench.link.dispatch({ kind: "key", action: "down", key: "a" });
    const drained = bench.link.drain();
    await bench.open("<body>free");
    await Promise.all([key, drained]);
    await send(...click(300, 300));
    expect(await bench.seen('seen.includes("click 0 1")')).toContain("mousedown 0 1");
  });

  it("refuses more input when the page takes none, and says so", async () => {
    await openStuckPage();
    const key = { kind: "key", action: "down", key: "a" } as const;
    const accepted = Promise.allSettled(Array.from({ length: 1_000 }, () => bench.link.dispatch(key)));
    const refused = {
      code: "input_overflow",
      message: expect.stringContaining("1000 events") as string,
    };
    await expect(bench.link.dispatch(key)).rejects.toMatchObject(refused);
    const drained = bench.link.drain();
    await bench.open("<body>free");
    await drained;
    expect((await accepted).every(({ status }) => status === "fulfilled")).toBe(true);
  });
});
