import { createServer } from "node:http";
import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { batchSchema, EventLog } from "./event-log.ts";
import type { RecordedEvent } from "./event-log.ts";
import { html, HttpError, json, plain, readBody, redirect, send } from "./http.ts";
import type { Answer } from "./http.ts";
import { accountPage } from "./pages/account.ts";
import { animatePage } from "./pages/animate.ts";
import { eventsPadPage } from "./pages/events-pad.ts";
import { helpPage } from "./pages/help.ts";
import { loginPage } from "./pages/login.ts";
import { mfaPage } from "./pages/mfa.ts";
import { notFoundPage } from "./pages/not-found.ts";
import { robotCheckPage } from "./pages/robot-check.ts";
import { statementPage } from "./pages/statement.ts";
import { Sessions } from "./sessions.ts";
import type { Session, Visitor } from "./sessions.ts";

export type { RecordedEvent } from "./event-log.ts";

/**
 * An invented bank that runs on this machine: a sign-in in three steps that stop an agent, and pages that record
 * what their visitors do. It keeps everything in memory and is no example of a safe login.
 */
export interface DemoSite {
  /** Address without a trailing slash, for example `http://127.0.0.1:49152`. */
  readonly url: string;
  /** A copy of every DOM event that every page saw, each document's in its own order (the newest 20,000). */
  events(): readonly RecordedEvent[];
  clearEvents(): void;
  /**
   * Resolves with the first recorded event, past or future, that `predicate` is true for. Rejects with the signal's
   * reason when it aborts, with the predicate's error when it throws, and when the site closes.
   */
  waitForEvent(
    predicate: (event: RecordedEvent) => boolean,
    options?: { readonly signal?: AbortSignal },
  ): Promise<RecordedEvent>;
  /** The code that the MFA step accepts. */
  readonly mfaCode: string;
  /** Stops listening, ends open connections and rejects pending waits. */
  close(): Promise<void>;
}

export interface DemoSiteOptions {
  /** Default 0: a free port. */
  readonly port?: number;
  /** Address to bind, default `127.0.0.1`. Pages show and record what is typed: keep it local. */
  readonly host?: string;
}

const mfaCode = "246810";
const maxUsernameLength = 64;
/** Fewer moves than this between press and release are a jump, not a drag. */
const minDragMoves = 2;
/** Ends a request that is sent too slowly or without an end. */
const requestTimeoutMs = 10_000;

interface Exchange {
  readonly request: IncomingMessage;
  readonly url: URL;
  readonly visitor: Visitor;
  readonly sessions: Sessions;
  readonly log: EventLog;
}

type Handler = (exchange: Exchange) => Answer | Promise<Answer>;
type Method = "GET" | "POST";

const routes = new Map<string, Partial<Record<Method, Handler>>>([
  ["/", { GET: () => html(loginPage()) }],
  ["/login", { GET: () => redirect("/"), POST: logIn }],
  [
    "/mfa",
    {
      GET: ({ visitor }) => (visitor.session ? html(mfaPage({ code: mfaCode })) : redirect("/")),
      POST: checkCode,
    },
  ],
  [
    "/robot-check",
    { GET: ({ visitor }) => afterMfa(visitor, () => html(robotCheckPage())), POST: checkDrag },
  ],
  ["/account", { GET: ({ visitor }) => signedIn(visitor, (session) => html(accountPage(session))) }],
  ["/statement", { GET: ({ visitor }) => signedIn(visitor, (session) => html(statementPage(session))) }],
  ["/help", { GET: () => html(helpPage()) }],
  ["/animate", { GET: () => html(animatePage()) }],
  ["/events-pad", { GET: () => html(eventsPadPage()) }],
  ["/logout", { GET: ({ sessions, visitor }) => redirect("/", sessions.signOut(visitor)) }],
  ["/whoami", { GET: ({ visitor }) => json(whoAmI(visitor)) }],
  ["/__events", { GET: listEvents, POST: takeEvents }],
]);

