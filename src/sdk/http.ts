import { type CreateLinkBody, type Link, LinkResult, type RevokeTokenBody } from "../../protocol/auth.ts";
import { BatonError, Problem } from "../../protocol/errors.ts";
import { type CreateSandboxBody, SandboxResult } from "../../protocol/http.ts";
import type { Role, Sandbox } from "../../protocol/sandbox.ts";

/** Longest name that the gateway takes. */
const MAX_NAME_LENGTH = 128;

export interface Caller {
  /** `http(s)://host`, without a slash at the end. */
  readonly url: string;
  /** Asked before each call. */
  token(): Promise<string | undefined>;
  /** Said beside the token, or without any. */
  readonly name?: string;
  readonly role?: Role;
}

/** The calls that are made once, before there is anything to follow. */
export async function createSandbox(
  caller: Caller,
  body: CreateSandboxBody,
  signal: AbortSignal | undefined,
): Promise<Sandbox> {
  const response = await call(caller, "/v1/sandboxes", signal, posting(body));
  const parsed = SandboxResult.safeParse(await json(response, signal));
  if (!parsed.success) throw notTheGateway(caller, response.status);
  return parsed.data.sandbox;
}

export async function removeSandbox(
  caller: Caller,
  sandboxId: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  await callWithoutAnswer(caller, sandboxPath(sandboxId), signal, { method: "DELETE" });
}

export async function createLink(
  caller: Caller,
  sandboxId: string,
  body: CreateLinkBody,
  signal: AbortSignal | undefined,
): Promise<{ link: Link; url: string }> {
  const response = await call(caller, `${sandboxPath(sandboxId)}/links`, signal, posting(body));
  const parsed = LinkResult.safeParse(await json(response, signal));
  if (!parsed.success) throw notTheGateway(caller, response.status);
  return { link: parsed.data.link, url: parsed.data.url };
}

export async function revokeLink(
  caller: Caller,
  sandboxId: string,
  linkId: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const path = `${sandboxPath(sandboxId)}/links/${encodeURIComponent(linkId)}`;
  await callWithoutAnswer(caller, path, signal, { method: "DELETE" });
}

export async function revokeToken(
  caller: Caller,
  body: RevokeTokenBody,
  signal: AbortSignal | undefined,
): Promise<void> {
  await callWithoutAnswer(caller, "/v1/tokens/revoke", signal, posting(body));
}

interface RequestParts {
  readonly method: string;
  readonly body?: string;
  readonly headers?: Record<string, string>;
}

function sandboxPath(sandboxId: string): string {
  return `/v1/sandboxes/${encodeURIComponent(sandboxId)}`;
}

function posting(body: unknown): RequestParts {
  return {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "content-type": "application/json" },
  };
}

async function callWithoutAnswer(
  caller: Caller,
  path: string,
  signal: AbortSignal | undefined,
  parts: RequestParts,
): Promise<void> {
  const response = await call(caller, path, signal, parts);
  // Read to its end, so that the connection can be used again.
  await response.text().catch(() => "");
}

async function call(
  caller: Caller,
  path: string,
  signal: AbortSignal | undefined,
  parts: RequestParts,
): Promise<Response> {
  const token = await caller.token();
  signal?.throwIfAborted();
  const headers = {
    ...parts.headers,
    ...callerHeaders(caller),
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
    accept: "application/json",
  };
  let response: Response;
  try {
    response = await fetch(`${caller.url}${path}`, { ...parts, headers, ...(signal && { signal }) });
  } catch (cause) {
    signal?.throwIfAborted();
    const message = `The gateway at ${caller.url} did not answer. Check that it runs and that the address is right.`;
    throw new BatonError("unavailable", message, undefined, { cause });
  }
  if (response.ok) return response;
  const problem = Problem.safeParse(await json(response, signal));
  if (!problem.success) throw notTheGateway(caller, response.status);
  throw new BatonError(problem.data.code, problem.data.detail, problem.data.details);
}

/** Header values are ASCII: another name is percent-encoded, or left out when that makes it too long. */
function callerHeaders({ name, role }: Caller): Record<string, string> {
  const plain = name === undefined || /^[\x20-\x7e]*$/.test(name) ? name : encodeURIComponent(name);
  const fits = plain !== undefined && plain.length <= MAX_NAME_LENGTH;
  return { ...(role !== undefined && { "x-baton-role": role }), ...(fits && { "x-baton-name": plain }) };
}

async function json(response: Response, signal: AbortSignal | undefined): Promise<unknown> {
  try {
    return await response.json();
  } catch {
    signal?.throwIfAborted();
    return undefined;
  }
}

function notTheGateway({ url }: Caller, status: number): BatonError {
  return new BatonError(
    "internal",
    `${url} answered with status ${status}, but not as a gateway of this version does. Check the address and any proxy in between.`,
    { status },
  );
}
