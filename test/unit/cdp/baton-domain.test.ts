import { describe, expect, it } from "vitest";
import { BatonError } from "../../../protocol/errors.ts";
import type { Handoff } from "../../../protocol/handoff.ts";
import type { HandoffResult, Sandbox } from "../../../protocol/sandbox.ts";
import { BatonDomain, type BatonCalls } from "../../../src/cdp/baton-domain.ts";
import { SessionState } from "../../../src/cdp/session-state.ts";
import { Inbox } from "../../support/inbox.ts";
import type { CdpAnswer } from "../../support/raw-cdp.ts";
import { commandFor } from "./support.ts";

const HANDOFF: Handoff = {
  requestId: "request-1",
  status: "pending",
  reason: "mfa",
  message: "Enter the code",
  requestedBy: "agent",
  requestedAt: 1,
  updatedAt: 1,
};
const RESULT: HandoffResult = {
  ok: true,
  handoff: HANDOFF,
  preview: { status: "live", controlMode: "shared", updatedAt: 1 },
  pairedBrowser: { previewUrl: "http://people.only/s/x", controlMode: "shared" },
};
const AI: Sandbox["control"] = { mode: "ai", phase: "active", since: 1 };

function domain(calls: Partial<BatonCalls> = {}) {
  const shown = new Inbox<CdpAnswer>();
  const asked: unknown[] = [];
  const note =
    (name: string) =>
    async (...args: unknown[]): Promise<HandoffResult> => {
      asked.push([name, ...args]);
      return RESULT;
    };
  let prompts = 0;
  const baton = new BatonDomain({
    sandboxId: "s",
    show: (bytes) => shown.put(JSON.parse(bytes.toString("utf8")) as CdpAnswer),
    calls: {
      get: note("get"),
      waitForEnd: note("waitForEnd"),
      request: note("request"),
      cancel: note("cancel"),
      answerResume: async (params) => void asked.push(["answerResume", params]),
      takesPrompts: () => (prompts += 1),
      refreshToken: async (token) => {
        asked.push(["refreshToken", token]);
        return 1_234;
      },
      ...calls,
    },
  });
  const [one, two] = [new SessionState("ONE", "page", "T"), new SessionState("TWO", "page", "T")];
  let lastId = 0;
  const call = (method: string, params: Record<string, unknown> = {}, session = one): Promise<CdpAnswer> => {
    lastId += 1;
    const id = lastId;
    baton.command({ ...commandFor(session, method, params), id }, params);
    return shown.take(`answer to ${method}`, (message) => message.id === id);
  };
  const events = (): [unknown, unknown][] =>
    shown.all.filter(({ method }) => method).map(({ method, sessionId }) => [method, sessionId]);
  return { baton, call, shown, asked, events, one, two, prompts: () => prompts };
}

const known = (control: Sandbox["control"], handoff: Handoff | null = null, epoch = 1) => ({
  control,
  handoff,
  epoch,
  seq: 1,
});

