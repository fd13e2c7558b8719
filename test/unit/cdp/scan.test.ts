/** Both readers of CDP envelopes against `JSON.parse`, on what is well-formed and on what is not. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parsed, peek, scanCommand, type Scanned } from "../../../src/cdp/scan.ts";

const scan = (text: string | Buffer): Scanned => scanCommand(Buffer.from(text as string));
const utf8 = (text: string): Buffer => Buffer.from(text, "utf8");

/** What the scanner made of a message, its parameters parsed. */
function read(bytes: Buffer): unknown {
  const scanned = scanCommand(bytes);
  if (!scanned.ok) return scanned.code;
  const { params, ...rest } = scanned.envelope;
  return { ...rest, ...(params && { params: parsed(bytes, params) }) };
}

describe("scanCommand", () => {
  it.each<[string, string, object]>([
    ["the usual form", '{"id":1,"method":"A.b","params":{}}', { id: 1, method: "A.b", params: {} }],
    [
      "another order",
      '{"params":{"a":[1]},"sessionId":"S","method":"A.b","id":3}',
      { id: 3, method: "A.b", sessionId: "S", params: { a: [1] } },
    ],
    ["white space", '\n{ "id"\t:\r1 , "method" : "A.b" }\n ', { id: 1, method: "A.b" }],
    [
      "escapes in values",
      '{"id":1,"method":"\\u0041.\\u0062","sessionId":"\\"\\\\\\/"}',
      { id: 1, method: "A.b", sessionId: '"\\/' },
    ],
    [
      "braces and quotes in strings",
      '{"id":1,"method":"A.b","params":{"a":"}]\\"}"}}',
      { id: 1, method: "A.b", params: { a: '}]"}' } },
    ],
    [
      "a string that ends in backslashes",
      '{"id":1,"method":"A.b","params":{"a":"\\\\\\\\"}}',
      { id: 1, method: "A.b", params: { a: "\\\\" } },
    ],
    ["null for parameters", '{"id":1,"method":"A.b","params":null}', { id: 1, method: "A.b" }],
    [
      "numbers of all forms",
      '{"id":1e0,"method":"A.b","params":{"a":[0,-0,1.5,-2e-3,1E+2,123456789012345678]}}',
      { id: 1, method: "A.b", params: { a: [0, -0, 1.5, -2e-3, 100, 123456789012345680] } },
    ],
    ["a key that is nothing's", '{"id":1,"method":"A.b","more":[{}]}', { id: 1, method: "A.b" }],
    ["nothing", "{}", {}],
    ["no id", '{"method":"A.b"}', { method: "A.b" }],
    ["no method", '{"id":-5}', { id: -5 }],
    [
      "a lone surrogate, escaped",
      '{"id":1,"method":"A.b","params":{"a":"\\ud800"}}',
      { id: 1, method: "A.b", params: { a: "\ud800" } },
    ],
  ])("reads %s", (_, text, envelope) => expect(read(utf8(text))).toEqual(envelope));

  it.each<[string, string | Buffer]>([
    ["nothing at all", ""],
    ["half a message", '{"id":1,"method":"A.b","params":{"a":"b'],
    ["something behind it", '{"id":1,"method":"A.b"}x'],
    ["two messages", '{"id":1,"method":"A.b"}{"id":2,"method":"A.b"}'],
    ["a list", '[{"id":1}]'],
    ["a string", '"A.b"'],
    ["null", "null"],
    ["a byte order mark", '\ufeff{"id":1,"method":"A.b"}'],
    ["a comment before it", '/**/{"id":1,"method":"A.b"}'],
    ["a comment inside", '{"id":1,/*"*/"method":"A.b"}'],
    ["a line comment", '{"id":1,//\n"method":"A.b"}'],
    ["a comment in the parameters", '{"id":1,"method":"A.b","params":{/*}*/}}'],
    ["a key that is escaped", '{"\\u0069d":1,"method":"A.b"}'],
    ["the id as a string", '{"id":"1","method":"A.b"}'],
    ["an id with a fraction", '{"id":1.5,"method":"A.b"}'],
    ["the id null", '{"id":null,"method":"A.b"}'],
    ["an id that begins with zero", '{"id":01,"method":"A.b"}'],
    ["a method that is a number", '{"id":1,"method":5}'],
    ["a method with a control character", '{"id":1,"method":"A.b\u0000"}'],
    ["a session that is null", '{"id":1,"method":"A.b","sessionId":null}'],
    ["parameters that are a list", '{"id":1,"method":"A.b","params":[]}'],
    ["parameters that are a string", '{"id":1,"method":"A.b","params":"{}"}'],
    ["parameters that are nul", '{"id":1,"method":"A.b","params":nul}'],
    ["the id twice", '{"id":1,"method":"A.b","id":2}'],
    ["the method twice", '{"id":1,"method":"A.b","method":"C.d"}'],
    ["the session twice", '{"id":1,"method":"A.b","sessionId":"S","sessionId":"T"}'],
    ["the parameters twice", '{"id":1,"method":"A.b","params":{},"params":{}}'],
    ["any key twice", '{"id":1,"method":"A.b","x":1,"x":1}'],
    [
      "more keys than a command has",
      `{"id":1,"method":"A.b",${Array.from("abcdefgh")
        .map((key) => `"${key}":1`)
        .join()}}`,
    ],
    ["a comma at the end", '{"id":1,"method":"A.b",}'],
    ["a comma at the beginning", '{,"id":1,"method":"A.b"}'],
    ["no comma", '{"id":1"method":"A.b"}'],
    ["no colon", '{"id"1,"method":"A.b"}'],
    ["no value", '{"id":,"method":"A.b"}'],
    ["single quotes", "{'id':1,'method':'A.b'}"],
    ["other white space", '{"id":1,\u000b"method":"A.b"}'],
    ...[
      "{1}",
      "{]}",
      "{[}",
      "{,}",
      '{"a"}',
      '{"a":}',
      '{"a":1,}',
      '{"a":1 2}',
      '{"a":[1,]}',
      '{"a":[,1]}',
      '{"a":[1}',
      '{"a":[1 2]}',
      '{"a":tru}',
      '{"a":truefalse}',
      '{"a":True}',
      '{"a":NaN}',
      '{"a":01}',
      '{"a":-}',
      '{"a":+1}',
      '{"a":.5}',
      '{"a":5.}',
      '{"a":1e}',
      '{"a":0x1}',
      '{"a":1e999}',
      '{"a":-1e999}',
      `{"a":${"1".repeat(400)}}`,
      `{"a":0.${"0".repeat(5_000)}1}`,
      '{"a":"\\x41"}',
      '{"a":"\\v"}',
      '{"a":"\\u12"}',
      '{"a":"\\u12g4"}',
      '{"a":"\\',
      '{"a":undefined}',
      '{"a":{"b":{]}}',
    ].map((params): [string, string] => [
      `parameters ${params.slice(0, 20)}`,
      `{"id":1,"method":"A.b","params":${params}}`,
    ]),
    ["bytes that are no UTF-8", Buffer.from('{"id":1,"method":"A.b","params":{"a":"\xff"}}', "latin1")],
    ["UTF-8 that is too long", Buffer.from('{"id":1,"method":"A.b","params":{"a":"\xc0\xaf"}}', "latin1")],
    ["a surrogate in UTF-8", Buffer.from('{"id":1,"method":"A.b","params":{"a":"\xed\xa0\x80"}}', "latin1")],
    ["no UTF-8 behind it", Buffer.from('{"id":1,"method":"A.b"}\xff', "latin1")],
  ])("refuses %s", (_, text) => expect(scan(text).ok).toBe(false));

  it("says which command it was, as far as it came", () => {
    expect(scan('{"id":7,"method":"A.b","params":{1}}')).toMatchObject({ ok: false, code: -32_700, id: 7 });
    expect(scan('{"id":7,"method":5}')).toMatchObject({ ok: false, code: -32_600, id: 7 });
    expect(scan('{"method":"A.b","params":{1},"id":7}')).not.toHaveProperty("id");
  });

  it("reads what is as deep as Chromium reads, and refuses what is deeper without growing", () => {
    const lists = (depth: number): Scanned =>
      scan(`{"id":1,"method":"A.b","params":{"a":${"[".repeat(depth)}${"]".repeat(depth)}}}`);
    expect([lists(299).ok, lists(300).ok, lists(100_000).ok]).toEqual([true, false, false]);
    expect(scan(`{"id":1,"method":"A.b","params":${'{"a":'.repeat(100_000)}`).ok).toBe(false);
    expect(scan("{".repeat(100_000)).ok).toBe(false);
  });

  it("reads strings of megabytes, of quotes and of backslashes, in time that grows with their length", () => {
    const long = [
      "x".repeat(16 * 2 ** 20),
      '\\"'.repeat(2 * 2 ** 20),
      "\\\\".repeat(2 * 2 ** 20),
      "\\u00e9\\n".repeat(2 ** 20),
      '","'.repeat(300_000),
    ];
    const started = performance.now();
    for (const text of long) {
      const bytes = utf8(`{"params":{"a":["${text}"]},"sessionId":"S","id":9,"method":"A.b"}`);
      expect(scanCommand(bytes)).toMatchObject({
        ok: true,
        envelope: { id: 9, method: "A.b", sessionId: "S" },
      });
    }
    // By hundreds of times, were any of them quadratic.
    expect(performance.now() - started).toBeLessThan(10_000);
  });

  const value = fc.jsonValue({ maxDepth: 4 });
  const space = fc.constantFrom("", "", " ", "\n", "\t\r ");
  /** A command as some client may write it: any order of keys, white space, escapes. */
  const command = fc
    .record(
      {
        id: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
        method: fc.string({ unit: "binary" }),
        sessionId: fc.string({ unit: "binary" }),
        params: fc.dictionary(fc.string({ unit: "binary" }), value, { maxKeys: 5 }),
      },
      { requiredKeys: [] },
    )
    .chain((message) =>
      fc.tuple(fc.shuffledSubarray(Object.entries(message), { minLength: 0 }), space, fc.boolean()),
    )
    .map(([entries, space, escapes]) => {
      const write = (value: unknown): string => {
        // A lone surrogate has no UTF-8: only its escape can be sent.
        const text = JSON.stringify(value);
        return escapes ? text.replace(/[\u0080-\uffff]/g, escaped) : text;
      };
      const members = entries.map(([key, each]) => `${space}"${key}"${space}:${space}${write(each)}${space}`);
      return { text: `${space}{${members.join(",")}}${space}`, message: Object.fromEntries(entries) };
    });

  it("agrees with JSON.parse on every well-formed command", () => {
    fc.assert(
      fc.property(command, ({ text }) => {
        expect(read(utf8(text))).toEqual(JSON.parse(text));
      }),
      { numRuns: 500 },
    );
  });

  it("never throws, and lets pass only what JSON.parse reads alike, whatever happened to the bytes", () => {
    const change = fc.record({
      at: fc.nat(),
      remove: fc.nat({ max: 3 }),
      insert: fc.oneof(
        fc.constantFrom(...Array.from('{}[]",:\\/*0-.e \u0000n')),
        fc.string({ unit: "binary", maxLength: 3 }),
      ),
    });
    fc.assert(
      fc.property(command, fc.array(change, { minLength: 1, maxLength: 3 }), ({ text }, changes) => {
        let bytes = utf8(text);
        for (const { at, remove, insert } of changes) {
          const from = at % (bytes.length + 1);
          bytes = Buffer.concat([bytes.subarray(0, from), utf8(insert), bytes.subarray(from + remove)]);
        }
        agrees(bytes);
      }),
      { numRuns: 2_000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => agrees(Buffer.from(bytes))),
      { numRuns: 1_000 },
    );
  });
});

