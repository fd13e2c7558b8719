import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { CreateLinkBody, LinkResult, RevokeTokenBody } from "../../../protocol/auth.ts";
import { MAX_MESSAGE_BYTES } from "../../../protocol/codec.ts";
import { DownMessage } from "../../../protocol/down.ts";
import { CLOSE, ERRORS, Problem } from "../../../protocol/errors.ts";
import {
  CallerHeaders,
  CreateSandboxBody,
  EventPage,
  SandboxList,
  SandboxResult,
} from "../../../protocol/http.ts";
import { UpMessage } from "../../../protocol/up.ts";
import { PROTOCOL_FLOOR, PROTOCOL_VERSION, SUBPROTOCOL } from "../../../protocol/version.ts";
import { encodeFrame } from "../../support/frames.ts";

/** The wire of each version, as the hash below. Never change a line of a version that was published. */
const PUBLISHED: Readonly<Record<number, string>> = {
  1: "f81ab05e84402f061fb1e98d2de0f4a2",
};

/** Keys in order, without what only people read. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, inner]) => !(["description", "example"].includes(key) && typeof inner === "string"))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, canonical(inner)]),
  );
}

function wire(): string {
  const schemas = {
    UpMessage,
    DownMessage,
    Problem,
    CreateSandboxBody,
    SandboxResult,
    SandboxList,
    CallerHeaders,
    EventPage,
    CreateLinkBody,
    LinkResult,
    RevokeTokenBody,
  };
  const header = { stream: 1, seq: 2, capturedAt: 3, viewportWidth: 4, viewportHeight: 5, tab: 6 };
  const parts = {
    schemas: Object.entries(schemas).map(([name, schema]) => [name, z.toJSONSchema(schema, { io: "input" })]),
    errors: Object.entries(ERRORS)
      .map(([code, { status, retryable }]) => `${code} ${status} ${retryable}`)
      .sort(),
    close: Object.entries(CLOSE)
      .map(([name, { code }]) => `${code} ${name}`)
      .sort(),
    frame: Buffer.from(encodeFrame(header, Uint8Array.of(6))).toString("hex"),
    limits: { MAX_MESSAGE_BYTES },
    SUBPROTOCOL,
  };
  return createHash("sha256")
    .update(JSON.stringify(canonical(parts)))
    .digest("hex")
    .slice(0, 32);
}

describe("protocol version", () => {
  it("what goes over the wire is what this version was published with", () => {
    expect(
      wire(),
      `The wire moved, and version ${PROTOCOL_VERSION} has another hash here. If version ${PROTOCOL_VERSION} has ` +
        "been released: raise PROTOCOL_VERSION in protocol/version.ts, give the reason in one line there, and add " +
        "the new hash here under the new number. If it has not: replace its hash.",
    ).toBe(PUBLISHED[PROTOCOL_VERSION]);
  });

  it("the floor and the subprotocol go with it", () => {
    expect(PROTOCOL_FLOOR).toBeGreaterThanOrEqual(1);
    expect(PROTOCOL_FLOOR).toBeLessThanOrEqual(PROTOCOL_VERSION);
    expect(SUBPROTOCOL).toMatch(/^baton\.v\d+$/);
    expect(Math.max(...Object.keys(PUBLISHED).map(Number))).toBe(PROTOCOL_VERSION);
  });
});
