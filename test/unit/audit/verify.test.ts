import { getHeapStatistics } from "node:v8";
import * as fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { Audit } from "../../../src/audit/audit.ts";
import { chain, exported, exportLines } from "../../../src/audit/chain.ts";
import { linesOf } from "../../../src/audit/lines.ts";
import { verify } from "../../../src/audit/verify.ts";
import { VERIFY_USAGE, verifyCommand } from "../../../src/audit/verify-command.ts";
import { MemoryStore } from "../../../src/store/memory.ts";
import type { AuditHead, AuditLine } from "../../../src/store/store.ts";

const quiet = { info() {}, warn() {}, error() {} };
const START: AuditHead = { seq: 0, hash: "" };
const LINES = 12;

let text: string;
let lines: string[];
let stored: readonly AuditLine[];
beforeAll(async () => {
  const store = new MemoryStore();
  const audit = new Audit({ store, log: quiet, nodeId: "n1" });
  for (let index = 0; index < LINES; index += 1) {
    const subject = index % 3 ? `ann ${index}` : "Ünï \ufffd \u{1f600}";
    await audit.record({ action: "handoff.accept", outcome: "ok", subject, epoch: index, detail: { index } });
  }
  text = (await all(exportLines(store))).join("");
  lines = text.split("\n").slice(0, -1);
  stored = await store.readAudit(0, LINES);
});

async function all(some: AsyncIterable<string>): Promise<string[]> {
  const found: string[] = [];
  for await (const one of some) found.push(one);
  return found;
}

async function* pieces(...some: string[]): AsyncGenerator<string> {
  yield* some;
}

const headOf = (seq: number): string => `${seq}:${stored[seq - 1]?.hash ?? ""}`;

/** The command on a file with this text. */
async function run(file: string, ...args: string[]) {
  const said: string[] = [];
  const out = (line: string): void => void said.push(line);
  const code = await verifyCommand([...args, "export.ndjson"], { open: () => pieces(file), out });
  return { code, said, all: said.join("\n") };
}

const join = (...some: (string | undefined)[]): string => some.map((line) => `${line ?? ""}\n`).join("");

