/** What goes wrong on the way of a good message: edits of its tree, and of its text. */
import * as fc from "fast-check";
import { copyOf, Fields, placesIn, Raw, write, type Node } from "./nodes.ts";

/** Characters of what is multiplied; many times the largest message that the gateway takes. */
const MAX_MULTIPLIED = 4_000_000;

/** Around every length and number that the schemas bound. */
const LENGTHS = [0, 1, 8, 32, 63, 64, 65, 127, 128, 129, 512, 1_024, 2_049, 4_000, 4_001, 8_001, 16_001];
const RARE_LENGTHS = [65_536, 65_537, 262_000, 262_144, 300_000];

const KEYS = [
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "hasOwnProperty",
  "then",
  "id",
  "type",
  "sandboxId",
  "",
  "\u0000",
  "a b",
  "TYPE",
  "$ref",
  "0",
  "length",
];

const STRINGS = [
  "",
  " ",
  "ai",
  "AI ",
  "null",
  "undefined",
  "__proto__",
  "constructor",
  "../../etc/passwd",
  "a\nb",
  "a\u0000b",
  "\u202eevil",
  "\u200b",
  "\ufeffbom",
  "e\u0301\u0301\u0301",
  "👩‍👩‍👧‍👦",
  "ﷺ",
  "\u2028",
  "<script>",
  "%s%n",
  "${1}",
  "1e3",
  "0x10",
  "ann\t",
  "ａｎｎ",
];

/** Valid and invalid JSON alike. */
const RAWS = [
  "1e400",
  "-1e400",
  "1e-400",
  "-0",
  "0.1",
  "1.5",
  "-1",
  "0",
  "2147483648",
  "9007199254740991",
  "9007199254740992",
  "123456789012345678901234567890",
  `0.${"1".repeat(2_000)}`,
  "9".repeat(400),
  "null",
  "true",
  "[]",
  "{}",
  "[[]]",
  '"\\ud800"',
  '"\\udfff\\ud800x"',
  '"\\u0000"',
  '"\\/"',
  '{"__proto__":{"polluted":true}}',
  '{"constructor":{"prototype":{"polluted":true}}}',
  '{"toString":1,"valueOf":1,"toJSON":1}',
  "NaN",
  "Infinity",
  "undefined",
  "01",
  "1.",
  ".5",
  "+1",
  "0x10",
  "'a'",
  "",
  '"\u0001"',
  '"\\x41"',
  '"\\u12"',
  "/**/1",
  "[1,]",
  "tru",
];

const nested: fc.Arbitrary<string> = fc
  .tuple(
    fc.constantFrom(["[", "]"], ['{"a":', "}"]),
    fc.oneof(
      { weight: 20, arbitrary: fc.integer({ min: 1, max: 400 }) },
      { weight: 1, arbitrary: fc.constantFrom(5_000, 40_000) },
    ),
    fc.boolean(),
  )
  .map(([[open = "", close = ""], depth, whole]) => {
    const inside = open === "[" ? "" : "0";
    return `${open.repeat(depth)}${inside}${whole ? close.repeat(depth) : ""}`;
  });

const longText: fc.Arbitrary<string> = fc
  .tuple(
    fc.oneof(
      { weight: 60, arbitrary: fc.constantFrom(...LENGTHS) },
      { weight: 1, arbitrary: fc.constantFrom(...RARE_LENGTHS) },
    ),
    fc.constantFrom("x", "é", "👩", "\ud800", '"', "\\", " "),
  )
  .map(([length, unit]) => unit.repeat(length));

/** Any sixteen-bit units, halves of pairs included. */
export const oddText: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(...STRINGS),
  fc.string({ unit: "binary", maxLength: 20 }),
  fc
    .array(fc.integer({ min: 0, max: 0xff_ff }), { maxLength: 12 })
    .map((units) => String.fromCharCode(...units)),
);

/** A value that hardly any field wants. */
export const hostileNode: fc.Arbitrary<Node> = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...RAWS).map((text): Node => new Raw(text)) },
  { weight: 4, arbitrary: oddText.map((text): Node => text) },
  { weight: 3, arbitrary: fc.double().map((number): Node => (Number.isFinite(number) ? number : null)) },
  { weight: 2, arbitrary: longText.map((text): Node => text) },
  { weight: 1, arbitrary: nested.map((text): Node => new Raw(text)) },
  { weight: 1, arbitrary: fc.nat(2_000).map((length): Node => Array.from({ length }, () => 0)) },
  {
    weight: 1,
    arbitrary: fc
      .nat(500)
      .map((length): Node => new Fields(Array.from({ length }, (_, index) => [`k${index}`, index]))),
  },
);

