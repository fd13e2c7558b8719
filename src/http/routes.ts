/** The HTTP API's contract: every route with its schemas. `/openapi.json` is generated from this. */
import { createRoute, type RouteConfig } from "@hono/zod-openapi";
import { z } from "zod";
import { CreateLinkBody, LinkResult, RevokeTokenBody, TokenId } from "../../protocol/auth.ts";
import {
  PassControlParams,
  ReleaseControlParams,
  SetPrivacyParams,
  TakeControlParams,
} from "../../protocol/control.ts";
import { Problem } from "../../protocol/errors.ts";
import {
  AcceptHandoffParams,
  CancelHandoffParams,
  CompleteHandoffParams,
  RequestHandoffParams,
} from "../../protocol/handoff.ts";
import {
  CallerHeaders,
  CreateSandboxBody,
  EventPage,
  PositionText,
  SandboxList,
  SandboxResult,
} from "../../protocol/http.ts";
import { SandboxId } from "../../protocol/ids.ts";
import { HandoffResult } from "../../protocol/sandbox.ts";

const Health = z.object({ ok: z.boolean() });
const params = z.object({ id: SandboxId });
const json = <T extends z.ZodType>(schema: T) => ({ content: { "application/json": { schema } } });
const answers = <T extends z.ZodType>(description: string, schema: T) => ({
  200: { description, ...json(schema) },
  default: {
    description: "What went wrong, and what to do",
    content: { "application/problem+json": { schema: Problem } },
  },
});

function handoffCall<const P extends string, T extends z.ZodType>(path: P, summary: string, body: T) {
  return createRoute({
    method: "post",
    path,
    summary,
    request: { params, headers: CallerHeaders, body: { required: true, ...json(body) } },
    responses: answers("The handoff, and who drives now", HandoffResult),
  });
}

export const routes = {
  createSandbox: createRoute({
    method: "post",
    path: "/v1/sandboxes",
    summary: "Create a sandbox, and attach or launch its browser",
    request: { headers: CallerHeaders, body: { required: true, ...json(CreateSandboxBody) } },
    responses: answers("The sandbox", SandboxResult),
  }),
  listSandboxes: createRoute({
    method: "get",
    path: "/v1/sandboxes",
    summary: "List sandboxes in the order of their ids",
    request: {
      headers: CallerHeaders,
      query: z.object({
        cursor: z.string().max(64).optional(),
        limit: z.coerce.number().int().min(1).max(500).default(100),
      }),
    },
    responses: answers("A page; `cursor` gives the next one", SandboxList),
  }),
  getSandbox: createRoute({
    method: "get",
    path: "/v1/sandboxes/{id}",
    summary: "Read a sandbox",
    request: { params, headers: CallerHeaders },
    responses: answers("The sandbox", SandboxResult),
  }),
  removeSandbox: createRoute({
    method: "delete",
    path: "/v1/sandboxes/{id}",
    summary: "Remove a sandbox; a browser that the gateway launched ends",
    request: { params, headers: CallerHeaders },
    responses: answers("It is gone", z.object({ ok: z.literal(true) })),
  }),
  getHandoff: createRoute({
    method: "get",
    path: "/v1/sandboxes/{id}/handoff",
    summary: "Read the newest handoff; with `wait`, once it has ended or the seconds are over",
    request: {
      params,
      headers: CallerHeaders,
      query: z.object({ wait: z.coerce.number().min(0).max(60).default(0) }),
    },
    responses: answers("The handoff, and who drives now", HandoffResult),
  }),
  events: createRoute({
    method: "get",
    path: "/v1/sandboxes/{id}/events",
    summary: "Read events after a position; with `Accept: text/event-stream`, follow them",
    request: { params, headers: CallerHeaders, query: z.object({ since: PositionText.optional() }) },
    responses: answers("Events, or a snapshot when the log no longer has them", EventPage),
  }),
  requestHandoff: handoffCall(
    "/v1/sandboxes/{id}/handoff",
    "Ask for a person; the agent stops driving",
    RequestHandoffParams,
  ),
  acceptHandoff: handoffCall(
    "/v1/sandboxes/{id}/handoff/accept",
    "Accept the open handoff; first come first served",
    AcceptHandoffParams,
  ),
  completeHandoff: handoffCall(
    "/v1/sandboxes/{id}/handoff/complete",
    "Finish the handoff and return control",
    CompleteHandoffParams,
  ),
  cancelHandoff: handoffCall(
    "/v1/sandboxes/{id}/handoff/cancel",
    "Withdraw the open handoff",
    CancelHandoffParams,
  ),
  takeControl: handoffCall(
    "/v1/sandboxes/{id}/control/take",
    "Take the browser without a handoff",
    TakeControlParams,
  ),
  releaseControl: handoffCall(
    "/v1/sandboxes/{id}/control/release",
    "Give the browser, or the claim on a handoff, back",
    ReleaseControlParams,
  ),
  passControl: handoffCall(
    "/v1/sandboxes/{id}/control/pass",
    "Pass the browser to somebody else, or to the agent",
    PassControlParams,
  ),
  setPrivacy: handoffCall(
    "/v1/sandboxes/{id}/control/privacy",
    "Hide the page from everybody but the controller, or show it again",
    SetPrivacyParams,
  ),
  createLink: createRoute({
    method: "post",
    path: "/v1/sandboxes/{id}/links",
    summary: "Make a short-lived link that lets whoever has it watch, or drive",
    request: { params, headers: CallerHeaders, body: { required: true, ...json(CreateLinkBody) } },
    responses: answers("The link; `url` is as good as a password", LinkResult),
  }),
  revokeLink: createRoute({
    method: "delete",
    path: "/v1/sandboxes/{id}/links/{linkId}",
    summary: "End a link, and everybody's stay who came by it",
    request: { params: params.extend({ linkId: TokenId }), headers: CallerHeaders },
    responses: answers("It is revoked", z.object({ ok: z.literal(true) })),
  }),
  revokeToken: createRoute({
    method: "post",
    path: "/v1/tokens/revoke",
    summary: "End a token by its id; its sockets are closed within a second",
    request: { headers: CallerHeaders, body: { required: true, ...json(RevokeTokenBody) } },
    responses: answers("It is revoked", z.object({ ok: z.literal(true) })),
  }),
  audit: createRoute({
    method: "get",
    path: "/v1/audit",
    summary: "Export the audit log as NDJSON, a line per entry, oldest first",
    request: {
      headers: CallerHeaders,
      query: z.object({
        since: z.coerce.number().int().min(0).default(0),
        limit: z.coerce.number().int().min(1).max(1_000_000).default(1_000_000),
      }),
    },
    responses: {
      ...answers("The lines after `since`, each with its hash", z.string()),
      200: { description: "The lines", content: { "application/x-ndjson": { schema: z.string() } } },
    },
  }),
  health: createRoute({
    method: "get",
    path: "/healthz",
    summary: "Whether the process runs",
    responses: { 200: { description: "It runs", ...json(Health) } },
  }),
  ready: createRoute({
    method: "get",
    path: "/readyz",
    summary: "Whether requests should be sent here",
    responses: {
      200: { description: "It takes requests", ...json(Health) },
      503: { description: "It shuts down, or cannot reach its store", ...json(Health) },
    },
  }),
  metrics: createRoute({
    method: "get",
    path: "/metrics",
    summary: "Counters in Prometheus' text format",
    responses: { 200: { description: "The counters", content: { "text/plain": { schema: z.string() } } } },
  }),
} as const satisfies Record<string, RouteConfig>;
