/** HTTP: every route with the bodies, queries and headers of its schemas, and what comes near them. */
import { setMaxListeners } from "node:events";
import * as fc from "fast-check";
import { z } from "zod";
import { ERRORS, Problem } from "../../protocol/errors.ts";
import { Role } from "../../protocol/sandbox.ts";
import { routes } from "../../src/http/routes.ts";
import { edited, garbled, junk, oddText } from "./mutations.ts";
import { toNode, write } from "./nodes.ts";
import type { Part } from "./part.ts";
import { valuesOf } from "./schema-values.ts";
import { noFacts, resolveText, sandboxIdOf, type Facts } from "./script.ts";
import { count } from "./socket-client.ts";
import type { Answer, Stage } from "./stage.ts";
import { known, PEOPLE, sandboxId } from "./up-messages.ts";
import { shown, Violation } from "./violation.ts";

/** Once its sandbox is gone, what waits for something there is answered; a stream of another one goes on. */
const STREAM_MS = 4_000;
/** Requests of one script that are under way at a time. */
const AT_ONCE = 8;
/** Longest text in a request's head; beyond 16 KiB together Node refuses it, which the raw part looks at. */
const MAX_HEAD = 2_000;

export interface HttpStep {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

export interface HttpScript {
  readonly steps: readonly HttpStep[];
}

interface Route {
  readonly method: string;
  readonly path: string;
  readonly body: z.ZodType | undefined;
  readonly query: z.ZodType | undefined;
  readonly answer: z.ZodType | undefined;
}

interface Content {
  readonly content?: Readonly<Record<string, { readonly schema?: unknown }>>;
}

const schemaOf = (content: Content | undefined): z.ZodType | undefined => {
  const schema = content?.content?.["application/json"]?.schema;
  return schema instanceof z.ZodType ? schema : undefined;
};

const ROUTES: readonly Route[] = [
  ...Object.values(routes).map((route): Route => {
    const request = ("request" in route ? route.request : {}) as { body?: Content; query?: z.ZodType };
    return {
      method: route.method.toUpperCase(),
      path: route.path,
      body: schemaOf(request.body),
      query: request.query,
      answer: schemaOf(route.responses[200]),
    };
  }),
  ...[
    "/",
    "/s/{id}",
    "/openapi.json",
    "/favicon.svg",
    "/assets/x.js",
    "/json",
    "/json/version",
    "/json/list",
    "/v1/connect",
    "/v1/sandboxes/{id}/cdp",
    "/v1/sandboxes/{id}/cdp/json/version",
    "/v1/sandboxes/{id}/cdp/json/list",
  ].map((path): Route => ({ method: "GET", path, body: undefined, query: undefined, answer: undefined })),
];

/** Without halves of pairs, which no URL can hold. */
const wellFormed = (text: string): string => Buffer.from(text, "utf8").toString("utf8");
/** A path of a URL holds no character as it is that would end it. */
const encoded = (text: string): string => encodeURIComponent(wellFormed(text)).slice(0, MAX_HEAD);

const paths = (route: Route): fc.Arbitrary<string> =>
  fc.oneof(
    {
      weight: 12,
      // One sandbox stays, so that the script goes on in it.
      arbitrary: sandboxId.map((id) => route.path.replace("{id}", route.method === "DELETE" ? "$s1" : id)),
    },
    { weight: 1, arbitrary: oddText.map((text) => route.path.replace("{id}", encoded(text))) },
    {
      weight: 1,
      arbitrary: fc
        .constantFrom(
          "/",
          "//",
          "/../",
          "/%2e%2e/",
          "/%ff",
          "/%00",
          "/%E0%A4%A",
          ";x=1",
          ".json",
          "%2f",
          "/x/y",
        )
        .map((end) => route.path.replace("{id}", "$s0") + end),
    },
  );

const queries = (route: Route): fc.Arbitrary<string> => {
  const names = route.query instanceof z.ZodObject ? Object.keys(route.query.shape) : [];
  const good = route.query
    ? valuesOf(route.query, known).map((values) => new URLSearchParams(texts(values)).toString())
    : fc.constant("");
  const bad = fc
    .array(
      fc
        .tuple(fc.constantFrom(...names, "wait", "since", "limit", "__proto__", "policy", ""), oddText)
        .map(([name, value]) => `${encoded(name)}=${encoded(value)}`),
      { maxLength: 4 },
    )
    .map((pairs) => pairs.join("&"));
  return fc.oneof({ weight: 6, arbitrary: good }, { weight: 1, arbitrary: bad });
};

function texts(values: unknown): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values as Record<string, unknown>).map(([name, value]) => [
      name,
      wellFormed(String(value)),
    ]),
  );
}

