/**
 * Agents that leave their pages in a bad state: whoever takes over gets a page that can be driven, or a documented way
 * out of it, and the agent finds what it had set when it gets the browser back.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { launchForRogues, press, RogueStage, startSite, type Chromium } from "../support/rogue-stage.ts";

let chromium: Chromium;
beforeAll(async () => {
  chromium = await launchForRogues();
});
afterAll(() => chromium?.launched.close());

const start = (): Promise<RogueStage> => RogueStage.start(chromium);

describe("scripts without an end", () => {
  it("C2: an evaluate that never settles keeps nobody waiting", async () => {
    const stage = await start();
    const { agent, session } = await stage.attached();
    const expression = "document.title = 'begun'; new Promise(() => {})";
    agent.post("Runtime.evaluate", { expression, awaitPromise: true }, session);
    await stage.works();
    expect(await stage.direct.evaluate("document.title", stage.directSession)).toBe("begun");
  });

  it("C2: a page that hangs keeps the takeover waiting until the person navigates away", async () => {
    const stage = await start();
    const { agent, session } = await stage.attached();
    agent.post("Runtime.evaluate", { expression: "for (;;) {}" }, session);
    await agent.sync();
    const taken = stage.anna.takeControl();
    await stage.sees(({ sandbox }) => sandbox.control.phase === "draining");
    await stage.freedByLeaving(taken);
  });

  it("C2: a drain goes on when its agent vanishes, and releases the mouse", async () => {
    const stage = await start();
    const { agent, session } = await stage.attached();
    agent.post("Runtime.evaluate", { expression: "for (;;) {}" }, session);
    agent.post("Input.dispatchMouseEvent", { ...press("mousePressed"), x: 310, y: 320 }, session);
    await agent.sync();
    const taken = stage.anna.takeControl();
    await stage.sees(({ sandbox }) => sandbox.control.phase === "draining");
    agent.cut();
    await stage.freedByLeaving(taken);
  });

  it("C2: a worker that waits for its agent keeps nobody waiting; one that hangs, until the person navigates away", async () => {
    const stage = await start();
    const { agent, session } = await stage.attached();
    const attach = { autoAttach: true, waitForDebuggerOnStart: true, flatten: true };
    await agent.done("Target.setAutoAttach", attach, session);
    const expression = `new Worker("data:text/javascript,for(;;){}"); 1`;
    agent.post("Runtime.evaluate", { expression }, session);
    const { params } = await agent.event("Target.attachedToTarget", ({ sessionId }) => sessionId === session);
    const worker = String(params?.sessionId);
    agent.post("Runtime.evaluate", { expression: "1" }, worker);
    await stage.anna.takeControl();
    await stage.personClicks();
    await stage.anna.releaseControl();
    await agent.done("Runtime.runIfWaitingForDebugger", {}, worker);
    agent.post("Runtime.evaluate", { expression: "1" }, worker);
    await agent.sync();
    const taken = stage.anna.takeControl();
    await stage.sees(({ sandbox }) => sandbox.control.phase === "draining");
    await stage.freedByLeaving(taken);
  });

  it("commands that a crash leaves unanswered keep nobody waiting", async () => {
    const stage = await start();
    const { agent, session } = await stage.attached();
    const expression = "new Promise(() => {})";
    const id = agent.post("Runtime.evaluate", { expression, awaitPromise: true }, session);
    agent.post("Page.crash", {}, session);
    agent.post("Input.insertText", { text: "x" }, session);
    expect(await agent.answer(id)).toHaveProperty("error");
    await stage.anna.takeControl();
    await stage.personLeaves();
    await stage.personClicks();
    await stage.anna.releaseControl();
    await stage.works();
  });
});

describe("dialogs", () => {
  it.each([
    ["that the agent's session is told of", true],
    ["that it is not told of", false],
  ])("an alert %s, opened by evaluate, is the person's to answer", async (_, enabled) => {
    const stage = await start();
    const { agent, session } = await stage.attached();
    if (enabled) await agent.done("Page.enable", {}, session);
    const id = agent.post("Runtime.evaluate", { expression: "alert('mine'); 5" }, session);
    await stage.sees(({ dialog }) => dialog?.message === "mine");
    await stage.anna.takeControl();
    await stage.anna.input.answerDialog(true);
    expect(await agent.answer(id)).toMatchObject({ result: { result: { value: 5 } } });
    await stage.personClicks();
    await stage.anna.releaseControl();
    await stage.works();
  });

  it("an alert that is older than the session that runs into it", async () => {
    const stage = await start();
    stage.direct.post("Runtime.evaluate", { expression: "alert('old')" }, stage.directSession);
    await stage.sees(({ dialog }) => dialog?.message === "old");
    const { agent, session } = await stage.attached();
    agent.post("Runtime.evaluate", { expression: "5" }, session);
    agent.post("Input.insertText", { text: "5" }, session);
    await agent.sync();
    await stage.anna.takeControl();
    await stage.anna.input.answerDialog(true);
    await stage.personClicks();
    await stage.anna.releaseControl();
    await stage.works();
  });

  it("an alert of a frame that has a process of its own", async () => {
    const stage = await start();
    const site = await startSite();
    const other = site.replace("127.0.0.1", "localhost");
    await stage.direct.done("Page.navigate", { url: site }, stage.directSession);
    await stage.sees(({ tabs }) => tabs.some(({ title }) => title === "site"));
    const { agent, session } = await stage.attached();
    await agent.done("Page.enable", {}, session);
    const attach = { autoAttach: true, waitForDebuggerOnStart: false, flatten: true };
    await agent.done("Target.setAutoAttach", attach, session);
    const frame = `document.body.append(Object.assign(document.createElement("iframe"), { src: "${other}" })); 1`;
    await agent.evaluate(frame, session);
    const { params } = await agent.event("Target.attachedToTarget", ({ sessionId }) => sessionId === session);
    const inside = String(params?.sessionId);
    agent.post("Runtime.evaluate", { expression: "alert('framed')" }, inside);
    await stage.sees(({ dialog }) => dialog?.message === "framed");
    agent.post("Runtime.evaluate", { expression: "2" }, inside);
    await agent.sync();
    await stage.anna.takeControl();
    await stage.anna.input.answerDialog(true);
    await stage.personClicks();
    await stage.anna.releaseControl();
    await stage.works();
  });
});

describe("what an agent set in a person's way", () => {
  it("a breakpoint that holds up a click is passed over, and holds again after the return", async () => {
    const stage = await start();
    const { agent, session } = await stage.attached();
    await agent.done("Debugger.enable", {}, session);
    await agent.evaluate("document.body.onmouseup = () => { debugger; }; 1", session);
    const click = async (): Promise<number> => {
      const at = { x: 300, y: 301 };
      await agent.done("Input.dispatchMouseEvent", { ...press("mousePressed"), ...at }, session);
      const id = agent.post("Input.dispatchMouseEvent", { ...press("mouseReleased"), ...at }, session);
      await agent.event("Debugger.paused");
      return id;
    };
    const id = await click();
    await stage.anna.takeControl();
    expect(await agent.answer(id)).toHaveProperty("result");
    await stage.personClicks();
    await stage.anna.releaseControl();
    await click();
    await agent.done("Debugger.resume", {}, session);
    agent.cut();
    await stage.works();
  });

  it("a debugger that is connected under a person stops nothing", async () => {
    const stage = await start();
    const { agent, session } = await stage.attached("?policy=observe");
    await stage.direct.evaluate("document.body.onmousedown = () => { debugger; }; 1", stage.directSession);
    await stage.anna.takeControl();
    await agent.done("Debugger.enable", {}, session);
    await stage.personClicks();
    await stage.anna.releaseControl();
    agent.cut();
    await stage.works();
  });

  it.each<[string, object, string]>([
    ["Input.setIgnoreInputEvents", { ignore: true }, "clicks"],
    ["Emulation.setScriptExecutionDisabled", { value: true }, "scripts"],
    ["Page.waitForDebugger", {}, "everything"],
  ])("%s is undone for the person", async (method, params) => {
    const stage = await start();
    const { agent, session } = await stage.attached();
    agent.post(method, params, session);
    await agent.sync();
    await stage.anna.takeControl();
    await stage.personLeaves();
    await stage.personClicks();
    await stage.anna.releaseControl();
    agent.cut();
    await stage.works();
  });

  it("G1: a popup of the person's that waits for an agent which does not answer begins all the same", async () => {
    const stage = await start();
    const { agent, session } = await stage.attached();
    const attach = { autoAttach: true, waitForDebuggerOnStart: true, flatten: true };
    await agent.done("Target.setAutoAttach", attach);
    await agent.done("Target.setAutoAttach", attach, session);
    const site = await startSite();
    const popup = `document.body.onclick = () => { document.body.onclick = null; open("${site}"); }; 1`;
    await stage.direct.evaluate(popup, stage.directSession);
    await stage.anna.takeControl();
    await stage.personClicks();
    await stage.sees(({ tabs }) => tabs.some(({ title, active }) => active && title === "site"));
    const opened = stage.anna.current?.tabs.find(({ title }) => title === "site")?.tabId ?? "";
    await stage.anna.input.closeTab(opened);
    await stage.anna.releaseControl();
    agent.cut();
    await stage.works();
  });
});
