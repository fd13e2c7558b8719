/** G3: what a client is told of a private time once it is over. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { beginning, Curtain } from "../../../src/cdp/curtain.ts";
import type { TargetInfo } from "../../../src/cdp/kept-events.ts";
import { Browser, Client, happenings, type Told } from "./told.ts";

/** Takes events, lifts, and returns what was told. */
function told(events: readonly Told[], infos: readonly TargetInfo[] = [], curtain = new Curtain()): Told[] {
  for (const { method, params, sessionId } of events) curtain.take(method, params, sessionId);
  return curtain.lift(infos).map((bytes) => JSON.parse(bytes.toString("utf8")) as Told);
}

const event = (method: string, params: Record<string, unknown>, sessionId?: string): Told => ({
  method,
  params,
  ...(sessionId !== undefined && { sessionId }),
});
const target = (targetId: string, more: object = {}): Record<string, unknown> => ({
  targetInfo: { targetId, type: "page", title: "secret", url: "http://secret/", ...more },
});
const frame = (id: string, url = ""): Record<string, unknown> => ({ frame: { id, url } });

describe("what came and went behind the curtain", () => {
  it("G3: a client that hears of it later knows the same targets, sessions, frames and contexts as one that heard it all", () => {
    fc.assert(
      fc.property(happenings(30), happenings(60), (before, meanwhile) => {
        const browser = new Browser();
        const [all, some] = [new Client(), new Client()];
        for (const each of before.flatMap((happening) => browser.happen(happening))) {
          all.take(each);
          some.take(each);
        }
        const from = browser.addresses.length;
        const events = meanwhile.flatMap((happening) => browser.happen(happening));
        events.forEach((each) => all.take(each));
        const infos = browser.targets.map((targetId) => ({ targetId, title: "now", url: "http://now/" }));
        const later = told(events, infos);
        later.forEach((each) => some.take(each));
        expect(some.picture).toEqual(all.picture);
        const text = JSON.stringify(later);
        expect(text).not.toContain("secret");
        // Of all the addresses between, only those where the pages are now.
        for (const address of browser.addresses.slice(from))
          if (!browser.shown.includes(address)) expect(text).not.toContain(address);
      }),
      { numRuns: 3_000 },
    );
  });

  it("G3: is not told: a tab, a frame, a context, with everything about them", () => {
    expect(
      told([
        event("Target.targetCreated", target("T")),
        event("Target.attachedToTarget", { sessionId: "S", ...target("T") }),
        event("Page.frameAttached", { frameId: "F", parentFrameId: "T" }, "S"),
        event("Page.frameNavigated", frame("F", "http://secret/"), "S"),
        event("Page.lifecycleEvent", { frameId: "F", name: "load" }, "S"),
        event("Runtime.executionContextCreated", { context: { id: 1, origin: "http://secret" } }, "S"),
        event("Target.targetInfoChanged", target("T")),
        event("Target.targetCrashed", { targetId: "T" }),
        event("Target.detachedFromTarget", { sessionId: "S" }),
        event("Target.targetDestroyed", { targetId: "T" }),
        event("Runtime.executionContextCreated", { context: { id: 2 } }, "OLD"),
        event("Runtime.executionContextDestroyed", { executionContextId: 2 }, "OLD"),
      ]),
    ).toEqual([]);
  });

  it("of several addresses of a frame only the last is told, and of each lifecycle event the newest", () => {
    const events = [
      event("Page.frameNavigated", frame("T", "http://one/"), "S"),
      event("Page.lifecycleEvent", { frameId: "T", name: "load", loaderId: "1" }, "S"),
      event("Page.frameNavigated", frame("T", "http://two/"), "S"),
      event("Page.navigatedWithinDocument", { frameId: "T", url: "http://two/#a" }, "S"),
      event("Page.navigatedWithinDocument", { frameId: "T", url: "http://two/#b" }, "S"),
      event("Page.lifecycleEvent", { frameId: "T", name: "load", loaderId: "2" }, "S"),
      event("Page.lifecycleEvent", { frameId: "T", name: "load", loaderId: "3" }, "S"),
    ];
    expect(told(events)).toEqual([events[2], events[4], events[6]]);
  });

  it("a frame that came, and moved to another process, is there: its target would be nobody's otherwise", () => {
    const attached = event("Page.frameAttached", { frameId: "F", parentFrameId: "T" }, "S");
    const swapped = event("Page.frameDetached", { frameId: "F", reason: "swap" }, "S");
    const own = event(
      "Target.attachedToTarget",
      { sessionId: "SF", ...target("F", { type: "iframe" }) },
      "S",
    );
    const methods = (events: Told[]): string[] => told(events).map(({ method }) => method);
    expect(
      methods([attached, event("Page.frameNavigated", frame("F", "http://secret/"), "S"), swapped, own]),
    ).toEqual(["Page.frameAttached", "Page.frameDetached", "Target.attachedToTarget"]);
    const removed = event("Page.frameDetached", { frameId: "F", reason: "remove" }, "S");
    expect(told([attached, swapped, removed])).toEqual([]);
    // One that the client knew moved away and back before it went: the client must hear that it went.
    expect(told([swapped, attached, removed])).toEqual([removed]);
  });

  it("what happened in sessions that were attached through one that is gone is gone with it", () => {
    expect(
      told([
        event("Target.attachedToTarget", { sessionId: "S", ...target("T") }),
        event("Target.attachedToTarget", { sessionId: "SF", ...target("F") }, "S"),
        event("Target.attachedToTarget", { sessionId: "SFF", ...target("FF") }, "SF"),
        event("Page.frameNavigated", frame("FF", "http://secret/"), "SFF"),
        event("Target.detachedFromTarget", { sessionId: "S" }),
      ]),
    ).toEqual([]);
  });

  it("a page that goes on takes its frames along, although Chromium does not always say so", () => {
    const main = event("Page.frameNavigated", frame("T", "http://now/"), "S");
    const inner = { frame: { id: "F", parentId: "T", url: "http://secret/" } };
    const innermost = { frame: { id: "FF", parentId: "F", url: "http://secret/" } };
    const frames = [event("Page.frameNavigated", inner, "S"), event("Page.frameNavigated", innermost, "S")];
    const elsewhere = event("Page.frameNavigated", frame("F", "http://other/"), "S2");
    expect(told([...frames, elsewhere, main])).toEqual([elsewhere, main]);
    const again = event("Page.frameNavigated", { frame: { ...inner.frame, url: "http://now/" } }, "S");
    expect(told([...frames, elsewhere, again])).toEqual([elsewhere, again]);
  });

  it("targets are told as they are now, those that are not there any more without name and address", () => {
    const events = [
      event("Target.targetCreated", target("HERE")),
      event("Target.attachedToTarget", { sessionId: "S", ...target("GONE") }),
    ];
    expect(told(events, [{ targetId: "HERE", title: "now", url: "http://now/" }])).toMatchObject([
      { params: { targetInfo: { title: "now", url: "http://now/" } } },
      { params: { targetInfo: { title: "", url: "" } } },
    ]);
  });

  it("keeps the order of what it keeps", () => {
    const events = ["A", "B", "C"].flatMap((id) => [
      event("Target.targetCreated", target(id, { title: "", url: "" })),
      event("Target.attachedToTarget", { sessionId: `S${id}`, ...target(id, { title: "", url: "" }) }),
      event("Page.frameNavigated", frame(id), `S${id}`),
    ]);
    expect(told(events)).toEqual(events);
  });

  it("nothing that pages say, show or send is kept", () => {
    const methods = [
      "Runtime.consoleAPICalled",
      "Log.entryAdded",
      "DOM.childNodeInserted",
      "Page.javascriptDialogOpening",
      "Runtime.bindingCalled",
      "Accessibility.nodesUpdated",
      "Network.responseReceived",
      "Network.requestWillBeSent",
      "Network.dataReceived",
      "Made.up",
    ];
    expect(told(methods.map((method) => event(method, { secret: "secret", requestId: "R" }, "S")))).toEqual(
      [],
    );
  });

  it("more than 10,000 events cannot be told", () => {
    const curtain = new Curtain();
    for (let n = 0; n < 10_000; n += 1) curtain.take("Target.targetCreated", target(`T${n}`), undefined);
    expect([curtain.overflowed, curtain.lift([]).length]).toEqual([false, 10_000]);
    curtain.take("Target.targetCreated", target("ONE MORE"), undefined);
    expect([curtain.overflowed, curtain.lift([]).length]).toEqual([true, 0]);
    curtain.take("Target.targetCreated", target("AND MORE"), undefined);
    expect(curtain.lift([])).toEqual([]);
  });

  it("what goes on and on in one place does not grow", () => {
    const curtain = new Curtain();
    for (let n = 0; n < 20_000; n += 1)
      curtain.take("Page.navigatedWithinDocument", { frameId: "F", url: `http://x/#${n}` }, "S");
    expect([curtain.overflowed, curtain.lift([]).length]).toEqual([false, 1]);
  });
});

