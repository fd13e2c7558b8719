/** Everything a socket can get wrong: each mistake is answered by its own code, changes nothing, and is forgotten. */
import { describe, expect, it, onTestFinished } from "vitest";
import { MAX_MESSAGE_BYTES } from "../../protocol/codec.ts";
import { CLOSE, type ErrorCode } from "../../protocol/errors.ts";
import { MAX_COORDINATE, MAX_INPUT_BATCH, MAX_TEXT_LENGTH } from "../../protocol/input.ts";
import type { UpMessage } from "../../protocol/up.ts";
import { startLoggedGateway, type LoggedGateway } from "../support/logged-gateway.ts";
import { RawClient } from "../support/raw-client.ts";

const SANDBOX = "s";
const MOUSE = { kind: "mouse", action: "move", x: 1, y: 1 };

/** A sandbox with a live browser that nothing changes by itself any more, and a person who follows it. */
async function follow(): Promise<Omit<LoggedGateway, "client"> & { client: RawClient }> {
  const test = await startLoggedGateway();
  await test.create(SANDBOX);
  const client = await test.raw({ role: "operator", name: "ann" });
  const { snapshot } = await client.done("sandbox.joined", { type: "sandbox.join", sandboxId: SANDBOX });
  if (snapshot?.browser?.status !== "live") {
    await client.next("event", ({ event }) => event.changes.browser?.status === "live");
  }
  return { ...test, client };
}

async function open(test: LoggedGateway): Promise<RawClient> {
  const client = await RawClient.open(test.url);
  onTestFinished(() => client.socket.terminate());
  return client;
}

type Case = readonly [what: string, message: string, code: ErrorCode];

const json = (value: unknown): string => JSON.stringify(value);
const input = (...events: unknown[]): string => json({ type: "input", id: "x", sandboxId: SANDBOX, events });
const raw = (event: string): string =>
  `{"type":"input","id":"x","sandboxId":"${SANDBOX}","events":[${event}]}`;
const request = (fields: object): string =>
  json({ type: "handoff.request", id: "x", sandboxId: SANDBOX, reason: "mfa", message: "m", ...fields });
const accept = (fields: object): string =>
  json({ type: "handoff.accept", id: "x", sandboxId: SANDBOX, ...fields });
const join = (fields: object): string =>
  json({ type: "sandbox.join", id: "x", sandboxId: SANDBOX, ...fields });

const NOT_JSON: Case[] = [
  ["nothing", "", "invalid_json"],
  ["half an object", '{"type":"ping"', "invalid_json"],
  ["a bare word", "undefined", "invalid_json"],
  ["two objects", '{"type":"ping","id":"x"}{}', "invalid_json"],
  ["NaN", raw('{"kind":"mouse","action":"move","x":NaN,"y":1}'), "invalid_json"],
  ["200,000 open brackets", "[".repeat(200_000), "invalid_json"],
];

const NO_TYPE: Case[] = [
  ["null", "null", "unknown_type"],
  ["a number", "42", "unknown_type"],
  ["a list", '[{"type":"ping","id":"x"}]', "unknown_type"],
  ["an object without a type", "{}", "unknown_type"],
  ["a type that is a number", '{"type":1,"id":"x"}', "unknown_type"],
  ["a type of nobody", '{"type":"handoff.steal","id":"x"}', "unknown_type"],
  ["a type that only comes down", '{"type":"welcome","id":"x"}', "unknown_type"],
  ...["constructor", "__proto__", "toString", ""].map((type): Case => [
    `the type "${type}"`,
    json({ type, id: "x" }),
    "unknown_type",
  ]),
  ["a type as long as a message", json({ type: "x".repeat(100_000), id: "x" }), "unknown_type"],
  ["lists 100,000 deep", `${"[".repeat(100_000)}${"]".repeat(100_000)}`, "unknown_type"],
];

