/**
 * Values that a zod schema accepts, made by walking it: every field of every type, also of those that come later. What
 * only a program can know (a sandbox's id, the present epoch) is given from outside, per schema.
 */
import * as fc from "fast-check";
import type { z } from "zod";
import type * as core from "zod/v4/core";

/** What to use in place of a schema's own walk. */
export type Known = ReadonlyMap<z.ZodType, fc.Arbitrary<unknown>>;

type Schema = core.$ZodTypes;

/** Longest text that a walk makes of itself; longer ones are the mutations' matter. */
const MAX_TEXT = 40;
const WORDS = [
  "",
  "a",
  "hello",
  "Grüße",
  "日本語",
  "👩‍👩‍👧‍👦",
  "x y z",
  "<b>",
  '"',
  "\\",
  "a\nb",
  "https://a.example/?q=1",
];

/** One for all: its table of graphemes is large. */
const graphemes = fc.string({ unit: "grapheme", maxLength: 12 });

export function valuesOf(schema: z.ZodType, known: Known = new Map()): fc.Arbitrary<unknown> {
  return walk(schema, known);
}

function walk(schema: z.ZodType, known: Known): fc.Arbitrary<unknown> {
  const given = known.get(schema);
  if (given) return given;
  const { _zod } = schema as unknown as Schema;
  const { def } = _zod;
  const inner = (type: core.$ZodType): fc.Arbitrary<unknown> => walk(type as z.ZodType, known);
  if (def.type === "object") {
    const fields = Object.entries(def.shape);
    return fc.record(
      Object.fromEntries(fields.map(([key, type]) => [key, inner(isOptional(type) ? bare(type) : type)])),
      {
        requiredKeys: fields.flatMap(([key, type]) => (isOptional(type) ? [] : [key])),
        noNullPrototype: true,
      },
    );
  }
  if (def.type === "union") return fc.oneof(...def.options.map(inner));
  if (def.type === "array") return fc.array(inner(def.element), bounds(def, "min_length", "max_length", 4));
  if (def.type === "literal") return fc.constantFrom(...def.values);
  if (def.type === "enum") return fc.constantFrom(...Object.values(def.entries));
  if (def.type === "boolean") return fc.boolean();
  if (def.type === "number") return numbers(def);
  if (def.type === "string") return strings(schema, def);
  if (def.type === "optional" || def.type === "default" || def.type === "readonly")
    return inner(def.innerType);
  if (def.type === "nullable") return fc.option(inner(def.innerType));
  if (def.type === "pipe") return inner(def.in);
  // A kind of schema that the protocol did not have when this was written: any JSON, and the mutations.
  return fc.jsonValue({ maxDepth: 2 });
}

function isOptional(type: core.$ZodType): boolean {
  return type._zod.optin === "optional";
}

function bare(type: core.$ZodType): core.$ZodType {
  const { def } = type._zod as Schema["_zod"];
  return def.type === "optional" || def.type === "default" ? bare(def.innerType) : type;
}

interface Checked {
  readonly checks?: readonly core.$ZodCheck[] | undefined;
}

/** The definitions of a schema's checks, of which only the named fields are looked at. */
function checksOf(def: Checked): readonly {
  readonly check: string;
  readonly value?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly format?: string;
  readonly pattern?: RegExp;
}[] {
  return (def.checks ?? []).map((check) => check._zod.def);
}

function bounds(
  def: Checked,
  min: string,
  max: string,
  usual: number,
): { minLength: number; maxLength: number } {
  const checks = checksOf(def);
  const minLength = checks.find(({ check }) => check === min)?.minimum ?? 0;
  const maxLength = checks.find(({ check }) => check === max)?.maximum ?? usual;
  return { minLength, maxLength: Math.min(maxLength, Math.max(minLength, usual)) };
}

function numbers(def: Checked): fc.Arbitrary<number> {
  const checks = checksOf(def);
  const low = checks.find(({ check }) => check === "greater_than")?.value;
  const high = checks.find(({ check }) => check === "less_than")?.value;
  const [min, max] = [low ?? -1_000_000, high ?? Number.MAX_SAFE_INTEGER];
  const isWhole = checks.some(({ check }) => check === "number_format");
  const within = isWhole
    ? fc.integer({ min: Math.ceil(min), max: Math.min(Math.floor(max), 2_000_000_000) })
    : fc.double({ min, max, noNaN: true });
  return fc.oneof({ weight: 4, arbitrary: within }, { weight: 1, arbitrary: fc.constantFrom(min, max) });
}

function strings(schema: z.ZodType, def: Checked): fc.Arbitrary<string> {
  const checks = checksOf(def);
  const { minLength, maxLength } = bounds(def, "min_length", "max_length", MAX_TEXT);
  const patterns = checks.flatMap(({ pattern }) => (pattern ? [pattern] : []));
  const plain = fc.oneof(
    fc.constantFrom(...WORDS),
    graphemes.map((text) => text.slice(0, maxLength).padEnd(minLength, "m")),
    fc.constantFrom(minLength, maxLength).map((length) => "m".repeat(length)),
  );
  const accepted = (text: unknown): boolean => schema.safeParse(text).success;
  // What its pattern makes may break its other rules; the fallback keeps the filter from looking for ever.
  return fc.oneof(...patterns.map(matching), plain).map((text) => (accepted(text) ? text : fallback(schema)));
}

/** Texts of a pattern; properties of Unicode are more than the library reads. */
function matching(pattern: RegExp): fc.Arbitrary<string> {
  const made = ofPattern.get(pattern.source);
  if (made) return made;
  let arbitrary: fc.Arbitrary<string>;
  try {
    arbitrary = fc.stringMatching(pattern, { maxLength: MAX_TEXT });
  } catch {
    arbitrary = graphemes;
  }
  ofPattern.set(pattern.source, arbitrary);
  return arbitrary;
}

/** Made once: tables of characters are slow to build. */
const ofPattern = new Map<string, fc.Arbitrary<string>>();

const FALLBACKS = ["m", "message-1", "https://a.example/", "ws://127.0.0.1:1/fake", "1-1", "a.b.c"];
function fallback(schema: z.ZodType): string {
  return FALLBACKS.find((text) => schema.safeParse(text).success) ?? "";
}