/** What the scanner lets pass, `JSON.parse` reads the same way. */
function agrees(bytes: Buffer): void {
  const scanned = scanCommand(bytes);
  if (!scanned.ok) return;
  // Chromium takes control characters in strings as they are; whoever parses such a part is told that it cannot.
  // eslint-disable-next-line no-control-regex -- what JSON does not allow in strings, and Chromium does
  const text = bytes.toString("utf8").replace(/[\u0000-\u001f]/g, " ");
  const { id, method, sessionId } = JSON.parse(text) as Record<string, unknown>;
  const { params: _, ...envelope } = scanned.envelope;
  expect(envelope).toEqual({
    ...(id !== undefined && { id }),
    ...(method !== undefined && { method }),
    ...(sessionId !== undefined && { sessionId }),
  });
}

const escaped = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;

describe("peek", () => {
  it.each<[string, object]>([
    ['{"id":5,"result":{}}', { id: 5 }],
    [
      '{"id":-2000000001,"error":{"code":-32000,"message":"x"},"sessionId":"AB12"}',
      { id: -2_000_000_001, sessionId: "AB12" },
    ],
    [
      '{"method":"Page.loadEventFired","params":{"timestamp":1.5},"sessionId":"AB12"}',
      { method: "Page.loadEventFired", sessionId: "AB12" },
    ],
    ['{"method":"Inspector.detached","params":{"reason":"x"}}', { method: "Inspector.detached" }],
    ['{"method":"A.b","params":{"sessionId":"INSIDE"}}', { method: "A.b" }],
    [
      '{"method":"A.b","params":{"x":",\\"sessionId\\":\\"FAKE"},"sessionId":"REAL"}',
      { method: "A.b", sessionId: "REAL" },
    ],
    ['{"method":"A.b","params":{"x":",\\"sessionId\\":\\"FAKE"}}', { method: "A.b" }],
    ['{"id":1,"result":{"method":"A.b"}}', { id: 1 }],
    ['{"error":{"code":-32700,"message":"JSON: x"}}', {}],
    ['{"sessionId":"S","id":4,"result":{}}', { id: 4, sessionId: "S" }],
    ['{ "method": "A.b", "params": {} }', { method: "A.b" }],
    ['{"method":"A.b","other":"x"}', { method: "A.b" }],
    ['{"method":"A.b","sessionId":"S","params":{}}', { method: "A.b", sessionId: "S" }],
    ['{"id":1,"sessionId":"S","result":{}}', { id: 1, sessionId: "S" }],
    ["not JSON", {}],
    ["", {}],
    ["}", {}],
    ['"}', {}],
    ['{"id":', {}],
  ])("%s", (text, head) => expect(peek(utf8(text))).toEqual(head));

  it("agrees with JSON.parse on all that Chromium writes, and on the same in another order", () => {
    const word = fc.stringMatching(/^[A-Za-z.]{1,12}$/);
    const session = fc.stringMatching(/^[0-9A-F]{4,8}$/);
    const body = fc.dictionary(
      fc.oneof(fc.constantFrom("sessionId", "id", "method"), fc.string()),
      fc.jsonValue(),
    );
    const message = fc.oneof(
      fc.record({ id: fc.integer(), result: body, sessionId: session }, { requiredKeys: ["id", "result"] }),
      fc.record({ id: fc.integer(), error: body, sessionId: session }, { requiredKeys: ["id", "error"] }),
      fc.record({ method: word, params: body, sessionId: session }, { requiredKeys: ["method", "params"] }),
    );
    const agrees = (entries: [string, unknown][]): void => {
      const { id, method, sessionId } = Object.fromEntries(entries);
      expect(peek(utf8(JSON.stringify(Object.fromEntries(entries))))).toEqual({
        ...(id !== undefined && { id }),
        ...(method !== undefined && { method }),
        ...(sessionId !== undefined && { sessionId }),
      });
    };
    fc.assert(
      fc.property(message, (each) => agrees(Object.entries(each))),
      { numRuns: 500 },
    );
    const shuffled = message.chain((each) =>
      fc.shuffledSubarray(Object.entries(each), { minLength: Object.keys(each).length }),
    );
    fc.assert(fc.property(shuffled, agrees), { numRuns: 500 });
    fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => void peek(Buffer.from(bytes))));
  });
});