describe("baton audit verify", () => {
  it("finds nothing in an export, and says from where to where it goes and what to note", async () => {
    const { code, all } = await run(text, "--head", headOf(LINES), "--from", "0");
    expect(all).toMatch(/export.ndjson is as it was written: 12 lines, number 1 to 12\./);
    expect(all).toContain(headOf(LINES));
    expect(code).toBe(0);
    const plain = await run(text);
    expect(plain.code).toBe(0);
    expect(plain.all).toContain("cut off at the end do not show without --head");
  });

  it("reads pieces of any size, and a file without its last line end", async () => {
    for (const size of [1, 7, 1_000, text.length]) {
      const some = text.match(new RegExp(`[^]{1,${size}}`, "g")) ?? [];
      expect(await all(linesOf(pieces(...some)))).toEqual(lines);
    }
    expect((await run(text.slice(0, -1), "--head", headOf(LINES))).code).toBe(0);
  });

  it("goes on from an earlier export, and says when the log's front has left", async () => {
    const tail = join(...lines.slice(5));
    const from = await run(tail, "--from", headOf(5), "--head", headOf(LINES));
    expect(from.said[0]).toMatch(/7 lines, number 6 to 12/);
    expect(from.code).toBe(0);
    const without = await run(tail);
    expect(without.code).toBe(0);
    expect(without.all).toMatch(/What was before number 6 is not in the file.*--from/);
    const gap = await run(tail, "--from", headOf(3));
    expect(gap.code).toBe(1);
    expect(gap.said[0]).toBe("Line 1: numbers 4 to 5 are missing before it.");
    expect((await run(tail, "--from", headOf(6))).said[0]).toMatch(/^Line 1: number 6 is not after 6/);
    const other = `5:${"0".repeat(64)}`;
    expect((await run(tail, "--from", other)).said[0]).toMatch(
      /^Line 1: number 6 does not follow the line 5/,
    );
    expect((await run("", "--from", headOf(LINES))).code).toBe(0);
    expect((await run("", "--from", headOf(LINES), "--head", headOf(LINES))).code).toBe(0);
    // The head may be what the file goes on from.
    for (const args of [[], ["--from", headOf(5)]])
      expect((await run(tail, "--head", headOf(5), ...args)).code).toBe(0);
  });

  it.each([
    [
      "changed",
      () => [...lines.slice(0, 3), lines[3]?.replace("ok", "no"), ...lines.slice(4)],
      /^Line 4: number 4 was changed/,
    ],
    ["removed", () => lines.toSpliced(3, 2), /^Line 4: numbers 4 to 5 are missing/],
    [
      "there twice",
      () => lines.toSpliced(3, 0, lines[2] ?? ""),
      /^Line 4: number 3 comes after 3: it is there twice/,
    ],
    [
      "swapped",
      () => lines.toSpliced(3, 2, lines[4] ?? "", lines[3] ?? ""),
      /^Line 4: number 4 is missing before it/,
    ],
    ["empty", () => lines.toSpliced(3, 0, ""), /^Line 4: it is empty/],
    ["not JSON", () => lines.toSpliced(3, 1, "{nonsense"), /^Line 4: it is not JSON/],
    [
      "another file's",
      () => lines.toSpliced(3, 1, '{"level":30}'),
      /^Line 4: it is no line of an audit export/,
    ],
    ["null", () => lines.toSpliced(3, 1, "null"), /^Line 4: it is no line of an audit export/],
    [
      "without a number",
      () => lines.toSpliced(3, 1, exported(chain(START, { seq: "x" }))),
      /^Line 4: it has no number/,
    ],
    ["numbered 0", () => [exported(chain(START, { seq: 0 })), ...lines], /^Line 1: it has no number/],
    ["too long", () => lines.toSpliced(3, 0, "x".repeat(200_000)), /^Line 4: it is not JSON/],
  ])("finds a line that is %s, and where", async (_, mutated, message) => {
    const { code, said, all } = await run(join(...mutated()));
    expect(said[0]).toMatch(message);
    expect(code).toBe(1);
    expect(all).toMatch(/Keep it as it is, export the log again/);
    // One mistake is told once or twice, not with every line that follows.
    expect(said.length).toBeLessThanOrEqual(4);
  });

  it("tells a line once whose number or hash was changed, and none of its neighbours", async () => {
    for (const [what, to] of [
      ['"seq":4,', '"seq":9,'],
      [stored[3]?.hash ?? "", "f".repeat(64)],
    ] as const) {
      const { code, said } = await run(join(...lines.with(3, (lines[3] ?? "").replace(what, to))));
      expect(code).toBe(1);
      expect(said[0]).toMatch(/^Line 4: number \d was changed/);
      expect(said).toHaveLength(2);
    }
  });

  it("a line without an end does not fill the memory", async () => {
    const piece = "x".repeat(50_000);
    const found = await all(
      linesOf(pieces(piece, piece, `${piece}\n${piece}${piece}\nshort\n`, piece, piece)),
    );
    expect(found.map((line) => line.length)).toEqual([65_536, 65_536, 5, 65_536]);
  });

  it("finds a line that somebody put there with its own right hash", async () => {
    const forged = exported(chain(stored[2] ?? START, { at: 1, node: "n1", action: "x", outcome: "ok" }));
    const replaced = await run(join(...lines.toSpliced(3, 1, forged)));
    expect(replaced.said[0]).toMatch(/^Line 5: number 5 does not follow this number 4/);
    const inserted = await run(join(...lines.toSpliced(3, 0, forged)));
    expect(inserted.said[0]).toMatch(/^Line 5: number 4 comes after 4/);
    const first = exported(chain({ seq: 0, hash: "f".repeat(64) }, { at: 1 }));
    expect((await run(join(first))).said[0]).toMatch(/^Line 1: number 1 says that a line was before it/);
    for (const { code } of [replaced, inserted]) expect(code).toBe(1);
  });

  it("finds a cut-off end, and a log that was written anew, with the head noted before", async () => {
    const cut = await run(join(...lines.slice(0, 8)), "--head", headOf(LINES));
    expect(cut.said[0]).toMatch(/^The end is cut off: the last number is 8, and 12 was there once/);
    const anew = await run(text, "--head", `8:${"a".repeat(64)}`);
    expect(anew.said[0]).toMatch(/^Number 8 is not the line that --head says/);
    const early = await run(join(...lines.slice(5)), "--head", headOf(2));
    expect(early.said[0]).toMatch(/^Number 2 of --head is before the first line/);
    const nothing = await run("", "--head", headOf(3));
    for (const { code } of [cut, anew, early, nothing]) expect(code).toBe(1);
    expect((await run(text, "--head", headOf(8).toUpperCase())).code).toBe(0);
  });

  it("lists some problems and counts the others", async () => {
    const { code, said } = await run("x\n".repeat(1_000));
    expect(code).toBe(1);
    expect(said).toHaveLength(52);
    expect(said[50]).toBe("and 950 more.");
  });

  it("says what is wrong with the question, or with the file", async () => {
    const ask = async (...args: string[]) => {
      const said: string[] = [];
      const open = (): AsyncIterable<string> => {
        throw new Error("ENOENT: no such file");
      };
      const code = await verifyCommand(args, { open, out: (line) => void said.push(line) });
      return { code, all: said.join("\n") };
    };
    for (const args of [
      [],
      ["a", "b"],
      ["--nonsense", "a"],
      ["--head", "12", "a"],
      ["--head", "0", "a"],
      ["--from", `x:${"a".repeat(64)}`, "a"],
    ]) {
      const { code, all } = await ask(...args);
      expect(code, args.join(" ")).toBe(2);
      expect(all).toContain(VERIFY_USAGE);
    }
    const missing = await ask("a");
    expect(missing).toEqual({
      code: 2,
      all: expect.stringMatching(/a cannot be read: ENOENT.*Give the path/) as string,
    });
    const empty = await run("");
    expect(empty.code).toBe(2);
    expect(empty.all).toMatch(/no lines.*GET \/v1\/audit/);
  });

  it("finds every single change of an export", async () => {
    const position = fc.nat(text.length - 1);
    const place = fc.nat(LINES - 1);
    const mutation = fc.oneof(
      fc.tuple(position, fc.integer({ min: 0, max: 255 })).map(([at, byte]) => {
        return text.slice(0, at) + String.fromCharCode(byte) + text.slice(at + 1);
      }),
      fc.tuple(position, fc.nat(7)).map(([at, bit]) => {
        return text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ (1 << bit)) + text.slice(at + 1);
      }),
      // The end of the last line says nothing.
      fc.nat(text.length - 2).map((at) => text.slice(0, at) + text.slice(at + 1)),
      fc.tuple(position, fc.string({ minLength: 1, maxLength: 3 })).map(([at, what]) => {
        return text.slice(0, at) + what + text.slice(at);
      }),
      fc
        .tuple(place, fc.integer({ min: 1, max: LINES }))
        .map(([at, count]) => join(...lines.toSpliced(at, count))),
      fc.tuple(place, place).map(([at, to]) => join(...lines.toSpliced(at, 0, lines[to] ?? ""))),
      fc.tuple(place, place).map(([at, to]) => {
        const swapped = lines.with(at, lines[to] ?? "").with(to, lines[at] ?? "");
        return join(...swapped);
      }),
      fc.shuffledSubarray([...lines.keys()]).map((order) => join(...order.map((index) => lines[index]))),
      fc.nat(text.length - 2).map((length) => text.slice(0, length)),
    );
    await fc.assert(
      fc.asyncProperty(mutation, async (mutated) => {
        fc.pre(mutated !== text);
        const { code, said } = await run(mutated, "--head", headOf(LINES), "--from", "0");
        expect(code).toBe(1);
        expect(said.length).toBeGreaterThan(1);
      }),
      { numRuns: 2_000 },
    );
  });

  it("needs no more memory for a long file than for a short one", async () => {
    const count = 100_000;
    let peakBytes = 0;
    async function* long(): AsyncGenerator<string> {
      let prev = START;
      for (let index = 0; index < count; index += 1) {
        const line = chain(prev, { at: index, node: "n1", action: "x".repeat(200), outcome: "ok" });
        prev = line;
        if (index % 5_000 === 0) peakBytes = Math.max(peakBytes, getHeapStatistics().used_heap_size);
        yield `${exported(line)}\n`;
      }
    }
    const before = getHeapStatistics().used_heap_size;
    const { lines: read, problemCount } = await verify(linesOf(long()));
    expect(read).toBe(count);
    expect(problemCount).toBe(0);
    // The file is forty megabytes.
    expect(peakBytes - before).toBeLessThan(25 * 1024 ** 2);
  });
});

describe("an export", () => {
  it("begins after a line, ends at a limit, and reads page by page", async () => {
    const store = new MemoryStore();
    const audit = new Audit({ store, log: quiet, nodeId: "n1" });
    await Promise.all(
      Array.from({ length: 1_200 }, async () => audit.record({ action: "x", outcome: "ok" })),
    );
    const seqs = async (after?: number, limit?: number): Promise<number[]> =>
      (await all(exportLines(store, after, limit))).map((line) => (JSON.parse(line) as AuditLine).seq);
    const whole = Array.from({ length: 1_200 }, (_, index) => index + 1);
    expect(await seqs()).toEqual(whole);
    expect(await seqs(0, 1_000)).toEqual(whole.slice(0, 1_000));
    expect(await seqs(700, 499)).toEqual(whole.slice(700, 1_199));
    expect(await seqs(1_200)).toEqual([]);
    expect(await seqs(0, 0)).toEqual([]);
  });
});
