/** Messages of clients: good ones of every type, nearly good ones, and what is none; and scenes that lead far. */
import * as fc from "fast-check";
import type { z } from "zod";
import {
  Controller,
  Epoch,
  IdempotencyKey,
  MessageId,
  Name,
  Position,
  RequestId,
  SandboxId,
  Seq,
} from "../../protocol/ids.ts";
import { Token } from "../../protocol/auth.ts";
import { Role } from "../../protocol/sandbox.ts";
import { Input, UpMessage } from "../../protocol/up.ts";
import { PROTOCOL_VERSION } from "../../protocol/version.ts";
import { ACTS } from "./fuzz-browser.ts";
import { edited, garbled, junk, oddText } from "./mutations.ts";
import { toNode, write, type Node } from "./nodes.ts";
import { valuesOf, type Known } from "./schema-values.ts";
import { PLACEHOLDERS, SANDBOXES } from "./script.ts";

export const PEOPLE = ["ann", "bob", "cyd"] as const;

const name = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom<string>(...PEOPLE) },
  { weight: 1, arbitrary: fc.constantFrom("Zoë 👩‍🚀", "x".repeat(128), "__proto__", "constructor", "日本") },
);
export const sandboxId = fc.oneof(
  { weight: 8, arbitrary: fc.constant<string>(SANDBOXES[0]) },
  { weight: 3, arbitrary: fc.constant<string>(SANDBOXES[1]) },
  {
    weight: 1,
    arbitrary: fc.constantFrom("nowhere", "__proto__", "constructor", "toString", "s".repeat(64)),
  },
);
const requestId = fc.oneof(
  { weight: 8, arbitrary: fc.constant<string>(PLACEHOLDERS.request) },
  { weight: 1, arbitrary: fc.constantFrom("nothing", "__proto__", "r".repeat(64)) },
);
const epoch = fc.oneof(
  { weight: 6, arbitrary: fc.constant<unknown>(PLACEHOLDERS.epoch) },
  { weight: 1, arbitrary: fc.constantFrom<unknown>(0, 1, Number.MAX_SAFE_INTEGER) },
);
const seq = fc.oneof(
  { weight: 3, arbitrary: fc.constant<unknown>(PLACEHOLDERS.seq) },
  { weight: 2, arbitrary: fc.constantFrom<unknown>(0, 1, 2, 5, Number.MAX_SAFE_INTEGER) },
);

/** Schemas whose values a script must share with the gateway, or with other clients, to lead anywhere. */
export const known: Known = new Map<z.ZodType, fc.Arbitrary<unknown>>([
  [Name, name],
  [Controller, name],
  [SandboxId, sandboxId],
  [
    Token,
    fc.oneof(
      { weight: 3, arbitrary: fc.constant<string>(PLACEHOLDERS.token) },
      {
        weight: 1,
        arbitrary: fc.constantFrom("a.b.c", "eyJhbGciOiJub25lIn0.e30.", "a.b.", `${"a".repeat(8_000)}.b.c`),
      },
    ),
  ],
  [RequestId, requestId],
  [Epoch, epoch],
  [Seq, seq],
  [Position, fc.record({ epoch, seq })],
  [
    MessageId,
    fc.oneof(
      fc.nat(9_999).map((id) => `m${id}`),
      fc.constantFrom("x", "0", "__proto__", "i".repeat(64), "é👩"),
    ),
  ],
  [IdempotencyKey, fc.constantFrom("k1", "k2", "k3", "~!@", "k".repeat(128))],
]);