describe("the Baton domain", () => {
  it("answers in Chromium's form, to the session that asked, and without what only people need", async () => {
    const { call, two } = domain();
    expect(await call("Baton.enable", {}, two)).toEqual({
      id: 1,
      result: { sandboxId: "s", handoff: HANDOFF, controlMode: "shared" },
      sessionId: "TWO",
    });
    expect(JSON.stringify(await call("Baton.getHandoff"))).not.toContain("people.only");
  });

  it("asks for a person, waits for the end, withdraws and answers a prompt with what it was given", async () => {
    const { call, asked } = domain();
    const request = { reason: "mfa", message: "Enter the code", privacy: "private" };
    await call("Baton.requestHandoff", request);
    await call("Baton.getHandoff", { waitMs: 5 });
    await call("Baton.cancelHandoff");
    await call("Baton.answerResumePrompt", { requestId: "request-1", response: "done" });
    expect(asked).toEqual([
      ["request", expect.objectContaining(request)],
      ["waitForEnd", 5, expect.any(AbortSignal)],
      ["cancel", {}],
      ["answerResume", { requestId: "request-1", ok: true, response: "done" }],
    ]);
  });

  it.each<[string, Record<string, unknown>]>([
    ["Baton.requestHandoff", {}],
    ["Baton.requestHandoff", { reason: "boredom", message: "x" }],
    ["Baton.requestHandoff", { reason: "mfa", message: "x", more: 1 }],
    ["Baton.getHandoff", { waitMs: -1 }],
    ["Baton.getHandoff", { waitMs: 1.5 }],
    ["Baton.getHandoff", { waitMs: 1e12 }],
    ["Baton.answerResumePrompt", { requestId: "", ok: true }],
    ["Baton.answerResumePrompt", { requestId: "r", response: "x".repeat(65_537) }],
  ])("refuses parameters that are not its own: %s %j", async (method, params) => {
    const { call, asked } = domain();
    expect(await call(method, params)).toMatchObject({ error: { code: -32_602 } });
    expect(asked).toEqual([]);
  });

  it("refuses commands it does not have, and names those it has", async () => {
    const { call } = domain();
    expect(await call("Baton.takeOver")).toMatchObject({
      error: { code: -32_601, message: expect.stringContaining("requestHandoff") },
    });
  });

  it("tells why a call was refused, and of a failure of its own nothing", async () => {
    const details = { controller: "anna" };
    const { call } = domain({
      request: () => Promise.reject(new BatonError("handoff_in_progress", "One is open.", details)),
      cancel: () => Promise.reject(new Error("secret path /etc")),
    });
    const refused = await call("Baton.requestHandoff", { reason: "mfa", message: "x" });
    expect(refused.error).toMatchObject({ code: -32_000, message: "One is open." });
    expect(JSON.parse(refused.error?.data ?? "")).toEqual({
      code: "handoff_in_progress",
      retryable: false,
      ...details,
    });
    const failed = await call("Baton.cancelHandoff");
    expect(failed.error?.data).toContain("internal");
    expect(JSON.stringify(failed)).not.toContain("secret");
  });

  it("runs 64 commands at a time; more are refused at once, and may come again", async () => {
    let release = (): void => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    const { call } = domain({ waitForEnd: () => released.then(() => RESULT) });
    const waiting = Array.from({ length: 64 }, () => call("Baton.getHandoff", { waitMs: 1_000 }));
    expect(await call("Baton.getHandoff")).toMatchObject({ error: { data: '{"code":"too_many"}' } });
    release();
    for (const answer of await Promise.all(waiting)) expect(answer).toHaveProperty("result");
    expect(await call("Baton.getHandoff")).toHaveProperty("result");
  });

  it("a wait ends with the connection", async () => {
    const { call, baton } = domain({
      waitForEnd: (_, signal) =>
        new Promise((_, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason as Error));
        }),
    });
    const answer = call("Baton.getHandoff", { waitMs: 60_000 });
    baton.close();
    expect(await answer).toMatchObject({ error: { data: expect.stringContaining("unavailable") } });
  });
});

describe("its events", () => {
  it("come to each session that used it, until it says that it wants none", async () => {
    const { baton, call, events, two } = domain();
    baton.changed(known(AI));
    await call("Baton.getHandoff");
    await call("Baton.enable", {}, two);
    baton.changed(known({ mode: "human", phase: "active", controller: "anna", since: 2 }));
    expect(events()).toEqual([
      ["Baton.controlChanged", "ONE"],
      ["Baton.controlChanged", "TWO"],
    ]);
    await call("Baton.disable");
    baton.changed(known({ ...AI, since: 3 }));
    baton.forget("TWO");
    baton.changed(known({ ...AI, since: 4 }));
    expect(events().slice(2)).toEqual([["Baton.controlChanged", "TWO"]]);
  });

  it("tell each change once, and at the first look none", async () => {
    const { baton, call, shown } = domain();
    await call("Baton.enable");
    baton.changed(known(AI, HANDOFF));
    baton.changed(known(AI, HANDOFF));
    const accepted: Handoff = { ...HANDOFF, status: "accepted", controller: "anna" };
    const control = {
      mode: "shared",
      phase: "active",
      controller: "anna",
      privacy: "private",
      since: 2,
    } as const;
    baton.changed(known(control, accepted, 7));
    baton.changed(known(control, accepted, 7));
    expect(shown.all.filter(({ method }) => method).map(({ method, params }) => [method, params])).toEqual([
      ["Baton.handoffUpdated", { handoff: accepted }],
      [
        "Baton.controlChanged",
        { controlMode: "shared", phase: "active", controller: "anna", privacy: "private", epoch: 7 },
      ],
    ]);
  });

  it("R1: whoever uses it takes resume prompts, from the first session on and once", async () => {
    const { baton, call, prompts, events, two } = domain();
    expect(prompts()).toBe(0);
    await call("Baton.enable");
    await call("Baton.enable", {}, two);
    expect(prompts()).toBe(1);
    baton.prompt({ requestId: "request-1", prompt: "go on", handoff: HANDOFF });
    expect(events()).toEqual([
      ["Baton.resumePrompt", "ONE"],
      ["Baton.resumePrompt", "TWO"],
    ]);
  });

  it("do not come after the end", async () => {
    const { baton, call, events } = domain();
    await call("Baton.enable");
    baton.changed(known(AI));
    baton.close();
    baton.changed(known({ ...AI, since: 9 }));
    expect(events()).toEqual([]);
  });
});
