import { BatonError, Problem } from "../../protocol/errors.ts";
import { type CreateSandboxBody, SandboxResult } from "../../protocol/http.ts";
import type { Role, Sandbox } from "../../protocol/sandbox.ts";

/** Longest name that the gateway takes. */
const MAX_NAME_LENGTH = 128;

export interface Caller {
  /** `http(s)://host`, without a slash at the end. */
  readonly url: string;
  readonly name: string;
  readonly role: Role;
}

/** The calls that are made once, before there is anything to follow. */
export async function createSandbox(
  caller: Caller,
  body: CreateSandboxBody,
  signal: AbortSignal | undefined,
): Promise<Sandbox> {
  const response = await call(caller, "/v1/sandboxes", signal, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "content-type": "application/json" },
  });
  const parsed = SandboxResult.safeParse(await json(response, signal));
  if (!parsed.success) throw notTheGateway(caller, response.status);
  return parsed.data.sandbox;
}

export async function removeSandbox(
  caller: Caller,
  sandboxId: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const path = `/v1/sandboxes/${encodeURIComponent(sandboxId)}`;
  const response = await call(caller, path, signal, { method: "DELETE" });
  // Read to its end, so that the connection can be used again.
  await response.text().catch(() => "");
}

async function call(
  caller: Caller,
  path: string,
  signal: AbortSignal | undefined,
  init: { method: string; body?: string; headers?: Record<string, string> },
): Promise<Response> {
  const headers = { ...init.headers, ...callerHeaders(caller), accept: "application/json" };
  let response: Response;
  try {
    response = await fetch(`${caller.url}${path}`, { ...init, headers, ...(signal && { signal }) });
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
  const plain = /^[\x20-\x7e]*$/.test(name) ? name : encodeURIComponent(name);
  return { "x-baton-role": role, ...(plain.length <= MAX_NAME_LENGTH && { "x-baton-name": plain }) };
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
