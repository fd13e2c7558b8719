import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { PlaywrightScenario } from "./playwright-bench.ts";
import { failure } from "./scenario.ts";

const MOUSE = ["mousedown", "mouseup", "click", "dblclick", "contextmenu", "auxclick"];
const KEYS = ["keydown", "keyup", "input"];

export const INPUT_SCENARIOS: readonly PlaywrightScenario[] = [
  {
    name: "clicks: left, right, middle, double, with modifiers, at a position, on what is disabled or out of view",
    run: async ({ open, site }) => {
      const page = await open("/buttons");
      const plain = page.locator("#plain");
      await plain.click();
      await plain.click({ button: "right" });
      await plain.click({ button: "middle" });
      await plain.dblclick();
      await plain.click({ modifiers: ["Control", "Shift"], position: { x: 3, y: 4 } });
      const clicked = page.click("#late");
      const enabled = await page.locator("#late").isEnabled();
      await page.evaluate("wake()");
      await clicked;
      await page.click("#below");
      const scrolled = await page.evaluate(() => scrollY > 0);
      return { enabled, scrolled, record: site.lines(...MOUSE) };
    },
    proves: {
      enabled: false,
      scrolled: true,
      record: [
        "mousedown plain",
        "mouseup plain",
        "click plain",
        "mousedown plain 2",
        "contextmenu plain 2",
        "mouseup plain 2",
        "auxclick plain 2",
        "mousedown plain 1",
        "mouseup plain 1",
        "auxclick plain 1",
        "mousedown plain",
        "mouseup plain",
        "click plain",
        "mousedown plain",
        "mouseup plain",
        "click plain",
        "dblclick plain",
        "mousedown plain ctrl+shift",
        "mouseup plain ctrl+shift",
        "click plain ctrl+shift",
        "mousedown late",
        "mouseup late",
        "click late",
        "mousedown below",
        "mouseup below",
        "click below",
      ],
    },
  },
  {
    name: "fill, type, press and the values that come of it",
    run: async ({ open, site }) => {
      const page = await open("/form");
      await page.getByLabel("Name").fill("Ada Lovelace");
      await page.locator("#secret").pressSequentially("aB3!");
      await page.locator("#notes").fill("one\ntwo");
      await page.locator("#notes").press("End");
      await page.locator("#notes").press("Enter");
      await page.locator("#notes").pressSequentially("drei ü 語");
      await page.locator("#day").fill("2031-05-17");
      await page.locator("#volume").fill("8");
      const values: string[] = [];
      for (const id of ["name", "secret", "notes", "day", "volume"])
        values.push(await page.inputValue(`#${id}`));
      return { values, record: site.lines() };
    },
    proves: { values: ["Ada Lovelace", "aB3!", "one\ntwo\ndrei ü 語", "2031-05-17", "8"] },
  },
  {
    name: "keyboard: held keys, shortcuts, clipboard, insertText",
    run: async ({ open, site }) => {
      const page = await open("/form");
      await page.focus("#name");
      await page.keyboard.type("carpet");
      await page.keyboard.press("Control+A");
      await page.keyboard.press("Control+C");
      await page.keyboard.press("End");
      await page.keyboard.press("Control+V");
      await page.keyboard.down("Shift");
      for (let index = 0; index < 3; index += 1) await page.keyboard.press("ArrowLeft");
      await page.keyboard.up("Shift");
      await page.keyboard.press("Backspace");
      await page.keyboard.insertText("漢字");
      await page.keyboard.press("Tab");
      const focused = await page.evaluate(() => document.activeElement?.id);
      return { value: await page.inputValue("#name"), focused, record: site.lines(...KEYS, "copy", "paste") };
    },
    proves: { value: "carpetcar漢字", focused: "secret" },
  },
  {
    name: "a form is filled in and sent with Enter",
    run: async ({ open, site }) => {
      const page = await open("/form");
      await page.fill("#name", "Ada");
      await page.check("#agree");
      await page.check("#blue");
      await page.selectOption("#colour", "g");
      await page.press("#name", "Enter");
      await page.waitForURL("**/submitted");
      return { fields: await page.textContent("#fields"), record: site.lines("submit", "change") };
    },
    proves: {
      fields:
        '[["name","Ada"],["secret",""],["notes",""],["agree","on"],["paint","blue"],["colour","g"],["day",""],["volume","5"]]',
    },
  },
  {
    name: "select, check, uncheck and radio buttons, and an option that is not there",
    run: async ({ open, site }) => {
      const page = await open("/form");
      const chosen = [
        await page.selectOption("#colour", "b"),
        await page.selectOption("#colour", { label: "Green" }),
        await page.selectOption("#sizes", ["S", "L"]),
        await page.selectOption("#sizes", { index: 1 }),
      ];
      const missing = await failure(page.selectOption("#colour", "pink", { timeout: 100 }));
      await page.check("#agree");
      await page.uncheck("#agree");
      await page.check("#red");
      await page.getByLabel("blue").check();
      const states = [];
      for (const id of ["agree", "red", "blue"]) states.push(await page.isChecked(`#${id}`));
      return { chosen, missing, states, record: site.lines("change") };
    },
    proves: {
      chosen: [["b"], ["g"], ["S", "L"], ["M"]],
      states: [false, false, true],
      // What selectOption does comes from a script, so it is not trusted.
      record: ["change agree true", "change agree false", "change red true", "change blue true"],
    },
  },
  {
    name: "drag and drop, a slider with mouse.down, move and up, hover, the wheel",
    run: async ({ open, site }) => {
      const page = await open("/drag");
      await page.locator("#card").dragTo(page.locator("#zone"));
      const knob = await page.locator("#knob").boundingBox();
      if (!knob) throw new Error("no knob");
      await page.mouse.move(knob.x + 10, knob.y + 10);
      await page.mouse.down();
      await page.mouse.move(knob.x + 210, knob.y + 10, { steps: 5 });
      await page.mouse.up();
      const left = await page.locator("#knob").evaluate((element) => element.style.left);
      const [zone, record] = [await page.textContent("#zone"), site.lines()];
      await page.goto(`${site.url}/buttons`);
      await page.hover("#hover");
      const colour = await page.evaluate(() => getComputedStyle(document.querySelector("#tip")!).color);
      await page.hover("#pane");
      await page.mouse.wheel(0, 240);
      await page.waitForFunction(() => document.querySelector("#pane")!.scrollTop === 240);
      return { zone, left, record, colour, entered: await page.textContent("#entered") };
    },
    proves: { zone: "the card", left: "200px", colour: "rgb(200, 0, 0)", entered: "in out " },
  },
  {
    name: "contenteditable and shadow DOM",
    run: async ({ open, site }) => {
      const page = await open("/form");
      await page.locator("#editor").pressSequentially("bold ");
      await page.keyboard.press("Control+B");
      await page.keyboard.type("words");
      const html = await page.locator("#editor").innerHTML();
      await page.goto(`${site.url}/shadow`);
      await page.click("#deep");
      await page.getByLabel("in the shadow").fill("found");
      return { html, out: await page.textContent("#out"), record: site.lines("click", "input") };
    },
    proves: { html: "bold <b>words</b>", out: "loud" },
  },
  {
    name: "uploads: buffers, a path, a file chooser",
    run: async ({ open, site, folder }) => {
      const page = await open("/files");
      const answer = async (): Promise<unknown> => {
        await page.waitForFunction(() => document.querySelector("#answer")!.textContent !== "");
        const text = await page.textContent("#answer");
        await page.evaluate(() => (document.querySelector("#answer")!.textContent = ""));
        return JSON.parse(text ?? "");
      };
      await page.setInputFiles("#many", [
        { name: "a.txt", mimeType: "text/plain", buffer: Buffer.from("first") },
        { name: "b.bin", mimeType: "application/octet-stream", buffer: Buffer.alloc(100_000, 7) },
      ]);
      const buffers = await answer();
      const path = join(folder, "small.txt");
      await writeFile(path, "from a path");
      await page.setInputFiles("#one", path);
      const fromPath = await answer();
      const chooser = page.waitForEvent("filechooser");
      await page.click("#choose");
      await (
        await chooser
      ).setFiles({ name: "chosen.txt", mimeType: "text/plain", buffer: Buffer.from("chosen") });
      return { buffers, fromPath, chosen: await answer(), record: site.lines("change") };
    },
    proves: {
      buffers: [
        { name: "a.txt", size: 5 },
        { name: "b.bin", size: 100_000 },
      ],
      fromPath: [{ name: "small.txt", size: 11 }],
      chosen: [{ name: "chosen.txt", size: 6 }],
    },
  },
];
