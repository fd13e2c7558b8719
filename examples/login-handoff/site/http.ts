import type { IncomingMessage, ServerResponse } from "node:http";

/** Largest request body the site reads. */
const maxBodyBytes = 64 * 1024;

/** An answer with a plain 4xx; `message` is shown to the client. */
export class HttpError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export interface Answer {
  readonly status: number;
  readonly type: "text/html" | "text/plain" | "application/json";
  readonly body: string;
  readonly cookies?: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
}

export function html(body: string, status = 200): Answer {
  return { status, type: "text/html", body };
}

export function json(value: unknown): Answer {
  return { status: 200, type: "application/json", body: JSON.stringify(value) };
}

export function plain(status: number, body: string, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status, type: "text/plain", body, headers };
}

/** 303, so that the browser follows with a GET and a reload does not send the form again. */
export function redirect(location: string, cookies: readonly string[] = []): Answer {
  return {
    status: 303,
    type: "text/plain",
    body: `See ${location}\n`,
    cookies,
    headers: { Location: location },
  };
}

export function send(response: ServerResponse, answer: Answer, withBody: boolean): void {
  const body = Buffer.from(answer.body);
  response.writeHead(answer.status, {
    "Content-Type": `${answer.type}; charset=utf-8`,
    "Content-Length": body.byteLength,
    // Pages depend on the session: going back after signing out must ask the server again.
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    ...(answer.cookies !== undefined && answer.cookies.length > 0 && { "Set-Cookie": [...answer.cookies] }),
    ...answer.headers,
  });
  response.end(withBody ? body : undefined);
}

/** The body as text. Throws `HttpError` 415 for another media type and 413 above 64 KiB. */
export async function readBody(request: IncomingMessage, mediaType: string): Promise<string> {
  const declared = (request.headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase();
  if (declared !== mediaType) throw new HttpError(415, `Send the body as ${mediaType}.`);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.byteLength;
    // The rest is read and dropped: answering before the client has sent it all would reset the connection.
    if (size <= maxBodyBytes) chunks.push(chunk);
  }
  if (size > maxBodyBytes) throw new HttpError(413, `Send at most ${maxBodyBytes} bytes.`);
  return Buffer.concat(chunks).toString("utf8");
}
