/** An agent's CDP connection is on one node, the person drives through another: the same guarantees, over the store. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MemoryStore } from "../../src/store/memory.ts";
import { clicked, movedAndClicked } from "../support/cdp-site-pages.ts";
import { expectQuiet, startCdpStage, type CdpStage, type Scene } from "../support/cdp-stage.ts";
import { CutOffStore } from "../support/cut-off-store.ts";
import { until } from "../support/gateway.ts";
import { turn } from "../support/two-nodes.ts";

const SECRET = "Rn6Distant2Z";
const settings = { nodeTtlMs: 1_000, lingerMs: 0 };
const store = new MemoryStore();

let stage: CdpStage;

beforeAll(async () => {
  stage = await startCdpStage([
    { store: new CutOffStore(store), settings },
    { store: new CutOffStore(store), settings },
  ]);
});

afterAll(async () => {
  await stage?.close();
  expectQuiet(stage.log);
});

/** Both nodes reach the browser: from here on a drain waits for both. */
async function bothAttached({ sandboxId }: Scene): Promise<void> {
  const late = AbortSignal.timeout(8_000);
  const gates = async () => Object.keys((await store.load(sandboxId))?.state.gates ?? {}).length;
  while ((await gates()) < 2) {
    late.throwIfAborted();
    await turn();
  }
}

describe("an agent on one node, a person on another", () => {
  it.each(["hold", "reject"] as const)(
    "C2, G1, G2: the person's hand alone reaches the page (%s)",
    async (policy) => {
      const scene = await stage.scene();
      const { tap, page } = await scene.playwrightPage(`?policy=${policy}`);
      await bothAttached(scene);
      const stop = tap.stopAt("Input.dispatchMouseEvent", { type: "mousePressed" });
      const script = page.click("#one");
      await stop.reached;
      await scene.take();
      stop.release();
      await tap.sync();
      await scene.click("two");
      await scene.click("leave");
      await scene.shows("/after");
      await scene.anna.input.back();
      await scene.shows("/desk");
      await scene.site.has("/desk runs");
      expect(
        tap.messages.some(({ error }) => error?.message.startsWith("anna drives this browser now.")),
      ).toBe(policy === "reject");
      await scene.giveBack();
      await script;
      const held = scene.held.filter((line) => !line.startsWith("GET ") && !line.endsWith(" runs"));
      expect(held).toEqual([...movedAndClicked("/desk", "two"), ...movedAndClicked("/desk", "leave")]);
      expect(
        scene.site
          .between("given back")
          .filter((line) => line.startsWith("/desk"))
          .slice(-4),
      ).toEqual(clicked("/desk", "one"));
    },
  );

  it("G3: what she does in private reaches no agent", async () => {
    const scene = await stage.scene();
    const { tap, page } = await scene.playwrightPage("", "/vault");
    await bothAttached(scene);
    const text = page.textContent("#text");
    await scene.take({ privacy: "private" });
    const told = tap.messages.length;
    await scene.click("name");
    await scene.anna.input.type(SECRET);
    await scene.click("spread");
    await until(scene.anna, ({ dialog }) => dialog?.message.startsWith(SECRET) === true);
    await scene.anna.input.answerDialog(true);
    await scene.site.has("/vault spread");
    await scene.click("clean");
    await scene.shows("/after");
    await tap.sync();
    expect(tap.messages.slice(told).filter(({ method }) => method !== undefined)).toEqual([]);
    await scene.giveBack();
    await text;
    await page.fill("#name", "Ada");
    expect(page.url()).toBe(`${scene.site.url}/after`);
    expect(await page.context().cookies()).toEqual([expect.objectContaining({ name: "session" })]);
    expect(tap.received.includes(SECRET)).toBe(false);
    expect(stage.log.filter((line) => line.includes(SECRET))).toEqual([]);
  });
});
