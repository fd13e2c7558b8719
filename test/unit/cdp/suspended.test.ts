import { describe, expect, it } from "vitest";
import { commandFor } from "./support.ts";
import { Sessions } from "../../../src/cdp/sessions.ts";
import { Suspended } from "../../../src/cdp/suspended.ts";

const SKIP = { method: "Debugger.setSkipAllPauses", params: { skip: true } };
const STOP = { method: "Debugger.setSkipAllPauses", params: { skip: false } };

describe("what an agent set in a person's way", () => {
  it.each<[string, Record<string, unknown>, object]>([
    ["Input.setIgnoreInputEvents", { ignore: true }, { ignore: false }],
    ["Input.setInterceptDrags", { enabled: true }, { enabled: false }],
    ["Page.setInterceptFileChooserDialog", { enabled: true, cancel: true }, { enabled: false }],
    ["Emulation.setScriptExecutionDisabled", { value: true }, { value: false }],
  ])("%s is taken back, and set again as it was", (method, params, neutral) => {
    const { session, send } = sessions();
    send(method, params);
    expect(session.suspended.suspend()).toEqual([{ method, params: neutral }]);
    expect(session.suspended.isDue).toBe(true);
    expect(session.suspended.restore()).toEqual([{ method, params }]);
    expect(session.suspended.isDue).toBe(false);
    expect(session.suspended.restore()).toEqual([]);
    send(method, neutral as Record<string, unknown>);
    expect(session.suspended.suspend()).toEqual([]);
  });

  it("nothing set: nothing is due", () => {
    const suspended = new Suspended();
    suspended.sent("Page.enable", {});
    expect([suspended.suspend(), suspended.isDue, suspended.restore()]).toEqual([[], false, []]);
  });

  it("a debugger is told to skip its breakpoints, and lets go of a page that it has stopped", () => {
    const suspended = new Suspended();
    suspended.sent("Debugger.enable", {});
    expect(suspended.suspend()).toEqual([SKIP]);
    expect(suspended.restore()).toEqual([STOP]);
    suspended.paused(true);
    expect(suspended.suspend()).toEqual([SKIP, { method: "Debugger.resume", params: {} }]);
    suspended.paused(false);
    suspended.restore();
    suspended.sent("Debugger.disable", {});
    expect(suspended.suspend()).toEqual([]);
  });

  it("an agent that skipped its breakpoints itself goes on to skip them", () => {
    const suspended = new Suspended();
    suspended.sent("Debugger.enable", {});
    suspended.sent("Debugger.setSkipAllPauses", { skip: true });
    suspended.suspend();
    expect(suspended.restore()).toEqual([]);
  });

  it("a page that was told to wait is let run, and not stopped again", () => {
    const run = { method: "Runtime.runIfWaitingForDebugger", params: {} };
    const suspended = new Suspended();
    suspended.sent("Page.waitForDebugger", {});
    expect(suspended.suspend()).toEqual([run]);
    expect(suspended.suspend()).toEqual([]);
    expect(suspended.restore()).toEqual([]);
    suspended.sent("Page.waitForDebugger", {});
    suspended.sent("Runtime.runIfWaitingForDebugger", {});
    expect(suspended.suspend()).toEqual([]);
  });

  it("what changes while a person drives counts for the return", () => {
    const suspended = new Suspended();
    suspended.sent("Page.setInterceptFileChooserDialog", { enabled: true });
    suspended.suspend();
    suspended.sent("Page.setInterceptFileChooserDialog", { enabled: false });
    expect(suspended.restore()).toEqual([]);
  });
});

/** The way a command takes to what its session has set. */
function sessions() {
  const all = new Sessions("page", "T");
  const session = all.get(undefined);
  if (!session) throw new Error("a connection has a session of its own");
  return {
    session,
    send: (method: string, params: Record<string, unknown>) => all.sent(commandFor(session, method, params)),
  };
}