/** Starts the site and resolves when it listens; rejects when the address cannot be bound. */
export async function startDemoSite({
  port = 0,
  host = "127.0.0.1",
}: DemoSiteOptions = {}): Promise<DemoSite> {
  const sessions = new Sessions();
  const log = new EventLog();
  const server = createServer({ requestTimeout: requestTimeoutMs }, (request, response) => {
    void answer(request, sessions, log).then((result) => send(response, result, request.method !== "HEAD"));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, resolve);
  });
  const address = server.address() as AddressInfo;
  return {
    url: `http://${reachable(address)}:${address.port}`,
    events: () => log.list(),
    clearEvents: () => log.clear(),
    waitForEvent: (predicate, options) => log.waitFor(predicate, options?.signal),
    mfaCode,
    close: () =>
      new Promise((resolve) => {
        log.close();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** A host that a browser on this machine can open: "every interface" is an address to bind, not one to visit. */
function reachable({ address, family }: AddressInfo): string {
  if (address === "0.0.0.0") return "127.0.0.1";
  if (address === "::") return "[::1]";
  return family === "IPv6" ? `[${address}]` : address;
}

async function answer(request: IncomingMessage, sessions: Sessions, log: EventLog): Promise<Answer> {
  try {
    const target = request.url ?? "/";
    const url = URL.canParse(target, "http://site") ? new URL(target, "http://site") : undefined;
    if (url === undefined) throw new HttpError(400, "The address cannot be read; check it.");
    const route = routes.get(url.pathname);
    if (route === undefined) return html(notFoundPage(), 404);
    const method = request.method === "HEAD" ? "GET" : request.method;
    const handler = method === "GET" || method === "POST" ? route[method] : undefined;
    if (handler === undefined) {
      const allowed = Object.keys(route).join(", ");
      return plain(405, `Use ${allowed} here.\n`, { Allow: allowed });
    }
    const visitor = sessions.visitor(request.headers.cookie);
    return await handler({ request, url, visitor, sessions, log });
  } catch (error) {
    if (error instanceof HttpError) return plain(error.status, `${error.message}\n`);
    if (!request.complete) return plain(400, "The request ended before its body did; send it again.\n");
    console.error("The demo site failed to answer.", error);
    return plain(500, "The site failed to answer; its terminal says why.\n");
  }
}

async function readForm(request: IncomingMessage): Promise<URLSearchParams> {
  return new URLSearchParams(await readBody(request, "application/x-www-form-urlencoded"));
}

async function logIn({ request, sessions }: Exchange): Promise<Answer> {
  const form = await readForm(request);
  const username = (form.get("username") ?? "").trim();
  const error = loginError(username, form.get("password") ?? "");
  if (error !== undefined)
    return html(loginPage({ username: username.slice(0, maxUsernameLength), error }), 422);
  return redirect("/mfa", sessions.signIn(username));
}

function loginError(username: string, password: string): string | undefined {
  if (username === "") return "Enter your username.";
  if (username.length > maxUsernameLength) return `A username has at most ${maxUsernameLength} characters.`;
  if (password === "") return "Enter your password.";
  return undefined;
}

async function checkCode({ request, sessions, visitor }: Exchange): Promise<Answer> {
  if (visitor.session === undefined) return redirect("/");
  const code = (await readForm(request)).get("code") ?? "";
  if (code.replaceAll(/\s/g, "") === mfaCode)
    return redirect("/robot-check", sessions.passMfa(visitor.session));
  const error = code === "" ? "Enter the code from your phone." : "That code is not right. Try again.";
  return html(mfaPage({ code: mfaCode, error }), 422);
}

/** The page itself judges the drag; this only refuses a form that was sent without one. */
async function checkDrag({ request, visitor }: Exchange): Promise<Answer> {
  const moves = Number((await readForm(request)).get("moves") ?? "");
  return afterMfa(visitor, (session) => {
    if (!(moves >= minDragMoves)) return html(robotCheckPage({ error: "Drag the slider to go on." }), 422);
    session.robotCheck = true;
    return redirect("/account");
  });
}

function afterMfa({ session, mfa }: Visitor, next: (session: Session) => Answer): Answer {
  if (session === undefined) return redirect("/");
  return mfa ? next(session) : redirect("/mfa");
}

function signedIn(visitor: Visitor, next: (session: Session) => Answer): Answer {
  return afterMfa(visitor, (session) => (session.robotCheck ? next(session) : redirect("/robot-check")));
}

function whoAmI({ session, mfa }: Visitor): { username: string | null; mfa: boolean; robotCheck: boolean } {
  return { username: session?.username ?? null, mfa, robotCheck: session?.robotCheck ?? false };
}

function listEvents({ url, log }: Exchange): Answer {
  const since = url.searchParams.get("since") ?? "0";
  if (!/^\d{1,15}$/.test(since))
    throw new HttpError(400, "Send since as a sequence number, for example ?since=0.");
  return json({ events: log.list(Number(since)), lastSeq: log.lastSeq });
}

async function takeEvents({ request, log }: Exchange): Promise<Answer> {
  const batch = batchSchema.safeParse(parseJson(await readBody(request, "application/json")));
  if (!batch.success) {
    const [issue] = batch.error.issues;
    throw new HttpError(
      400,
      `Send a batch as the recorder does: ${issue?.path.join(".")}: ${issue?.message}`,
    );
  }
  log.accept(batch.data);
  return json({ lastSeq: log.lastSeq });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new HttpError(400, "The body is not JSON; send a batch as the recorder does.");
  }
}
