/**
 * A person takes the browser from a running script, at an exact command of it, acts, and gives it back. What reached the
 * page, and when, is the page's own record: between the taking and the giving back it holds the person's hand alone.
 */
import type { CDPSession, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { act, ACTED, drivesAgain, expectRefusal } from "../support/cdp-acts.ts";
import { CUTS, type Cut } from "../support/cdp-cuts.ts";
import { clicked, movedAndClicked, typed } from "../support/cdp-site-pages.ts";
import { expectQuiet, startCdpStage, type CdpStage, type Scene } from "../support/cdp-stage.ts";
import type { CdpTap, Wanted } from "../support/cdp-tap.ts";
import { until } from "../support/gateway.ts";

let stage: CdpStage;

beforeAll(async () => {
  stage = await startCdpStage();
});

afterAll(async () => {
  await stage?.close();
  expectQuiet(stage.log);
});

describe.each([
  { policy: "hold", scene: {}, query: "" },
  { policy: "reject", scene: { agentPolicy: "reject" }, query: "" },
  { policy: "observe", scene: {}, query: "?policy=observe" },
] as const)(
  "C2, C5, G1, G2: an agent under $policy loses the browser",
  ({ policy, scene: options, query }) => {
    let scene: Scene;
    let tap: CdpTap;
    let page: Page;
    let cdp: CDPSession;

    beforeAll(async () => {
      scene = await stage.openScene(options);
      ({ tap, page } = await scene.playwrightPage(query));
      cdp = await page.context().newCDPSession(page);
      await cdp.send("Baton.enable" as never);
    });

    afterAll(() => scene?.close());

    it.each(CUTS)("$name", async (cut) => {
      await page.goto(`${scene.site.url}/desk`);
      scene.site.clear();
      scene.site.mark("start");
      const stop = tap.stopAt(...cut.stop);
      const refusal = script(cut);
      await stop.reached;
      const requestId = await scene.accept();
      stop.release();
      await tap.sync();
      await act(scene);
      await scene.giveBack();
      const message = await refusal;
      expect(scene.held).toEqual(ACTED);
      expect(scene.site.between("start", "taken")).toEqual(cut.before);
      expect(scene.site.between("given back")).toEqual(
        policy === "hold" ? cut.after : (cut.again ?? cut.after),
      );
      if (policy === "hold" || !cut.again) return expect(message).toBeNull();
      expectRefusal(tap, requestId);
      if (message !== null) expect(message).toContain("anna drives this browser now.");
    });

    /** As an agent is written that is told: it waits until it drives again, and tries once more. @returns the refusal */
    async function script({ run }: Cut): Promise<string | null> {
      const drives = drivesAgain(cdp);
      try {
        await run(page, cdp);
        return null;
      } catch (error) {
        await drives;
        await run(page, cdp);
        return (error as Error).message;
      }
    }
  },
);

describe("a Puppeteer script loses the browser", () => {
  it.each(["hold", "reject"] as const)("C2, G2: in a click and in typing, under %s", async (policy) => {
    const scene = await stage.scene();
    const { tap, browser } = await scene.puppeteer(`?policy=${policy}`);
    const [page = await browser.newPage()] = await browser.pages();
    await page.goto(`${scene.site.url}/desk`);
    await scene.shows("/desk");
    for (const { run, stop, before, after, again } of [
      {
        run: () => page.click("#one"),
        stop: ["Input.dispatchMouseEvent", { type: "mousePressed" }] as Wanted,
        before: movedAndClicked("/desk", "one").slice(0, 1),
        after: clicked("/desk", "one"),
        again: movedAndClicked("/desk", "one"),
      },
      {
        run: () => page.type("#name", "ab"),
        stop: ["Input.dispatchKeyEvent", { type: "keyDown", text: "b" }] as Wanted,
        before: typed("/desk", "name", "a"),
        after: typed("/desk", "name", "b", "a"),
        again: typed("/desk", "name", "ab", "a"),
      },
    ]) {
      scene.site.clear();
      scene.site.mark("start");
      const held = tap.stopAt(...stop);
      const script = run().then(
        () => null,
        (error: Error) => error.message,
      );
      await held.reached;
      const requestId = await scene.accept();
      held.release();
      await tap.sync();
      await act(scene);
      const refusal = policy === "reject" ? await script : null;
      await scene.giveBack();
      if (policy === "reject") {
        expect(refusal).toContain("anna drives this browser now.");
        expect(refusal).toContain(requestId);
        await run();
      } else expect(await script).toBeNull();
      expect.soft(scene.site.between("start", "taken")).toEqual(before);
      expect.soft(scene.held).toEqual(ACTED);
      expect.soft(scene.site.between("given back")).toEqual(policy === "hold" ? after : again);
      await page.reload();
    }
  });
});

describe("a navigation of the agent's", () => {
  it.each(["hold", "reject", "observe"] as const)(
    "C2: that waits for its server is over before the person has the browser, under %s",
    async (policy) => {
      const scene = await stage.scene();
      const { page } = await scene.playwrightPage(`?policy=${policy}`);
      const script = page.goto(`${scene.site.url}/held/slow`);
      await scene.site.asked("slow");
      const taking = scene.take();
      await until(scene.anna, ({ sandbox }) => sandbox.control.phase === "draining");
      await expect(scene.anna.input.move(5, 5)).rejects.toMatchObject({ code: "not_controller" });
      await scene.site.release("slow");
      await taking;
      await scene.site.has("/held/slow runs");
      await act(scene);
      await scene.giveBack();
      expect((await script)?.status()).toBe(200);
      const dom = scene.held.filter((line) => !line.startsWith("GET ") && !line.endsWith(" runs"));
      expect(dom).toEqual(ACTED.map((line) => line.replace("/desk", "/held/slow")));
    },
  );
});
