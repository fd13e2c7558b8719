/**
 * Gives everything that reads strangers' text what makes careless expressions try every way: long runs of what they
 * repeat, and an end that does not fit. `attacks-input.test.ts` runs it and waits for its last line.
 */
import { Token, TokenId, SandboxScope } from "../../protocol/auth.ts";
import { decodeUp } from "../../protocol/codec.ts";
import { BrowserSource, PositionText } from "../../protocol/http.ts";
import { Controller, IdempotencyKey, Name, RequestId, SandboxId } from "../../protocol/ids.ts";
import { InputEvent } from "../../protocol/input.ts";
import { fieldsOf } from "../../src/audit/entry.ts";
import { refuseTokenInAddress, tokenOf } from "../../src/auth/bearer.ts";
import { Keys } from "../../src/auth/keys.ts";
import { origins } from "../../src/http/origins.ts";
import { clientAddress, parseTrusted } from "../../src/limits/client-address.ts";

const UNITS = [
  "a",
  "A0",
  " ",
  "\t",
  "-",
  "_",
  ".",
  ":",
  "/",
  "//",
  "*",
  "%2e",
  "eyJ",
  "eyJ.",
  "bearer ",
  "basic a",
  "a.",
  "a:",
  "[",
  "::",
  "1.",
  "0",
  ",",
  ", ",
  "http://",
  "a@",
  "\u200b",
  "é",
  "=",
  "&x=eyJ.",
];
const TAILS = ["", "!", "\n", " ", "\u0000", ".", "eyJa.b.c!"];
const LENGTH = 50_000;

const keys = new Keys({ secrets: ["0123456789abcdef0123456789abcdef"] });
const { trusted } = parseTrusted("127.0.0.1");
const { hostAllowed, originAllowed } = origins("127.0.0.1", () => "http://localhost:1");
const schemas = [
  Token,
  TokenId,
  SandboxScope,
  Name,
  Controller,
  IdempotencyKey,
  RequestId,
  SandboxId,
  PositionText,
];

const readers: readonly ((text: string) => unknown)[] = [
  ...schemas.map((schema) => (text: string) => schema.safeParse(text)),
  (text) => BrowserSource.safeParse({ cdpUrl: text }),
  (text) => BrowserSource.safeParse({ launch: true, url: text }),
  (text) => InputEvent.safeParse({ kind: "navigate", to: "url", url: text }),
  (text) => decodeUp(JSON.stringify({ type: "hello", version: 1, name: text, token: text, clientId: text })),
  (text) => tokenOf({ headers: { authorization: text } }),
  (text) => tokenOf({ headers: { authorization: `Basic ${Buffer.from(text).toString("base64")}` } }),
  (text) => tokenOf({ headers: {}, protocols: [`baton.token.${text}`] }),
  (text) => keys.verify(text).catch(() => {}),
  (text) => refuseTokenInAddress(new URLSearchParams({ x: text, [text]: "y" })),
  (text) => clientAddress("127.0.0.1", { "x-forwarded-for": text }, trusted),
  (text) => hostAllowed(text),
  (text) => originAllowed(text, text),
  (text) => fieldsOf({ action: text, outcome: "ok", subject: text, detail: { [text]: text } }),
];

let count = 0;
for (const unit of UNITS) {
  for (const tail of TAILS) {
    const text = unit.repeat(Math.ceil(LENGTH / unit.length)) + tail;
    for (const read of readers) {
      try {
        await read(text);
      } catch {
        // Refused, and soon.
      }
      count += 1;
    }
  }
}
console.log(`read ${count} texts`);