const WRONG_FIELDS: Case[] = (
  [
    ["no id", '{"type":"ping"}'],
    ["an id that is a number", '{"type":"ping","id":7}'],
    ["an empty id", '{"type":"ping","id":""}'],
    ["an id of 65 characters", json({ type: "ping", id: "x".repeat(65) })],
    ["an extra field", '{"type":"ping","id":"x","extra":1}'],
    ["an extra field __proto__", '{"type":"ping","id":"x","__proto__":{"polluted":true}}'],
    ["an extra field constructor", '{"type":"ping","id":"x","constructor":{"prototype":{"polluted":true}}}'],
    ["a deep extra field", `{"type":"ping","id":"x","deep":${"[".repeat(100_000)}${"]".repeat(100_000)}}`],
    ["no sandboxId", '{"type":"sandbox.join","id":"x"}'],
    ["a sandboxId of slashes", join({ sandboxId: "../../etc" })],
    ["an empty sandboxId", join({ sandboxId: "" })],
    ["a sandboxId of 65 characters", join({ sandboxId: "s".repeat(65) })],
    ["a sandboxId that is a list", join({ sandboxId: [SANDBOX] })],
    ["a sandboxId with a line break", join({ sandboxId: "s\n" })],
    ["a negative position", join({ since: { epoch: -1, seq: 0 } })],
    ["half a position", join({ since: { seq: 0 } })],
    ["a fractional position", join({ since: { epoch: 1, seq: 0.5 } })],
    ["a null option", join({ resume: null })],
    ["a reason of nobody", request({ reason: "boredom" })],
    ["an empty message", request({ message: "" })],
    ["a message of 4,001 characters", request({ message: "m".repeat(4_001) })],
    ["a prompt that is a number", request({ resumePrompt: 1 })],
    ["a deadline in the past", request({ expiresInMs: -1 })],
    ["a deadline in a year", request({ expiresInMs: 365 * 86_400_000 })],
    ["an idempotency key with a space", request({ idempotencyKey: "a b" })],
    ["an idempotency key of 129 characters", request({ idempotencyKey: "k".repeat(129) })],
    ["no controller", accept({})],
    ...["ai", "AI", "Ai", "", " ann", "ann ", "a\nb", "a\u0000b", "a\u202eb", "n".repeat(129)].map((name) => [
      `the controller ${JSON.stringify(name.slice(0, 8))}`,
      accept({ controller: name }),
    ]),
    ["a controller that is an object", accept({ controller: { name: "ann" } })],
    ["a requestId with a dot", accept({ controller: "ann", requestId: "a.b" })],
    [
      "control taken for the agent",
      json({ type: "control.take", id: "x", sandboxId: SANDBOX, controller: "ai" }),
    ],
    ["an empty batch", input()],
    ["an oversized batch", input(...Array.from({ length: MAX_INPUT_BATCH + 1 }, () => MOUSE))],
    ["a batch that is an object", json({ type: "input", id: "x", sandboxId: SANDBOX, events: MOUSE })],
    ["an event that is null", input(null)],
    ["an event of no kind", input({ x: 1, y: 1 })],
    ["an event of the kind __proto__", raw('{"kind":"__proto__"}')],
    ["a coordinate that is null", input({ ...MOUSE, x: null })],
    ["a coordinate that is text", input({ ...MOUSE, x: "1" })],
    ["an infinite coordinate", raw('{"kind":"mouse","action":"move","x":1e999,"y":1}')],
    ["a huge coordinate", input({ ...MOUSE, x: MAX_COORDINATE + 1 })],
    ["a huge negative coordinate", input({ ...MOUSE, y: -1e15 })],
    ["a huge wheel turn", input({ kind: "wheel", x: 1, y: 1, deltaX: 0, deltaY: 1e9 })],
    ["a button of nobody", input({ ...MOUSE, button: "elbow" })],
    ["modifiers beyond their bits", input({ ...MOUSE, modifiers: 16 })],
    ["no text", input({ kind: "text", text: "" })],
    ["too much text", input({ kind: "paste", text: "p".repeat(MAX_TEXT_LENGTH + 1) })],
    ["a key that is null", input({ kind: "key", action: "down", key: null })],
    ["a navigation to a script", input({ kind: "navigate", to: "url", url: "javascript:alert(1)" })],
    ["a navigation to a file", input({ kind: "navigate", to: "url", url: "file:///etc/passwd" })],
    ["a good event beside a bad one", input(MOUSE, { ...MOUSE, x: null })],
    [
      "an epoch that is text",
      json({ type: "input", id: "x", sandboxId: SANDBOX, epoch: "1", events: [MOUSE] }),
    ],
    ["no frames a second", json({ type: "preview.start", id: "x", sandboxId: SANDBOX, maxFps: 0 })],
    ["a quality of 101", json({ type: "preview.start", id: "x", sandboxId: SANDBOX, quality: 101 })],
    ["an acknowledgement that is negative", json({ type: "preview.ack", sandboxId: SANDBOX, seq: -1 })],
    [
      "an answer too long",
      json({
        type: "resume.answer",
        id: "x",
        sandboxId: SANDBOX,
        requestId: "r",
        ok: true,
        response: "r".repeat(65_537),
      }),
    ],
  ] as [string, string][]
).map(([what, message]) => [what, message, "invalid_message"]);

