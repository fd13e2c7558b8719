/** H3: every step that a handoff or control does not allow has a code of its own, over the socket and over HTTP alike. */
import { describe, expect, it } from "vitest";
import { ERRORS, type ErrorCode, type Problem } from "../../protocol/errors.ts";
import type { HandoffResult } from "../../protocol/sandbox.ts";
import { startLoggedGateway, type LoggedGateway } from "../support/logged-gateway.ts";
import type { RawClient } from "../support/raw-client.ts";

const SANDBOX = "s";
const REQUEST = { reason: "approval", message: "please" };

const PATHS = {
  "handoff.request": "handoff",
  "handoff.accept": "handoff/accept",
  "handoff.complete": "handoff/complete",
  "handoff.cancel": "handoff/cancel",
  "control.take": "control/take",
  "control.release": "control/release",
  "control.pass": "control/pass",
  "control.privacy": "control/privacy",
} as const;
type Step = keyof typeof PATHS;
type Fields = Readonly<Record<string, unknown>>;

interface Story extends Omit<LoggedGateway, "client"> {
  readonly client: RawClient;
  /** A step that must succeed. */
  readonly does: (step: Step, fields?: Fields) => Promise<HandoffResult>;
  /** A step that must be refused alike on both ways, and leave everything as it was. */
  readonly refused: (code: ErrorCode, details: Fields, step: Step, fields?: Fields) => Promise<void>;
}

const about = (details: Fields): object => (Object.keys(details).length === 0 ? {} : { details });

async function story(): Promise<Story> {
  const test = await startLoggedGateway();
  await test.create(SANDBOX);
  const client = await test.raw({ role: "operator", name: "ann" });
  return {
    ...test,
    client,
    does: async (step, fields = {}) =>
      (await client.done("result", { type: step, sandboxId: SANDBOX, ...fields })).result,
    async refused(code, details, step, fields = {}) {
      const before = await test.state(SANDBOX);
      const refusal = await client.refused({ type: step, sandboxId: SANDBOX, ...fields });
      expect(refusal, step).toMatchObject({ code, sandboxId: SANDBOX, ...about(details) });
      expect(refusal.retryable, step).toBe(ERRORS[code].retryable);
      const response = await test.http(`/v1/sandboxes/${SANDBOX}/${PATHS[step]}`, {
        method: "POST",
        headers: { "content-type": "application/json", "x-baton-role": "operator", "x-baton-name": "ann" },
        body: JSON.stringify(fields),
      });
      expect(response.headers.get("content-type"), step).toBe("application/problem+json");
      const problem = (await response.json()) as Problem;
      expect([response.status, problem.status], step).toEqual([ERRORS[code].status, ERRORS[code].status]);
      expect(problem, step).toMatchObject({ code, ...about(details), detail: refusal.message });
      expect(await test.state(SANDBOX), step).toEqual(before);
      await client.ping();
    },
  };
}

const ann = { controller: "ann" };
const bob = { controller: "bob" };
const another = { requestId: "another" };