/** Beyond what the schema says: values that are worth more than others. */
const TUNED: Readonly<Record<string, (message: fc.Arbitrary<unknown>) => fc.Arbitrary<unknown>>> = {
  hello: (message) =>
    fc
      .tuple(message, fc.constantFrom(PROTOCOL_VERSION, PROTOCOL_VERSION, PROTOCOL_VERSION, 0, 2, -1))
      .map(([hello, version]) => ({ ...(hello as object), version })),
  // A wait for an agent that never comes would outlast the run.
  "handoff.complete": (message) =>
    fc
      .tuple(message, fc.constantFrom(undefined, 0, 0, 1, 5, 20, 20, 120_000))
      .map(([complete, resumeWaitMs]) => {
        const { resumeWaitMs: _, ...rest } = complete as { resumeWaitMs?: number };
        return { ...rest, ...(resumeWaitMs !== undefined && { resumeWaitMs }) };
      }),
  input: (message) =>
    fc
      .tuple(
        message,
        fc.constantFrom(...ACTS, "", "/next"),
        fc.constantFrom<unknown>(undefined, undefined, PLACEHOLDERS.tab, 1, 99),
        fc.constantFrom(PLACEHOLDERS.tabId, PLACEHOLDERS.tabId, "FAKE1"),
      )
      .map(([input, act, tab, tabId]) => {
        const { events, tab: _, ...rest } = input as { events: Record<string, unknown>[]; tab?: unknown };
        return {
          ...rest,
          ...(tab !== undefined && { tab }),
          events: events.map((event) => ({
            ...event,
            ...(event.kind === "navigate" && { url: `https://page.example/${act}` }),
            ...(event.kind === "tab" && { tabId }),
          })),
        };
      }),
};

const byType = new Map(
  UpMessage.options.map((option) => {
    const type = option.shape.type.value;
    const values = valuesOf(option, known);
    return [type, (TUNED[type]?.(values) ?? values).map(toNode)] as const;
  }),
);

/** How often each type comes; 2 for those that are not named. */
const WEIGHTS: Readonly<Record<string, number>> = {
  hello: 1,
  ping: 1,
  "sandbox.join": 4,
  "handoff.request": 4,
  "handoff.accept": 4,
  "handoff.complete": 4,
  "control.take": 4,
  input: 6,
};

const goodNode: fc.Arbitrary<Node> = fc.oneof(
  ...[...byType].map(([type, arbitrary]) => ({ weight: WEIGHTS[type] ?? 2, arbitrary })),
);
const goodText = goodNode.map(write);

export const upText: fc.Arbitrary<string> = fc.oneof(
  { weight: 12, arbitrary: goodText },
  { weight: 6, arbitrary: edited(goodNode) },
  { weight: 2, arbitrary: garbled(goodText) },
  { weight: 1, arbitrary: junk },
);

export interface Identity {
  readonly role: Role;
  readonly name: string;
  readonly clientId?: string;
}

export const identity: fc.Arbitrary<Identity> = fc.record(
  {
    role: fc.oneof(
      // Who may do most gets farthest.
      { weight: 6, arbitrary: fc.constantFrom<Role>("operator", "operator", "agent", "worker", "admin") },
      { weight: 1, arbitrary: fc.constantFrom(...Role.options) },
    ),
    name: fc.constantFrom<string>(...PEOPLE),
    clientId: fc.constantFrom("client-one", "client-two"),
  },
  { requiredKeys: ["role", "name"], noNullPrototype: true },
);

export type Step =
  | { readonly do: "send"; readonly client: number; readonly text: string }
  | { readonly do: "binary"; readonly client: number; readonly bytes: Uint8Array }
  /** What this client sent so far has been read. */
  | { readonly do: "settle"; readonly client: number }
  /** Says goodbye, or does not, and comes back; without `hello` it does not greet. */
  | { readonly do: "close" | "cut"; readonly client: number; readonly hello: boolean };

export const CLIENTS = 4;
const client = fc.nat(CLIENTS - 1);

const send = (sender: number, message: object): Step => ({
  do: "send",
  client: sender,
  text: write(toNode(message)),
});

