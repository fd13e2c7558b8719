/**
 * 100,000 messages of all kinds at a gateway in a process of its own, from fixed seeds: what they find is found by
 * whoever changed something. What must hold is in the parts; `npm run test:fuzz` goes on with millions, of other seeds.
 */
import { describe, expect, it } from "vitest";
import { fuzz, PART_NAMES, type FuzzReport } from "./fuzz.ts";
import type { Mode } from "./gateway-child.ts";
import { describeFailure } from "./report.ts";

const MESSAGES = 100_000;
const FIXED_SEED = 20_260_101;
/** Far beyond what it takes on a busy machine. */
const TEST_MS = 600_000;

/** Where only a sequence of good messages leads: a fuzzer that never gets there looks at doors. */
const DEEP_EVENTS = [
  "handoff.accepted",
  "handoff.cancelled",
  "handoff.completed",
  "handoff.returned",
  "control.active",
  "control.away",
  "control.passed",
  "control.privacy",
  "control.released",
  "control.taken",
  "resume.claimed",
  "resume.answered",
  "browser.changed",
];
const DEEP_CODES = [
  "already_accepted",
  "already_controlled",
  "forbidden",
  "handoff_completed",
  "handoff_in_progress",
  "hello_required",
  "idempotency_conflict",
  "invalid_json",
  "invalid_message",
  "no_open_handoff",
  "not_accepted",
  "not_controller",
  "not_joined",
  "resume_not_found",
  "sandbox_not_found",
  "unknown_type",
];

function expectHeld(report: FuzzReport, mode: Mode): void {
  expect(report.failure && describeFailure(report.failure, mode)).toBeUndefined();
  expect(Object.keys(report.messages).sort()).toEqual([...PART_NAMES].sort());
  expect(report.witnessed).toBeGreaterThan(0);
}

describe("a gateway that is sent anything", () => {
  it(
    "answers each message with a documented code, disturbs nobody else, and keeps nothing: a fixed seed",
    async () => {
      const report = await fuzz({ seed: FIXED_SEED, messages: MESSAGES * 0.8 });
      expectHeld(report, "open");
      expect(DEEP_EVENTS.filter((type) => !report.events.has(type))).toEqual([]);
      expect(DEEP_CODES.filter((code) => !report.codes.has(code))).toEqual([]);
    },
    TEST_MS,
  );

  it(
    "holds as well where tokens are asked for",
    async () => {
      expectHeld(await fuzz({ seed: FIXED_SEED + 1, messages: MESSAGES * 0.2, mode: "tokens" }), "tokens");
    },
    TEST_MS,
  );
});