describe("H3: a step that is not allowed", () => {
  it("without a handoff", async () => {
    const { refused } = await story();
    for (const step of ["handoff.accept", "handoff.complete"] as const) {
      await refused("no_open_handoff", {}, step, ann);
      await refused("no_open_handoff", {}, step, { ...ann, ...another });
    }
    await refused("no_open_handoff", {}, "handoff.cancel");
    await refused("not_controller", { controller: "ai" }, "control.release", ann);
    await refused("not_controller", { controller: "ai" }, "control.pass", { ...ann, to: "bob" });
    await refused("not_controller", { controller: "ai" }, "control.privacy", { ...ann, privacy: "private" });
  });

  it("while it is pending", async () => {
    const { refused, does } = await story();
    const { handoff } = await does("handoff.request", REQUEST);
    const { requestId } = handoff ?? {};
    await refused("handoff_in_progress", { handoff: { requestId } }, "handoff.request", REQUEST);
    await refused("not_accepted", { requestId }, "handoff.complete", ann);
    await refused("handoff_in_progress", { handoff: { requestId } }, "control.take", ann);
    await refused("not_controller", {}, "control.release", ann);
    await refused("not_controller", {}, "control.pass", { ...ann, to: "bob" });
    await refused("not_controller", {}, "control.privacy", { ...ann, privacy: "private" });
    for (const step of ["handoff.accept", "handoff.complete", "handoff.cancel"] as const) {
      const fields = step === "handoff.cancel" ? another : { ...ann, ...another };
      await refused("no_open_handoff", { requestId, status: "pending" }, step, fields);
    }
  });

  it("while somebody else has accepted", async () => {
    const { refused, does } = await story();
    const { handoff } = await does("handoff.request", REQUEST);
    const { requestId } = handoff ?? {};
    await does("handoff.accept", bob);
    await refused("handoff_in_progress", { handoff: { requestId } }, "handoff.request", REQUEST);
    await refused("already_accepted", { controller: "bob", requestId }, "handoff.accept", ann);
    await refused("not_controller", { controller: "bob", requestId }, "handoff.complete", ann);
    await refused("already_controlled", { controller: "bob" }, "control.take", ann);
    await refused("not_controller", { controller: "bob" }, "control.release", ann);
    await refused("not_controller", { controller: "bob" }, "control.pass", { ...ann, to: "carl" });
    for (const privacy of ["private", "open"])
      await refused("not_controller", { controller: "bob" }, "control.privacy", { ...ann, privacy });
    await refused("handoff_in_progress", { handoff: { requestId } }, "control.pass", { ...bob, to: "ai" });
    await refused("no_open_handoff", { requestId }, "handoff.complete", { ...bob, ...another });
    await refused("no_open_handoff", { requestId }, "handoff.cancel", another);
  });

  it.each([
    ["completed", "handoff_completed"],
    ["cancelled", "handoff_cancelled"],
    ["expired", "handoff_expired"],
  ] as const)("after it was %s", async (status, code) => {
    const test = await story();
    const { refused, does, client, http } = test;
    const { handoff } = await does("handoff.request", { ...REQUEST, expiresInMs: 60_000 });
    const { requestId } = handoff ?? {};
    await does("handoff.accept", ann);
    if (status === "completed") await does("handoff.complete", ann);
    else if (status === "cancelled") await does("handoff.cancel");
    else {
      test.advance(61_000);
      // H4: decided as if the deadline had been acted on, whether or not anybody has come to that yet.
      await client.refused({ type: "handoff.complete", sandboxId: SANDBOX, ...ann }, code);
      const ended = await http(`/v1/sandboxes/${SANDBOX}/handoff?wait=8`);
      expect(await ended.json()).toMatchObject({ handoff: { status: "expired" } });
    }
    const details = { requestId, status };
    for (const step of ["handoff.accept", "handoff.complete"] as const) {
      await refused(code, details, step, ann);
      await refused(code, details, step, { ...bob, requestId });
      await refused("no_open_handoff", details, step, { ...ann, ...another });
    }
    await refused(code, details, "handoff.cancel");
    await refused(code, details, "handoff.cancel", { requestId });
    await refused("not_controller", { controller: "ai" }, "control.release", ann);
  });

  it("with somebody else in control and no handoff open", async () => {
    const { refused, does } = await story();
    await does("control.take", bob);
    await refused("already_controlled", { controller: "bob" }, "control.take", ann);
    await refused("not_controller", { controller: "bob" }, "control.release", ann);
    await refused("not_controller", { controller: "bob" }, "control.pass", { ...ann, to: "ai" });
    await refused("no_open_handoff", {}, "handoff.complete", bob);
  });
});

describe("H1, H6: an idempotency key", () => {
  it.each(["k-1", "__proto__", "constructor"])("%s answers a repetition as the first time", async (key) => {
    const { does, state } = await story();
    const fields = { ...REQUEST, idempotencyKey: key };
    const first = await does("handoff.request", fields);
    const before = await state(SANDBOX);
    expect((await does("handoff.request", fields)).handoff).toEqual(first.handoff);
    expect(await state(SANDBOX)).toEqual(before);
    await does("handoff.accept", ann);
    await does("handoff.complete", ann);
    expect((await does("handoff.request", fields)).handoff).toEqual(first.handoff);
  });

  it("for another request is refused with idempotency_conflict", async () => {
    const { does, refused } = await story();
    await does("handoff.request", { ...REQUEST, idempotencyKey: "k" });
    for (const fields of [{ message: "other" }, { reason: "mfa" }, { resumePrompt: "go on" }]) {
      const other = { ...REQUEST, ...fields, idempotencyKey: "k" };
      await refused("idempotency_conflict", {}, "handoff.request", other);
    }
    await refused("idempotency_conflict", {}, "handoff.accept", { ...ann, idempotencyKey: "k" });
    await refused("idempotency_conflict", {}, "handoff.cancel", { idempotencyKey: "k" });
  });

  it("of a refused call is free: nothing was done under it", async () => {
    const { does, refused } = await story();
    await refused("no_open_handoff", {}, "handoff.accept", { ...ann, idempotencyKey: "k" });
    await does("handoff.request", REQUEST);
    const { handoff } = await does("handoff.accept", { ...ann, idempotencyKey: "k" });
    expect(handoff).toMatchObject({ status: "accepted", controller: "ann" });
  });
});
