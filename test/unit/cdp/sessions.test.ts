import { describe, expect, it } from "vitest";
import type { Command } from "../../../src/cdp/commands.ts";
import { Sessions } from "../../../src/cdp/sessions.ts";
import { requestOf, ShownRequests } from "../../../src/cdp/shown-requests.ts";

const OPEN = { requests: new Set<string>(), wasPrivate: false };

function command(sessions: Sessions, method: string, params: object, id = "S"): Command {
  const session = sessions.get(id) ?? sessions.all()[0];
  if (!session) throw new Error("no session");
  const rest = { bytes: Buffer.alloc(0), envelope: {}, id: 1, drives: false, dialog: 0 };
  return { ...rest, method, params: params as Record<string, unknown>, session };
}

function stage(): Sessions {
  const sessions = new Sessions("browser");
  sessions.add("S", "page", "T", false);
  return sessions;
}

describe("paused requests", () => {
  it("G1: a request that this client does not hold is not its to answer", () => {
    const sessions = stage();
    const guess = command(sessions, "Fetch.fulfillRequest", { requestId: "interception-job-1.0" });
    expect(sessions.answerFor(guess, OPEN)).toMatchObject({ message: "Invalid InterceptionId." });
    sessions.get("S")?.pause("interception-job-1.0", { method: "Fetch.continueRequest", params: {} });
    expect(sessions.answerFor(guess, OPEN)).toBeNull();
  });

  it("reading a paused request's body does not let it go", () => {
    const sessions = stage();
    sessions.get("S")?.pause("R", { method: "Fetch.continueRequest", params: {} });
    sessions.sent(command(sessions, "Fetch.getResponseBody", { requestId: "R" }));
    expect(sessions.get("S")?.paused.has("R")).toBe(true);
    sessions.sent(command(sessions, "Fetch.fulfillRequest", { requestId: "R" }));
    expect(sessions.get("S")?.paused.has("R")).toBe(false);
  });

  it("one that the gate let go on counts as answered, once", () => {
    const sessions = stage();
    sessions.get("S")?.noteContinued("R");
    const answer = command(sessions, "Fetch.continueRequest", { requestId: "R" });
    expect(sessions.answerFor(answer, OPEN)).toBe("done");
    expect(sessions.answerFor(answer, OPEN)).toMatchObject({ message: "Invalid InterceptionId." });
  });
});

describe("after a private time", () => {
  const PRIVATE = { requests: new Set(["R"]), wasPrivate: true };

  it.each(["Audits.enable", "Network.enableReportingApi", "BackgroundService.startObserving"])(
    "G3: %s tells nothing again",
    (method) => {
      const sessions = stage();
      expect(sessions.answerFor(command(sessions, method, {}), PRIVATE)).toBe("done");
      expect(sessions.answerFor(command(sessions, method, {}), OPEN)).toBeNull();
    },
  );

  it("G3: bodies of its requests, and heap snapshots, are refused", () => {
    const sessions = stage();
    const refused = { data: { code: "private" } };
    const body = command(sessions, "Network.getResponseBody", { requestId: "R" });
    expect(sessions.answerFor(body, PRIVATE)).toMatchObject(refused);
    expect(sessions.answerFor(command(sessions, "HeapProfiler.takeHeapSnapshot", {}), PRIVATE)).toMatchObject(
      refused,
    );
  });
});

describe("recorders", () => {
  it("G3: what was begun is known until it is ended", () => {
    const sessions = stage();
    sessions.sent(command(sessions, "Tracing.start", {}));
    sessions.sent(command(sessions, "Profiler.start", {}));
    sessions.sent(command(sessions, "Profiler.stop", {}));
    expect([...(sessions.get("S")?.recorders.keys() ?? [])]).toEqual(["Tracing.end"]);
  });
});

describe("sessions that are given up", () => {
  it("C2: those with something under way or held down, and no others", () => {
    const sessions = stage();
    sessions.add("Q", "page", "T", false);
    const detach = (id: string): Command => command(sessions, "Target.detachFromTarget", { sessionId: id });
    expect(sessions.endedBy(detach("S"))).toEqual([]);
    sessions.get("S")?.outstanding.set(7, { id: 7, method: "Page.reload", drives: true, done: false });
    sessions
      .get("Q")
      ?.pressed.sent("Input.dispatchMouseEvent", { type: "mousePressed", button: "left", x: 1, y: 1 });
    expect(sessions.endedBy(detach("S")).map(({ id }) => id)).toEqual(["S"]);
    expect(sessions.endedBy(detach("Q")).map(({ id }) => id)).toEqual(["Q"]);
    const off = command(sessions, "Target.setAutoAttach", { autoAttach: false });
    expect(sessions.endedBy(off).map(({ id }) => id)).toEqual(["S", "Q"]);
    const on = command(sessions, "Target.setAutoAttach", { autoAttach: true, flatten: true });
    expect(sessions.endedBy(on)).toEqual([]);
  });
});

describe("requests that a client was told of", () => {
  it("G3: are known from their beginning, and unfinished until their end", () => {
    const shown = new ShownRequests();
    shown.note("Network.responseReceived", "NEVER-BEGUN");
    shown.note("Network.requestWillBeSent", "A");
    shown.note("Network.requestWillBeSent", "B");
    shown.note("Network.loadingFinished", "A");
    expect([shown.has("NEVER-BEGUN"), shown.has("A"), shown.unfinished()]).toEqual([false, true, ["B"]]);
  });

  it("are bounded; the oldest go first", () => {
    const shown = new ShownRequests();
    for (let index = 0; index <= 20_000; index += 1) shown.note("Network.requestWillBeSent", String(index));
    expect([shown.has("0"), shown.has("1"), shown.has("20000")]).toEqual([false, true, true]);
  });

  it("are found in an event's head", () => {
    const event = (params: object): Buffer => Buffer.from(JSON.stringify({ method: "Network.x", params }));
    expect(requestOf(event({ requestId: "1.2", rest: "x" }))).toBe("1.2");
    expect(requestOf(event({ other: "x" }))).toBeUndefined();
  });
});
