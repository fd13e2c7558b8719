/**
 * The scanner against Chromium's own reader: what the gate lets pass, Chromium must take for the same command, and
 * answer under the same id. What it would take for another one, or not answer, must be refused.
 */
import * as fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { scanCommand, type Envelope } from "../../../src/cdp/scan.ts";
import { OWN_IDS_FROM } from "../../../src/cdp/upstream.ts";
import { RawCdp, type CdpAnswer } from "../../support/raw-cdp.ts";
import { launchForRogues, type Chromium } from "../../support/rogue-stage.ts";

/** No method of any domain: Chromium says its name when it refuses it. */
const METHOD = "Nobody.knows";
/** Ids of the marks between messages; no message of the corpus has them. */
const FIRST_MARK = 1_500_000_000;

let chromium: Chromium;
beforeAll(async () => {
  chromium = await launchForRogues();
});
afterAll(() => chromium?.launched.close());

/** What Chromium answers to each of these, in order. */
async function ask(messages: readonly Buffer[]): Promise<CdpAnswer[][]> {
  const client = await RawCdp.open(chromium.endpoint);
  for (const [index, bytes] of messages.entries()) {
    client.raw(bytes, false);
    client.raw(`{"id":${FIRST_MARK + index},"method":"Browser.getVersion"}`);
  }
  const isMark = (id = 0): boolean => id >= FIRST_MARK && id < FIRST_MARK + messages.length;
  await client.answer(FIRST_MARK + messages.length - 1);
  const answers: CdpAnswer[][] = [[]];
  for (const message of client.received) {
    if (isMark(message.id)) answers.push([]);
    else answers.at(-1)?.push(message);
  }
  client.cut();
  return answers.slice(0, messages.length);
}

/** What the gate would send on. */
function passes(bytes: Buffer): Envelope | null {
  const scanned = scanCommand(bytes);
  if (!scanned.ok) return null;
  const { id, method } = scanned.envelope;
  if (id === undefined || method === undefined) return null;
  return id > OWN_IDS_FROM && id <= 2_147_483_647 ? scanned.envelope : null;
}

async function compare(corpus: readonly Buffer[]): Promise<number> {
  const passing = corpus.flatMap((bytes) => {
    const envelope = passes(bytes);
    return envelope ? [{ bytes, envelope }] : [];
  });
  const answers = await ask(passing.map(({ bytes }) => bytes));
  for (const [index, { bytes, envelope }] of passing.entries()) {
    const { id, method, sessionId } = envelope;
    const text = bytes.toString("utf8");
    expect(answers[index], text).toHaveLength(1);
    const [answer] = answers[index] ?? [];
    expect(answer?.id, text).toBe(id === 0 ? 0 : id);
    // The session is looked up before the method, and the form is checked before both.
    if (answer?.error?.code === -32_001) expect(sessionId, text).toBeTruthy();
    else if (answer?.error?.code === -32_601)
      expect([answer.error.message, sessionId ?? ""], text).toEqual([`'${method}' wasn't found`, ""]);
    else expect([-32_600, -32_700], text).toContain(answer?.error?.code);
  }
  return passing.length;
}

const message = (rest: string): string => `{"id":1,"method":"${METHOD}"${rest}}`;
const params = (text: string): string => message(`,"params":${text}`);

