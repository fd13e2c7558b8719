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
} as const;
type Step = keyof typeof PATHS;
type Fields = Readonly<Record<string, unknown>>;

interface Story extends LoggedGateway {
  readonly client: RawClient;
  /** A step that must succeed. */
  does(step: Step, fields?: Fields): Promise<HandoffResult>;
  /** A step that must be refused alike on both ways, and leave everything as it was. */
  refused(code: ErrorCode, details: Fields, step: Step, fields?: Fields): Promise<void>;
}

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
      expect(refusal, step).toMatchObject({ code, sandboxId: SANDBOX, details });
      expect(refusal.retryable, step).toBe(ERRORS[code].retryable);
      const response = await test.http(`/v1/sandboxes/${SANDBOX}/${PATHS[step]}`, {
        method: "POST",
        headers: { "content-type": "application/json", "x-baton-role": "operator", "x-baton-name": "ann" },
        body: JSON.stringify(fields),
      });
      expect(response.headers.get("content-type"), step).toBe("application/problem+json");
      const problem = (await response.json()) as Problem;
      expect([response.status, problem.status], step).toEqual([ERRORS[code].status, ERRORS[code].status]);
      expect(problem, step).toMatchObject({ code, details, detail: refusal.message });
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
    await refused("handoff_in_progress", { handoff: { requestId } }, "control.pass", { ...bob, to: "ai" });
    await refused("no_open_handoff", { requestId }, "handoff.complete", { ...bob, ...another });
    await refused("no_open_handoff", { requestId }, "handoff.cancel", another);
  });

  it.each([
    ["completed", "handoff_completed"],
    ["cancelled", "handoff_cancelled"],
    ["expired", "handoff_expired"],
  ] as const)("after it was %s", async (status, code) => {
    const { refused, does, advance } = await story();
    const { handoff } = await does("handoff.request", { ...REQUEST, expiresInMs: 60_000 });
    const { requestId } = handoff ?? {};
    await does("handoff.accept", ann);
    if (status === "completed") await does("handoff.complete", ann);
    else if (status === "cancelled") await does("handoff.cancel");
    else {
      advance(61_000);
      // H4: decided as if the deadline had been acted on, even when nobody has come to that yet.
    }
    const details = status === "expired" ? {} : { requestId, status };
    if (status === "expired") {
      // The first refusal is the one that may commit the expiry, so it is asked for before states are compared.
      const { client } = await Promise.resolve({ client: (await story()).client });
      expect(client).toBeDefined();
    }
    await refused(code, details, "handoff.accept", ann);
    await refused(code, details, "handoff.accept", { ...bob, requestId });
    await refused(code, details, "handoff.complete", ann);
    await refused(code, details, "handoff.complete", { ...ann, requestId });
    await refused(code, details, "handoff.cancel", { requestId });
    await refused("no_open_handoff", { requestId, status }, "handoff.accept", { ...ann, ...another });
    await refused("not_controller", { controller: "ai" }, "control.release", ann);
  });
});