type Edit =
  | { readonly do: "drop" | "wrap" | "case"; readonly at: number }
  | { readonly do: "replace" | "repeat"; readonly at: number; readonly value: Node }
  | { readonly do: "add"; readonly at: number; readonly key: string; readonly value: Node }
  | { readonly do: "multiply"; readonly at: number; readonly times: number }
  | { readonly do: "nudge"; readonly at: number; readonly by: number };

const at = fc.nat(60);
const edit: fc.Arbitrary<Edit> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("drop", "wrap", "case"), at }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constantFrom("replace", "repeat"), at, value: hostileNode }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("add" as const),
      at,
      key: fc.oneof(fc.constantFrom(...KEYS), fc.string({ maxLength: 8 })),
      value: hostileNode,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("multiply" as const),
      at,
      times: fc.constantFrom(2, 3, 64, 65, 400),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("nudge" as const),
      at,
      by: fc.constantFrom(-1, 1, 0.5, 1e9, -1e9, 2 ** 53),
    }),
  },
);

function apply(root: Node, change: Edit): Node {
  const places = placesIn(root);
  const place = places[change.at % Math.max(1, places.length)];
  if (change.do === "add") {
    // The message itself is one of the objects that a key can be added to.
    const objects = [root, ...places.map(({ value }) => value)].filter((node) => node instanceof Fields);
    objects[change.at % Math.max(1, objects.length)]?.entries.push([change.key, change.value]);
    return root;
  }
  if (!place) return root;
  const { value } = place;
  switch (change.do) {
    case "drop":
      place.remove();
      break;
    case "wrap":
      place.set([value]);
      break;
    case "case":
      if (typeof value === "string") place.set(value.toUpperCase());
      place.rename((key) => key.toUpperCase());
      break;
    case "replace":
      place.set(change.value);
      break;
    case "repeat":
      place.repeat(change.value);
      break;
    case "multiply":
      if (typeof value === "string") place.set(value.slice(0, 4_000).repeat(change.times));
      else if (Array.isArray(value)) {
        // Faults follow each other: a list of long texts, again and again, would be longer than a string can be.
        const times = Math.min(change.times, Math.floor(MAX_MULTIPLIED / (write(value).length + 1)));
        if (times > 1) place.set(Array.from({ length: times }, () => value).flat());
      }
      break;
    case "nudge":
      if (typeof value === "number") place.set(value + change.by);
      else if (typeof value === "string" && change.by < 0) place.set(value.slice(0, -1));
      else if (typeof value === "string") place.set(`${value}${String(change.by).slice(0, 1)}`);
      break;
  }
  return root;
}

/** The message with one to three faults. It is still JSON, unless a fault says otherwise. */
export function edited(message: fc.Arbitrary<Node>): fc.Arbitrary<string> {
  return fc
    .tuple(message, fc.array(edit, { minLength: 1, maxLength: 3 }))
    .map(([node, edits]) => write(edits.reduce(apply, copyOf(node))));
}

/** The message's text, cut, bent, or with something in it. */
export function garbled(text: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const change = fc.record({
    do: fc.constantFrom("cut", "insert", "remove", "replace", "double", "front", "end"),
    at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
    with: fc.oneof(
      fc.constantFrom("{", "}", "[", "]", ",", ":", '"', "\\", "\\u", "\u0000", "\ufeff", " ", "\n", "1e400"),
      oddText,
      nested,
    ),
  });
  return fc.tuple(text, change).map(([whole, { do: what, at: share, with: piece }]) => {
    const place = Math.floor(share * whole.length);
    const [before, after] = [whole.slice(0, place), whole.slice(place)];
    switch (what) {
      case "cut":
        return before;
      case "insert":
        return before + piece + after;
      case "remove":
        return before + after.slice(1 + (place % 7));
      case "replace":
        return before + piece + after.slice(piece.length);
      case "double":
        return whole + whole;
      case "front":
        return piece + whole;
      case "end":
        return whole + piece;
    }
  });
}

/** No message at all. */
export const junk: fc.Arbitrary<string> = fc.oneof(
  { weight: 4, arbitrary: fc.string({ unit: "binary", maxLength: 60 }) },
  { weight: 3, arbitrary: fc.json({ maxDepth: 4 }) },
  { weight: 2, arbitrary: fc.constantFrom(...RAWS) },
  { weight: 1, arbitrary: nested },
  { weight: 1, arbitrary: longText },
);