it("takes every odd message for the same command as Chromium, or refuses it", async () => {
  const nested = (depth: number, inner = ""): string =>
    params(`{"a":${"[".repeat(depth)}${inner}${"]".repeat(depth)}}`);
  const odd = [
    message(""),
    ...["{}", "null", "[]", "1", "{1}", "{]}", "{,}", '{"a":1,}', '{"a":1 2}', '{"a":[1}', "{/*}*/}"].map(
      params,
    ),
    ...[
      "\\q",
      "\\v",
      "\\x41",
      "\\u12",
      "\\ud800",
      "\\/",
      "\n",
      "\t",
      "\u0000",
      "\u007f",
      "é",
      "😀",
      "\ufffe",
    ].map((text) => params(`{"a":"${text}"}`)),
    ...[
      "01",
      "-",
      "+1",
      ".5",
      "5.",
      "1e999",
      "1e-999",
      "1e308",
      "-0",
      "true",
      "truefalse",
      "truex",
      "nul",
    ].map((text) => params(`{"a":${text}}`)),
    params(`{"a":${"1".repeat(400)}}`),
    params(`{"a":0.${"1".repeat(4_000)}}`),
    ...[297, 298, 299, 300, 301].flatMap((depth) => [nested(depth), nested(depth, "1"), nested(depth, "{}")]),
    message(',"id":2'),
    message(',"method":"Other.method"'),
    message(',"\\u006dethod":"Other.method"'),
    message(',"foo":1'),
    message(',"":1'),
    ...['""', '"x"', '"é"', '"\\u0041"', "5", "null", '"a","sessionId":"b"'].map((id) =>
      message(`,"sessionId":${id}`),
    ),
    ...[
      "1.0",
      "1e0",
      "10e-1",
      "-0",
      "-5",
      "2147483647",
      "-1999999999",
      "2147483648",
      "1.5",
      '"1"',
      "+1",
      "01",
    ].map((id) => `{"id":${id},"method":"${METHOD}"}`),
    `{"id":99999999999999999999,"method":"${METHOD}"}`,
    `{"\\u0069d":1,"method":"${METHOD}"}`,
    ...["Nobody.know\\u0073", "Nobody.é", "", "nodot", "Nobody.knows\\u0000", "Nobody.knows\u0000"].map(
      (method) => `{"id":1,"method":"${method}"}`,
    ),
    `/*x*/${message("")}`,
    `{"id":1,//x\n"method":"${METHOD}"}`,
    `${message("")} \n`,
    `${message("")}x`,
    `\ufeff${message("")}`,
    `[${message("")}]`,
    `{"id":1,\u000b"method":"${METHOD}"}`,
    `{"id":1,\u000c"method":"${METHOD}"}`,
    "",
    "{}",
    "null",
  ].map((text) => Buffer.from(text, "utf8"));
  const bytes = [
    Buffer.from(params('{"a":"\xff"}'), "latin1"),
    Buffer.from(params('{"a":"\xc0\xaf"}'), "latin1"),
    Buffer.from(params('{"a":"\xed\xa0\x80"}'), "latin1"),
    Buffer.from(params('{"a":"\xf4\x90\x80\x80"}'), "latin1"),
    Buffer.from('{"id":1,"method":"\xff"}', "latin1"),
  ];
  // Some of them pass: otherwise nothing would be compared.
  expect(await compare([...odd, ...bytes])).toBeGreaterThan(40);
});

it("does so for whatever happens to the bytes of a command", async () => {
  const base = fc
    .record(
      {
        id: fc.integer({ min: 1, max: 99 }),
        method: fc.constant(METHOD),
        params: fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 })),
        sessionId: fc.constantFrom("", "X"),
      },
      { requiredKeys: ["id", "method"] },
    )
    .map((each) => JSON.stringify(each));
  const inserts = [
    "{",
    "}",
    "[",
    "]",
    '"',
    ",",
    ":",
    "\\",
    "/",
    "*",
    "0",
    "1",
    "-",
    ".",
    "e",
    "n",
    "null",
    "\\u00",
    " ",
    "\u0001",
    "é",
  ];
  const mutated = fc
    .tuple(
      base,
      fc.array(fc.tuple(fc.nat(), fc.nat({ max: 2 }), fc.constantFrom("", ...inserts)), {
        minLength: 1,
        maxLength: 2,
      }),
    )
    .map(([text, changes]) =>
      changes.reduce((each, [at, remove, insert]) => {
        const from = at % (each.length + 1);
        return each.slice(0, from) + insert + each.slice(from + remove);
      }, text),
    );
  const corpus = fc.sample(mutated, { numRuns: 4_000, seed: 7 }).map((text) => Buffer.from(text, "utf8"));
  expect(await compare(corpus)).toBeGreaterThan(500);
});