/** Header values are bytes; Node sends nothing below a space but tabs. */
const headerText = oddText.map((text) => text.replaceAll(/[^\t\u0020-\u007e\u0080-\u00ff]/g, ""));

const caller = fc.record(
  {
    "x-baton-name": fc.oneof(
      { weight: 12, arbitrary: fc.constantFrom<string>(...PEOPLE) },
      { weight: 1, arbitrary: headerText },
    ),
    "x-baton-role": fc.oneof(
      {
        weight: 12,
        arbitrary: fc.constantFrom<string>("worker", "operator", "admin", "agent", ...Role.options),
      },
      { weight: 1, arbitrary: headerText },
    ),
  },
  { noNullPrototype: true },
);

const headers: fc.Arbitrary<Record<string, string>> = fc
  .tuple(
    fc.oneof({ weight: 12, arbitrary: caller }, { weight: 1, arbitrary: fc.constant({}) }),
    fc.oneof(
      { weight: 10, arbitrary: fc.constant<Record<string, string>>({}) },
      {
        weight: 1,
        arbitrary: fc.dictionary(
          fc.constantFrom(
            "origin",
            "authorization",
            "x-forwarded-for",
            "forwarded",
            "last-event-id",
            "accept",
            "if-none-match",
            "range",
            "cookie",
            "x-http-method-override",
            "accept-encoding",
            "content-encoding",
          ),
          headerText,
          { maxKeys: 3, noNullPrototype: true },
        ),
      },
      { weight: 1, arbitrary: fc.constant({ accept: "text/event-stream" }) },
    ),
  )
  .map(([given, more]): Record<string, string> => ({ ...given, ...more }));

const bodyOf = (route: Route): fc.Arbitrary<string | undefined> => {
  if (!route.body)
    return fc.oneof({ weight: 9, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: junk });
  const good = valuesOf(route.body, known).map(toNode);
  const text = good.map(write);
  return fc.oneof(
    { weight: 10, arbitrary: text },
    { weight: 5, arbitrary: edited(good) },
    { weight: 1, arbitrary: garbled(text) },
    { weight: 1, arbitrary: junk },
    { weight: 1, arbitrary: fc.constant(undefined) },
  );
};

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "M-SEARCH"];

const requestTo = (route: Route): fc.Arbitrary<HttpStep> =>
  fc
    .tuple(
      fc.oneof(
        { weight: 15, arbitrary: fc.constant(route.method) },
        { weight: 1, arbitrary: fc.constantFrom(...METHODS) },
      ),
      paths(route),
      queries(route),
      headers,
      bodyOf(route),
      fc.oneof(
        { weight: 15, arbitrary: fc.constant("application/json") },
        {
          weight: 1,
          arbitrary: fc.constantFrom(
            "text/plain",
            "application/json; charset=utf-16",
            "APPLICATION/JSON",
            "",
            "application/jsonx",
          ),
        },
      ),
    )
    .map(([method, path, query, given, body, type]) => ({
      method,
      path: query === "" ? path : `${path}?${query}`,
      headers: body === undefined ? given : { ...given, "content-type": type },
      body,
    }));

/** Removing ends a scene: it is rarer than its share of the routes. */
const weightOf = ({ method, path, body }: Route): number =>
  method === "DELETE" || !path.startsWith("/v1/") ? 1 : body ? 6 : 3;

export const httpPart: Part<HttpScript> = {
  name: "http",
  scripts: fc.record({
    steps: fc.array(
      fc.oneof(...ROUTES.map((route) => ({ weight: weightOf(route), arbitrary: requestTo(route) }))),
      { minLength: 1, maxLength: 80, size: "max" },
    ),
  }),
  messages: ({ steps }) => steps.length,
  play: (script, stage) => stage.play((wrong) => play(script, stage, wrong)),
  show: ({ steps }) =>
    steps.map(({ method, path, headers: given, body }) =>
      shown(`${method} ${path} ${JSON.stringify(given)}${body === undefined ? "" : ` ${body}`}`),
    ),
};