describe("requests behind the curtain", () => {
  const begun = (requestId: string): Told =>
    event("Network.requestWillBeSent", { requestId, request: { url: "http://secret/" } }, "S");
  const ended = (requestId: string): Told =>
    event(
      "Network.loadingFinished",
      { requestId, timestamp: 1, encodedDataLength: 5, secret: "secret" },
      "S",
    );

  it("G3: one that the client knew ended; how is all that it hears", () => {
    const known = (): Curtain => new Curtain(new Set(), { has: (id) => id === "OLD" });
    expect(told([ended("OLD")], [], known())).toEqual([
      event("Network.loadingFinished", { requestId: "OLD", timestamp: 1, encodedDataLength: 5 }, "S"),
    ]);
    const failed = {
      requestId: "OLD",
      timestamp: 1,
      type: "Fetch",
      errorText: "net::ERR_ABORTED",
      canceled: true,
    };
    const secret = event("Network.loadingFailed", { ...failed, blockedReason: "secret" }, "S");
    expect(told([secret], [], known())).toEqual([event("Network.loadingFailed", failed, "S")]);
  });

  it("G3: of one that the client never heard of it hears nothing", () => {
    expect(told([ended("STRANGE")])).toEqual([]);
  });

  it("G3: one that began there is never told of, also in later private times", () => {
    const curtain = new Curtain();
    expect(told([begun("NEW"), ended("NEW")], [], curtain)).toEqual([]);
    expect([...curtain.requests]).toEqual(["NEW"]);
    expect(told([ended("NEW")], [], new Curtain(curtain.requests))).toEqual([]);
  });

  it("more than 50,000 cannot be remembered: the client must connect anew", () => {
    const curtain = new Curtain();
    for (let n = 0; n < 50_000; n += 1)
      curtain.take("Network.requestWillBeSent", { requestId: `R${n}` }, "S");
    expect(curtain.overflowed).toBe(false);
    curtain.take("Network.requestWillBeSent", { requestId: "ONE MORE" }, "S");
    expect(curtain.overflowed).toBe(true);
  });
});