describe("a message that is not of the protocol", () => {
  it.each([
    ["that is not JSON", NOT_JSON],
    ["of no known type", NO_TYPE],
    ["with wrong fields", WRONG_FIELDS],
  ])("%s is refused with its code and its id, changes nothing, and the socket goes on", async (_, cases) => {
    const { client, state, browser } = await follow();
    const before = await state(SANDBOX);
    for (const [what, message, code] of cases) {
      client.raw(message);
      const refusal = await client.next("error");
      expect(refusal.code, what).toBe(code);
      expect(refusal.retryable, what).toBe(false);
      expect(refusal.id, what).toBe(
        /"id":"x"/.test(message) && code === "invalid_message" ? "x" : refusal.id,
      );
      if (code === "invalid_message") expect(refusal.details, what).toHaveProperty("issues.0.path");
      await client.ping();
    }
    expect(await state(SANDBOX)).toEqual(before);
    expect(browser.received).toEqual([]);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  it("that is binary is refused, and the socket goes on", async () => {
    const { client, state } = await follow();
    const before = await state(SANDBOX);
    for (const bytes of [
      Buffer.alloc(0),
      Buffer.from('{"type":"ping","id":"x"}'),
      Buffer.alloc(200_000, 0xff),
    ]) {
      client.raw(bytes);
      expect((await client.next("error")).code).toBe("binary_not_allowed");
      await client.ping();
    }
    expect(await state(SANDBOX)).toEqual(before);
  });

  it.each([
    ["of 10 MB", 10 * 1024 * 1024],
    ["one byte over the limit", MAX_MESSAGE_BYTES + 1],
  ])("%s closes its socket with 1009 and no other", async (_, size) => {
    const test = await startLoggedGateway();
    const bystander = await test.raw();
    const client = await test.raw();
    client.raw("x".repeat(size));
    expect((await client.closing()).code).toBe(1009);
    await bystander.ping();
    await (await test.raw()).ping();
  });

  it("is forgiven 100 times; after that the socket is closed with 3502, and the others go on", async () => {
    const test = await startLoggedGateway();
    const bystander = await test.raw();
    const client = await test.raw();
    for (let count = 0; count < 100; count += 1) client.raw("{");
    await client.ping();
    client.raw("{");
    expect((await client.closing()).code).toBe(CLOSE.protocol_error.code);
    expect(client.received.filter(({ type }) => type === "error")).toHaveLength(101);
    await bystander.ping();
  });

  it("is not what a refused request is: 150 of those leave the socket open", async () => {
    const test = await startLoggedGateway();
    const client = await test.raw();
    for (let count = 0; count < 150; count += 1) {
      await client.refused({ type: "sandbox.join", sandboxId: "nowhere" }, "sandbox_not_found");
    }
    await client.ping();
  });
});

describe("hello", () => {
  it("is needed before everything else, and a refused message changes nothing", async () => {
    const test = await startLoggedGateway();
    await test.create(SANDBOX);
    const before = await test.state(SANDBOX);
    const client = await open(test);
    await client.refused({ type: "ping" }, "hello_required");
    await client.refused(
      { type: "handoff.request", sandboxId: SANDBOX, reason: "mfa", message: "m" },
      "hello_required",
    );
    client.raw(input(MOUSE));
    expect(await client.next("error")).toMatchObject({ code: "hello_required", id: "x" });
    client.raw("{");
    expect((await client.next("error")).code).toBe("invalid_json");
    expect(await test.state(SANDBOX)).toEqual(before);
    client.hello();
    await client.next("welcome");
    await client.ping();
  });

  it("is said once: a second one is refused and the first identity stays", async () => {
    const test = await startLoggedGateway();
    await test.create(SANDBOX);
    const client = await test.raw({ role: "viewer", name: "vera" });
    client.hello({ role: "admin", name: "mallory" });
    expect((await client.next("error")).code).toBe("already_greeted");
    const { members } = await client.done("sandbox.joined", { type: "sandbox.join", sandboxId: SANDBOX });
    expect(members).toMatchObject([{ name: "vera", role: "viewer" }]);
    await client.refused({ type: "control.take", sandboxId: SANDBOX, controller: "mallory" }, "forbidden");
  });

  it.each([0, 2, 999, -1])(
    "of version %i is told what is spoken, and the socket is closed with 3501",
    async (version) => {
      const client = await open(await startLoggedGateway());
      client.send({ type: "hello", version, role: "operator", name: "ann" });
      expect(await client.next("error")).toMatchObject({
        code: "unsupported_version",
        details: { supported: [1] },
      });
      expect((await client.closing()).code).toBe(CLOSE.unsupported_version.code);
    },
  );

  it("of a later version with fields of that version is told the same", async () => {
    const client = await open(await startLoggedGateway());
    client.send({ type: "hello", version: 2, role: "navigator", name: "ann", token: "later" });
    expect((await client.next("error")).code).toBe("unsupported_version");
    expect((await client.closing()).code).toBe(CLOSE.unsupported_version.code);
  });

  it("with wrong fields is refused, and can be said again", async () => {
    const client = await open(await startLoggedGateway());
    const good = { type: "hello", version: 1, role: "operator", name: "ann" };
    for (const fields of [
      { version: "1" },
      { version: 1.5 },
      { version: null },
      { role: "root" },
      { role: "__proto__" },
      ...["", " ", " ann", "a\tb", "a\u2028b", "a\u200bb", "n".repeat(129), 7, null].map((name) => ({
        name,
      })),
      { clientId: "short" },
      { clientId: "no spaces allowed" },
      { token: "of nobody" },
    ]) {
      client.send({ ...good, ...fields });
      expect((await client.next("error")).code, JSON.stringify(fields)).toBe("invalid_message");
    }
    client.send(good);
    await client.next("welcome");
  });

  it("that does not come in time closes the socket with 3500, whatever else was said", async () => {
    const test = await startLoggedGateway({ helloTimeoutMs: 30 });
    const [silent, talking] = [await open(test), await open(test)];
    talking.raw("{");
    talking.send({ type: "ping", id: "x" });
    for (const client of [silent, talking]) {
      expect((await client.closing()).code).toBe(CLOSE.hello_timeout.code);
    }
  });
});

/** Calls that name a sandbox, well-formed; the type makes a new one miss here. */
const CALLS: { [T in Extract<UpMessage, { sandboxId: string }>["type"]]: Record<string, unknown> } = {
  "sandbox.join": {},
  "sandbox.leave": {},
  "handoff.get": {},
  "handoff.request": { reason: "mfa", message: "m" },
  "handoff.accept": { controller: "ann" },
  "handoff.complete": { controller: "ann" },
  "handoff.cancel": {},
  "control.take": { controller: "ann" },
  "control.release": { controller: "ann" },
  "control.pass": { controller: "ann", to: "bob" },
  "control.privacy": { controller: "ann", privacy: "private" },
  input: { events: [MOUSE] },
  "preview.start": {},
  "preview.stop": {},
  "preview.ack": { seq: 1 },
  "resume.claim": { requestId: "r" },
  "resume.answer": { requestId: "r", ok: true },
};
/** Leaving twice, and an acknowledgement that is late, are no mistakes. */
const HARMLESS = new Set(["sandbox.leave", "preview.ack"]);
const NEED_TO_JOIN = new Set(["input", "preview.start", "preview.stop", "resume.claim", "resume.answer"]);

describe("a call for a sandbox", () => {
  it("that does not exist is refused, for every message that names one", async () => {
    const test = await startLoggedGateway();
    const client = await test.raw({ role: "admin" });
    for (const sandboxId of ["nowhere", "__proto__", "constructor"]) {
      for (const [type, fields] of Object.entries(CALLS)) {
        if (HARMLESS.has(type)) continue;
        const refusal = await client.refused({ type, sandboxId, ...fields });
        expect(refusal.code, type).toBe(NEED_TO_JOIN.has(type) ? "not_joined" : "sandbox_not_found");
        expect(refusal.sandboxId, type).toBe(sandboxId);
        expect(refusal.message, type).toContain(sandboxId);
      }
    }
    await client.done("done", { type: "sandbox.leave", sandboxId: "nowhere" });
    client.send({ type: "preview.ack", sandboxId: "nowhere", seq: 1 });
    await client.ping();
    expect(await (await test.http("/v1/sandboxes")).json()).toEqual({ sandboxes: [] });
  });

  it("that this socket has not joined, or has left, is refused where joining is needed", async () => {
    const test = await startLoggedGateway();
    await test.create(SANDBOX);
    const client = await test.raw({ role: "admin" });
    const refuseAll = async (): Promise<void> => {
      for (const type of NEED_TO_JOIN) {
        const fields = CALLS[type as keyof typeof CALLS];
        await client.refused({ type, sandboxId: SANDBOX, ...fields }, "not_joined");
      }
    };
    await refuseAll();
    await client.done("sandbox.joined", { type: "sandbox.join", sandboxId: SANDBOX });
    await client.done("preview.started", { type: "preview.start", sandboxId: SANDBOX });
    await client.done("done", { type: "sandbox.leave", sandboxId: SANDBOX });
    await refuseAll();
    expect(test.browser.received).toEqual([]);
  });

  it("that was removed is refused from then on", async () => {
    const { client, http } = await follow();
    expect((await http(`/v1/sandboxes/${SANDBOX}`, { method: "DELETE" })).status).toBe(200);
    await client.next("sandbox.left");
    for (const type of ["handoff.get", "handoff.request", "sandbox.join"] as const) {
      await client.refused({ type, sandboxId: SANDBOX, ...CALLS[type] }, "sandbox_not_found");
    }
    await client.refused({ type: "input", sandboxId: SANDBOX, events: [MOUSE] });
    await client.ping();
  });
});

describe("a role without the right", () => {
  it.each([
    [
      "viewer",
      [
        "lobby.join",
        "handoff.request",
        "handoff.accept",
        "handoff.complete",
        "handoff.cancel",
        "control.take",
        "control.release",
        "control.pass",
        "control.privacy",
        "input",
        "resume.claim",
        "resume.answer",
      ],
    ],
    [
      "agent",
      [
        "lobby.join",
        "handoff.accept",
        "handoff.complete",
        "control.take",
        "control.release",
        "control.pass",
        "control.privacy",
      ],
    ],
    ["operator", ["resume.claim", "resume.answer"]],
  ] as const)("%s is refused, and nothing changes", async (role, types) => {
    const test = await startLoggedGateway();
    await test.create(SANDBOX);
    const client = await test.raw({ role, name: "ann" });
    await client.done("sandbox.joined", { type: "sandbox.join", sandboxId: SANDBOX });
    if ((await test.state(SANDBOX)).browser?.status !== "live") {
      await client.next("event", ({ event }) => event.changes.browser?.status === "live");
    }
    const before = await test.state(SANDBOX);
    for (const type of types) {
      const message = type === "lobby.join" ? { type } : { type, sandboxId: SANDBOX, ...CALLS[type] };
      const refusal = await client.refused(message, "forbidden");
      expect(refusal.details).toMatchObject({ role, operation: type });
    }
    expect(await test.state(SANDBOX)).toEqual(before);
    expect(test.browser.received).toEqual([]);
    await client.ping();
  });

  it.each(["worker", "sdk"] as const)("%s may take control, but not by force", async (role) => {
    const test = await startLoggedGateway();
    await test.create(SANDBOX);
    const [ann, other] = [await test.raw({ name: "ann" }), await test.raw({ role, name: "bob" })];
    await ann.done("result", { type: "control.take", sandboxId: SANDBOX, controller: "ann" });
    const before = await test.state(SANDBOX);
    const take = { type: "control.take", sandboxId: SANDBOX, controller: "bob" };
    expect((await other.refused(take, "already_controlled")).details).toMatchObject({ controller: "ann" });
    await other.refused({ ...take, force: true }, "forbidden");
    expect(await test.state(SANDBOX)).toEqual(before);
  });
});