/** A handoff from its request to the agent's answer, or as far as the drawn parts let it come. */
const handoff: fc.Arbitrary<Step[]> = fc
  .record({
    agent: client,
    person: client,
    sandboxId: fc.constantFrom(...SANDBOXES),
    controller: fc.constantFrom<string>(...PEOPLE),
    privacy: fc.constantFrom(undefined, "private", "open"),
    resume: fc.boolean(),
    end: fc.constantFrom("complete", "cancel", "release", "pass", "privacy", "leave"),
    settles: fc.boolean(),
    note: oddText,
    clicks: fc.array(valuesOf(Input.shape.events, known), { maxLength: 4 }),
  })
  .map(({ clicks, agent, person, sandboxId: id, controller, privacy, resume, end, settles, note }) => {
    const call = { id: "h", sandboxId: id };
    const requestId = PLACEHOLDERS.request;
    const maybe = privacy === undefined ? {} : { privacy };
    const pause = (waits: number): Step[] => (settles ? [{ do: "settle", client: waits }] : []);
    const ends: Record<string, object> = {
      complete: {
        type: "handoff.complete",
        ...call,
        controller,
        runResumePrompt: resume,
        note,
        resumeWaitMs: 5,
      },
      cancel: { type: "handoff.cancel", ...call, note },
      release: { type: "control.release", ...call, controller },
      pass: { type: "control.pass", ...call, controller, to: "bob" },
      privacy: { type: "control.privacy", ...call, controller, privacy: "private" },
      leave: { type: "sandbox.leave", ...call },
    };
    return [
      send(agent, { type: "sandbox.join", ...call, resume: true }),
      send(person, { type: "sandbox.join", ...call }),
      send(person, { type: "preview.start", ...call, maxFps: 60, pacing: "none" }),
      ...pause(person),
      send(agent, {
        type: "handoff.request",
        ...call,
        reason: "mfa",
        message: "help",
        resumePrompt: "go on",
        ...maybe,
      }),
      ...pause(agent),
      send(person, { type: "handoff.accept", ...call, controller, ...maybe }),
      ...pause(person),
      ...clicks.map((events, index) =>
        send(person, {
          type: "input",
          ...(index > 0 && { id: `i${index}` }),
          sandboxId: id,
          controller,
          events,
        }),
      ),
      ...pause(person),
      send(person, ends[end] ?? {}),
      ...pause(person),
      send(agent, { type: "resume.claim", ...call, requestId }),
      send(agent, { type: "resume.answer", ...call, requestId, ok: resume, response: note }),
    ];
  });

const one = <T extends Step>(step: fc.Arbitrary<T>): fc.Arbitrary<Step[]> => step.map((each) => [each]);

/** Steps in groups, so that a shorter script loses whole scenes first. */
export const steps: fc.Arbitrary<Step[][]> = fc.array(
  fc.oneof(
    { weight: 60, arbitrary: one(fc.record({ do: fc.constant("send" as const), client, text: upText })) },
    { weight: 5, arbitrary: handoff },
    { weight: 3, arbitrary: one(fc.record({ do: fc.constant("settle" as const), client })) },
    {
      weight: 1,
      arbitrary: one(
        fc.record({ do: fc.constant("binary" as const), client, bytes: fc.uint8Array({ maxLength: 40 }) }),
      ),
    },
    {
      weight: 2,
      arbitrary: one(
        fc.record({
          do: fc.constantFrom("close" as const, "cut" as const),
          client,
          hello: fc.integer({ min: 0, max: 14 }).map((draw) => draw > 0),
        }),
      ),
    },
  ),
  { minLength: 1, maxLength: 500, size: "max" },
);

/** What `answers` to a message may be, by its type; `error` always may. */
export const ANSWER_OF: Readonly<Record<string, string>> = {
  ping: "pong",
  "sandbox.join": "sandbox.joined",
  "sandbox.leave": "done",
  "lobby.join": "lobby",
  "lobby.leave": "done",
  "handoff.get": "result",
  "handoff.request": "result",
  "handoff.accept": "result",
  "handoff.complete": "result",
  "handoff.cancel": "result",
  "control.take": "result",
  "control.release": "result",
  "control.pass": "result",
  "control.privacy": "result",
  input: "done",
  "preview.start": "preview.started",
  "preview.stop": "done",
  "resume.claim": "done",
  "resume.answer": "done",
  "auth.refresh": "auth.updated",
  "auth.renew": "auth.updated",
};
