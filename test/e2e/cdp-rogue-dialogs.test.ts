/** Dialogs that an agent's own session is not told of, in tabs and frames that are not the shown one. */
import { afterAll, beforeAll, describe, it } from "vitest";
import { launchForRogues, RogueStage, startSite, type Chromium } from "../support/rogue-stage.ts";

let chromium: Chromium;
beforeAll(async () => {
  chromium = await launchForRogues();
});
afterAll(() => chromium?.launched.close());

describe("an alert that no session of the agent's is told of", () => {
  it("C2: in a tab that is not shown keeps nobody waiting", async () => {
    const stage = await RogueStage.start(chromium);
    const agent = await stage.agent();
    const { targetId } = await agent.done("Target.createTarget", { url: "about:blank", background: true });
    const session = await agent.attach(String(targetId));
    await agent.done("Target.activateTarget", { targetId: stage.targetId });
    await stage.sees(
      ({ tabs }) =>
        tabs.some(({ tabId }) => tabId === targetId) &&
        tabs.some(({ tabId, active }) => active && tabId === stage.targetId),
    );
    const watcher = await stage.direct.attach(String(targetId));
    await stage.direct.done("Page.enable", {}, watcher);
    agent.post("Runtime.evaluate", { expression: "alert('hidden')" }, session);
    await stage.direct.event("Page.javascriptDialogOpening");
    await stage.works();
    await stage.direct.done("Target.closeTarget", { targetId });
  });

  it("C2: in a frame that has a process of its own keeps nobody waiting", async () => {
    const stage = await RogueStage.start(chromium);
    const site = await startSite();
    const other = site.replace("127.0.0.1", "localhost");
    await stage.direct.done("Page.navigate", { url: site }, stage.directSession);
    await stage.sees(({ tabs }) => tabs.some(({ title }) => title === "site"));
    const { agent, session } = await stage.attached();
    const attach = { autoAttach: true, waitForDebuggerOnStart: false, flatten: true };
    await agent.done("Target.setAutoAttach", attach, session);
    const frame = `document.body.append(Object.assign(document.createElement("iframe"), { src: "${other}" })); 1`;
    await agent.evaluate(frame, session);
    const { params } = await agent.event("Target.attachedToTarget", ({ sessionId }) => sessionId === session);
    agent.post("Runtime.evaluate", { expression: "alert('framed')" }, String(params?.sessionId));
    await stage.sees(({ dialog }) => dialog?.message === "framed");
    await stage.anna.takeControl();
    await stage.anna.input.answerDialog(true);
    await stage.personClicks();
    await stage.anna.releaseControl();
    await stage.works();
  });
});