describe("what the page waits for behind the curtain", () => {
  const answers = (method: string, params: Record<string, unknown>): unknown =>
    new Curtain()
      .take(method, params, "S")
      .map(({ method, params, session }) => [method, params, session ?? "S"]);

  it("is answered in the client's place", () => {
    expect(answers("Fetch.requestPaused", { requestId: "R" })).toEqual([
      ["Fetch.continueRequest", { requestId: "R" }, "S"],
    ]);
    expect(answers("Fetch.authRequired", { requestId: "R" })).toEqual([
      ["Fetch.continueWithAuth", { requestId: "R", authChallengeResponse: { response: "Default" } }, "S"],
    ]);
    expect(answers("Page.screencastFrame", { sessionId: 5 })).toEqual([
      ["Page.screencastFrameAck", { sessionId: 5 }, "S"],
    ]);
    expect(answers("Debugger.paused", {})).toEqual([["Debugger.resume", {}, "S"]]);
    expect(
      answers("Target.attachedToTarget", { sessionId: "NEW", waitingForDebugger: true, ...target("T") }),
    ).toEqual([["Runtime.runIfWaitingForDebugger", {}, "NEW"]]);
    expect(
      answers("Target.attachedToTarget", { sessionId: "NEW", waitingForDebugger: false, ...target("T") }),
    ).toEqual([]);
  });

  it("a tab that waits is let run only once its page is attached too", () => {
    const event = { sessionId: "NEW", waitingForDebugger: true, targetInfo: { type: "tab" } };
    expect(beginning(event)).toEqual([
      {
        method: "Target.setAutoAttach",
        params: { autoAttach: true, waitForDebuggerOnStart: true, flatten: true },
        session: "NEW",
      },
      { method: "Runtime.runIfWaitingForDebugger", params: {}, session: "NEW" },
    ]);
  });
});