async function play({ steps }: HttpScript, stage: Stage, wrong: (error: Error) => void): Promise<void> {
  const run = stage.nextRun();
  const ids = [sandboxIdOf(run, 0), sandboxIdOf(run, 1)];
  for (const id of ids) await stage.create(id);
  const facts: Facts = noFacts();
  /** Streams never end by themselves, and a wait may be long: both end with this. */
  const streams = new AbortController();
  setMaxListeners(0, streams.signal);
  const made = new Set<string>(ids);
  const open = new Set<Promise<void>>();
  const ends = new Set<Promise<void>>();
  for (const step of steps) {
    // A wait or a stream holds nobody up.
    const lasts = /wait=|event-stream/.test(step.path + JSON.stringify(step.headers));
    const scene = { stage, run, facts, made, signal: lasts ? streams.signal : undefined };
    const done = send(step, scene)
      .catch((error: unknown) => wrong(error as Error))
      .finally(() => open.delete(done));
    if (lasts) ends.add(done);
    else open.add(done);
    if (open.size >= AT_ONCE) await Promise.race(open);
  }
  await Promise.all(open);
  for (const id of made) await stage.remove(id);
  const late = setTimeout(() => streams.abort(), STREAM_MS);
  await Promise.all(ends);
  clearTimeout(late);
}

interface Scene {
  readonly stage: Stage;
  readonly run: string;
  readonly facts: Facts;
  /** Sandboxes that the script has made. */
  readonly made: Set<string>;
  readonly signal: AbortSignal | undefined;
}

async function send(step: HttpStep, { stage, run, facts, made, signal }: Scene): Promise<void> {
  const path = resolveText(step.path, run, () => facts);
  const body = step.body === undefined ? undefined : resolveText(step.body, run, () => facts);
  const asked = `${step.method} ${path} ${JSON.stringify(step.headers)} ${shown(body ?? "")}`;
  let answer: Answer;
  try {
    answer = await stage.http(step.method, path, identified(step.headers, stage), body, signal);
  } catch (error) {
    // Node reads HTTP strictly, on both sides; what it would not send never came here.
    if ((error as NodeJS.ErrnoException).code?.startsWith("ERR_") === true) return;
    throw new Violation(`${asked} was not answered: ${(error as Error).message}`);
  }
  judge(asked, step, path, answer, stage);
  const found = /"requestId":"([\w-]+)"/.exec(answer.body)?.[1];
  if (found !== undefined) facts.requestId = found;
  const own = /"sandbox":\{"sandboxId":"([\w-]+)"/.exec(answer.body)?.[1];
  if (own !== undefined) made.add(own);
  const epoch = /"epoch":(\d+),"seq":(\d+)/.exec(answer.body);
  if (epoch) [facts.epoch, facts.seq] = [Number(epoch[1]), Number(epoch[2])];
}

/** Whoever says a name and a role that there are has a token for them, where one is asked for. */
function identified(headers: HttpStep["headers"], { credentials }: Stage): Record<string, string> {
  const { "x-baton-name": name, "x-baton-role": role, ...rest } = headers;
  const known = Role.safeParse(role);
  if (name === undefined || !known.success) return { ...headers };
  return { ...credentials.headers({ name, role: known.data }), ...rest };
}

/** @throws Violation */
function judge(
  asked: string,
  step: HttpStep,
  path: string,
  { status, headers: given, body }: Answer,
  stage: Stage,
): void {
  const type = given["content-type"] ?? "";
  const bad = (why: string): Violation =>
    new Violation(`${why}: ${status} ${type} ${shown(body)} to ${asked}`);
  count(stage.tally.answers, `http ${status}`);
  if (type.startsWith("application/problem+json")) {
    if (step.method === "HEAD") return;
    const problem = Problem.safeParse(parse(body));
    if (!problem.success) throw bad("not a problem document");
    const { code } = problem.data;
    count(stage.tally.codes, code);
    const documented = ERRORS[code];
    if (code === "internal") throw bad("internal");
    if (status !== documented.status || problem.data.status !== status)
      throw bad("another status than documented");
    if (problem.data.retryable !== documented.retryable) throw bad("not retryable as documented");
    return;
  }
  // `//` is no address: the gateway answers it all the same.
  const pathname = URL.canParse(path, stage.url) ? new URL(path, stage.url).pathname : path;
  // The answer of Node's own parser; the page when it is not built; the probe while it shuts down.
  if (status === 400 && body === "") return;
  if (status === 503 && (type.startsWith("text/plain") || pathname === "/readyz")) return;
  if (status === 206 || status === 304 || status === 416) return;
  if (status !== 200) throw bad("not a problem document");
  if (step.method === "HEAD" || !type.startsWith("application/json")) return;
  const value = parse(body);
  if (value === undefined) throw bad("not JSON");
  const route = ROUTES.find(
    ({ method, path: pattern, answer }) =>
      answer && method === step.method && new RegExp(`^${pattern.replace("{id}", "[^/]+")}$`).test(pathname),
  );
  const read = route?.answer?.safeParse(value);
  if (read && !read.success) throw bad(`not as its schema has it: ${read.error.message}`);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
