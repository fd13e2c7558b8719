/** The exact commands at which scripts lose the browser, and what the page has on record before and afterwards. */
import type { CDPSession, Page } from "playwright-core";
import { at, clicked, movedAndClicked } from "./cdp-site-pages.ts";
import type { Wanted } from "./cdp-tap.ts";

export interface Cut {
  readonly name: string;
  readonly run: (page: Page, cdp: CDPSession) => Promise<unknown>;
  /** It loses the browser when it has sent this, before that reaches the gate. */
  readonly stop: Wanted;
  /** On record when the person has the browser: what the agent did, and the release of what it held down (C5). */
  readonly before: readonly string[];
  /** On record at the end, when its commands waited. */
  readonly after: readonly string[];
  /** The same when it was refused, and tried again. Default: the same, and it was not refused anything that matters. */
  readonly again?: readonly string[];
}

const one = at("one");
const knob = at("knob");
const card = at("card");
const zone = at("zone");

const moved = ({ x, y }: { x: number; y: number }): string => `/desk mousemove ${x},${y}`;

/** A drag and drop that the taking breaks off. */
const BROKEN_OFF = [
  moved(card),
  "/desk mousedown card",
  moved(zone),
  "/desk dragstart card",
  "/desk dragend card",
  "/desk mouseup zone",
];
const DROPPED = ["/desk drop zone", "/desk dropped the card"];

const press = (cdp: CDPSession, type: "mousePressed" | "mouseReleased"): Promise<unknown> =>
  cdp.send("Input.dispatchMouseEvent", { type, ...one, button: "left", clickCount: 1 });

export const CUTS: readonly Cut[] = [
  {
    name: "in a click, before the pointer moves",
    run: (page) => page.click("#one"),
    stop: ["Input.dispatchMouseEvent", { type: "mouseMoved" }],
    before: [],
    after: movedAndClicked("/desk", "one"),
    again: movedAndClicked("/desk", "one"),
  },
  {
    name: "in a click, before the button goes down",
    run: (page) => page.click("#one"),
    stop: ["Input.dispatchMouseEvent", { type: "mousePressed" }],
    before: [moved(one)],
    after: clicked("/desk", "one"),
    again: movedAndClicked("/desk", "one"),
  },
  {
    name: "in a click, before the button comes up",
    run: (page) => page.click("#one"),
    stop: ["Input.dispatchMouseEvent", { type: "mouseReleased" }],
    before: movedAndClicked("/desk", "one"),
    after: [],
  },
  {
    name: "between mousePressed and mouseReleased of a raw session",
    run: async (_page, cdp) => {
      await press(cdp, "mousePressed");
      await press(cdp, "mouseReleased");
    },
    stop: ["Input.dispatchMouseEvent", { type: "mouseReleased" }],
    before: clicked("/desk", "one"),
    after: [],
  },
  {
    // The person types into another field meanwhile.
    name: "in a fill",
    run: (page) => page.fill("#name", "Ada"),
    stop: ["Input.insertText"],
    before: [],
    after: ["/desk input name Ada"],
    again: ["/desk input name Ada"],
  },
  {
    name: "with keys held down",
    run: async (page) => {
      await page.focus("#name");
      await page.keyboard.down("Shift");
      await page.keyboard.down("A");
      await page.keyboard.up("A");
      await page.keyboard.up("Shift");
    },
    stop: ["Input.dispatchKeyEvent", { type: "keyUp" }],
    before: [
      "/desk keydown name Shift",
      "/desk keydown name A",
      "/desk input name A",
      "/desk keyup name Shift",
      "/desk keyup name A",
    ],
    after: [],
  },
  {
    name: "in a drag with the mouse",
    run: async (page) => {
      await page.mouse.move(knob.x, knob.y);
      await page.mouse.down();
      await page.mouse.move(knob.x + 10, knob.y);
      await page.mouse.move(knob.x + 20, knob.y);
      await page.mouse.up();
    },
    stop: ["Input.dispatchMouseEvent", { x: knob.x + 20 }],
    before: [
      moved(knob),
      "/desk mousedown knob",
      moved({ x: knob.x + 10, y: knob.y }),
      ...clicked("/desk", "knob").slice(1),
    ],
    after: [moved({ x: knob.x + 20, y: knob.y })],
    again: [
      moved(knob),
      "/desk mousedown knob",
      moved({ x: knob.x + 10, y: knob.y }),
      moved({ x: knob.x + 20, y: knob.y }),
      ...clicked("/desk", "knob").slice(1),
    ],
  },
  {
    name: "in a drag and drop, over the zone",
    run: (page) => page.dragAndDrop("#card", "#zone"),
    stop: ["Input.dispatchDragEvent", { type: "drop" }],
    before: BROKEN_OFF,
    after: DROPPED,
    again: DROPPED,
  },
  {
    name: "in a drag and drop, before the zone",
    run: (page) => page.dragAndDrop("#card", "#zone"),
    stop: ["Input.dispatchDragEvent", { type: "dragEnter" }],
    before: BROKEN_OFF,
    after: DROPPED,
    again: DROPPED,
  },
];
