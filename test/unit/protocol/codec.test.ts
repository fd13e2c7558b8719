import { describe, expect, it } from "vitest";
import { z } from "zod";
import { decodeDown, decodeUp, encodeDown, idOf } from "../../../protocol/codec.ts";
import { DownMessage } from "../../../protocol/down.ts";
import { BatonError, ErrorCode } from "../../../protocol/errors.ts";
import { InputEvent, MAX_INPUT_BATCH, MAX_TEXT_LENGTH } from "../../../protocol/input.ts";
import { UP_TYPES, UpMessage } from "../../../protocol/up.ts";
import { fixtures } from "./fixtures.ts";

function refusal(text: string): BatonError {
  try {
    decodeUp(text);
  } catch (error) {
    if (error instanceof BatonError) return error;
    throw error;
  }
  throw new Error(`This was read as a message: ${text.slice(0, 200)}`);
}

const input = (...events: unknown[]): string =>
  JSON.stringify({ type: "input", id: "m-1", sandboxId: "box", events });

const times = (count: number, event: unknown): unknown[] => Array.from({ length: count }, () => event);

describe("messages of a client", () => {
  const up = fixtures("up");

  it("every type has a golden message, and every golden message has a type", () => {
    expect(up.map(({ name }) => name).sort()).toEqual([...UP_TYPES].sort());
  });

  it.each(up)("$name reads as what it says", ({ name, value }) => {
    expect(value).toHaveProperty("type", name);
    expect(decodeUp(JSON.stringify(value))).toStrictEqual(value);
  });

  it.each(up)("$name says every field that it can have", ({ name, value }) => {
    const schema = z.toJSONSchema(schemaOf(name), { io: "input" });
    expect(Object.keys(value as object).sort()).toEqual(Object.keys(schema.properties ?? {}).sort());
  });

  it("the golden input has every kind of event, with every field it can have", () => {
    const message = up.find(({ name }) => name === "input")?.value as { events: { kind: string }[] };
    for (const option of InputEvent.options) {
      const event = message.events.find(({ kind }) => kind === option.shape.kind.value);
      expect(Object.keys(event ?? {}).sort()).toEqual(Object.keys(option.shape).sort());
    }
  });
});

describe("messages of the gateway", () => {
  const down = fixtures("down");

  it("every type has a golden message, and every golden message has a type", () => {
    const types = DownMessage.options.map((option) => option.shape.type.value);
    expect(down.map(({ name }) => name).sort()).toEqual(types.sort());
  });

  it.each(down)("$name is written and read as what it says", ({ name, value }) => {
    expect(value).toHaveProperty("type", name);
    const message = decodeDown(JSON.stringify(value));
    expect(message).toStrictEqual(value);
    expect(message && JSON.parse(encodeDown(message))).toStrictEqual(value);
  });

  it("a client ignores types of a later version, and fields it does not know", () => {
    expect(decodeDown('{"type":"sandbox.dreamed","sandboxId":"box"}')).toBeNull();
    expect(decodeDown('{"type":"done","id":"m-1","tookMs":3}')).toStrictEqual({ type: "done", id: "m-1" });
  });
});

describe("messages that are none", () => {
  const Invalid = z.union([
    z.strictObject({
      why: z.string(),
      code: ErrorCode,
      path: z.string().optional(),
      text: z.string(),
    }),
    z.strictObject({ why: z.string(), code: ErrorCode, path: z.string().optional(), message: z.unknown() }),
  ]);
  const invalid = fixtures("invalid").map(({ name, value }) => ({ name, ...Invalid.parse(value) }));

  it.each(invalid)("$name: $why", (fixture) => {
    const text = "text" in fixture ? fixture.text : JSON.stringify(fixture.message);
    const error = refusal(text);
    expect(error.code).toBe(fixture.code);
    expect(error.message).toMatch(/\. \S.*\.$/s);
    const { issues } = (error.details ?? {}) as { issues?: { path: string }[] };
    expect(issues?.[0]?.path).toBe(fixture.path);
  });

  it("the golden ones show every code that reading a message can end with", () => {
    expect(new Set(invalid.map(({ code }) => code))).toEqual(
      new Set(["invalid_json", "unknown_type", "invalid_message"]),
    );
  });

  it("the bounds are the ones that are published", () => {
    const text = { kind: "text", text: "x" };
    expect(decodeUp(input(...times(MAX_INPUT_BATCH, text)))).toHaveProperty("type", "input");
    expect(refusal(input(...times(MAX_INPUT_BATCH + 1, text))).code).toBe("invalid_message");
    expect(decodeUp(input({ ...text, text: "x".repeat(MAX_TEXT_LENGTH) }))).toHaveProperty("type", "input");
    expect(refusal(input({ ...text, text: "x".repeat(MAX_TEXT_LENGTH + 1) })).code).toBe("invalid_message");
  });

  it("names a few problems of a message that has many", () => {
    const error = refusal(input(...times(MAX_INPUT_BATCH, { kind: "text", text: 1 })));
    expect(error.details?.issues).toHaveLength(8);
  });

  it("what a message carries under a name that objects inherit reaches no object", () => {
    const poisoned = '{"type":"ping","id":"m-1","__proto__":{"polluted":true}}';
    const result = attempt(poisoned);
    expect(result).not.toHaveProperty("polluted");
    for (const text of [
      '{"type":"ping","id":"m-1","constructor":{"prototype":{"polluted":true}}}',
      '{"type":"handoff.cancel","id":"m-1","sandboxId":"__proto__","prototype":{}}',
    ]) {
      expect(refusal(text).code).toBe("invalid_message");
    }
    expect(attempt('{"type":"__proto__"}')).toMatchObject({ code: "unknown_type" });
    expect({}).not.toHaveProperty("polluted");
  });

  it("a message that is nested without end is refused, not a crash", () => {
    const deep = "[".repeat(20_000) + "]".repeat(20_000);
    for (const text of [
      deep,
      `{"type":"ping","id":${deep}}`,
      `{"type":"ping","id":"m-1","x":${deep}}`,
      input().replace("[]", deep),
    ]) {
      expect(["invalid_json", "unknown_type", "invalid_message"]).toContain(refusal(text).code);
      expect(() => idOf(text)).not.toThrow();
    }
  });

  it("a type of any length is shown in short", () => {
    const error = refusal(JSON.stringify({ type: "x".repeat(100_000) }));
    expect(error.message.length).toBeLessThan(300);
  });
});

describe("the id of a message that cannot be read", () => {
  it.each([
    ['{"type":"nonsense","id":"m-1"}', "m-1"],
    ['{"id":"m-1","type":"ping","extra":1}', "m-1"],
    [`{"id":"${"x".repeat(64)}"}`, "x".repeat(64)],
    [`{"id":"${"x".repeat(65)}"}`, undefined],
    ['{"id":""}', undefined],
    ['{"id":7}', undefined],
    ['{"id":null}', undefined],
    ["{}", undefined],
    ['["id"]', undefined],
    ['"id"', undefined],
    ["null", undefined],
    ['{"id":"m-1"', undefined],
  ])("%s: %s", (text, id) => {
    expect(idOf(text)).toBe(id);
  });
});

function schemaOf(type: string) {
  const option = UpMessage.options.find((candidate) => candidate.shape.type.value === type);
  if (!option) throw new Error(`There is no message ${type}.`);
  return option;
}

function attempt(text: string): unknown {
  try {
    return decodeUp(text);
  } catch (error) {
    return error;
  }
}
