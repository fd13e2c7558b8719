/** A script that is run twice, directly against Chromium and through the gate, and must see the same both times. */
import { createHash } from "node:crypto";
import { inflateRawSync } from "node:zlib";
import { expect, it } from "vitest";
import type { ScenarioSite } from "./site.ts";

/** Plain data. Addresses of the site are made the same by `neutral`. */
export type Seen = Readonly<Record<string, unknown>>;

export interface Scenario<Bench> {
  readonly name: string;
  readonly run: (bench: Bench) => Promise<Seen>;
  /** What a working browser shows at least, so that two runs which both did nothing are not taken for equal. */
  readonly proves: Seen;
}

interface Side {
  readonly site: ScenarioSite;
  readonly folder: string;
}

export interface Sides<Bench> {
  readonly direct: Bench;
  readonly gate: Bench;
}

/** One test per scenario. `settle` is called after each run and takes away what the scenario left. */
export function sameThroughGate<Bench extends Side>(
  scenarios: readonly Scenario<Bench>[],
  sides: () => Sides<Bench>,
  settle: (bench: Bench) => Promise<void>,
): void {
  const perform = async ({ run }: Scenario<Bench>, bench: Bench): Promise<unknown> => {
    bench.site.clear();
    try {
      return neutral(await run(bench), bench);
    } finally {
      await settle(bench);
    }
  };
  for (const scenario of scenarios) {
    // Not `it.each`, which cuts names short.
    it(scenario.name, async () => {
      const { direct, gate } = sides();
      const [expected, actual] = await Promise.allSettled([
        perform(scenario, direct),
        perform(scenario, gate),
      ]);
      if (expected.status === "rejected") throw failed("the direct run", expected.reason);
      if (actual.status === "rejected") throw failed("the run through the gate", actual.reason);
      expect(expected.value).toMatchObject(scenario.proves);
      expect(actual.value).toEqual(expected.value);
    });
  }
}

function failed(what: string, cause: unknown): Error {
  return new Error(`${what} failed: ${(cause as Error).message}`, { cause });
}

function neutral(seen: Seen, { site, folder }: Side): unknown {
  const names: readonly [string, string][] = [
    [site.url, "http://site"],
    [site.otherUrl, "http://other"],
    [new URL(site.url).host, "site"],
    [new URL(site.otherUrl).host, "other"],
    [folder, "folder"],
  ];
  const text = names.reduce((text, [from, to]) => text.replaceAll(from, to), JSON.stringify(seen));
  return JSON.parse(text);
}

/** First line of the message of the error that `promise` rejects with. Throws when it does not reject. */
export async function failure(promise: Promise<unknown>): Promise<string> {
  let outcome: unknown;
  try {
    outcome = await promise;
  } catch (error) {
    return (error as Error).message.split("\n")[0] ?? "";
  }
  throw new Error(`this should have failed, and gave ${JSON.stringify(outcome)}`);
}

export function sha256(data: Uint8Array | string): string {
  return createHash("sha256").update(data).digest("hex");
}

/** Size in pixels and a digest of a PNG. */
export function picture(png: Uint8Array): Seen {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  return { width: view.getUint32(16), height: view.getUint32(20), sha256: sha256(png) };
}

/** Pages of a PDF, and whether it is whole. */
export function document(pdf: Uint8Array): Seen {
  const text = Buffer.from(pdf).toString("latin1");
  return {
    pages: text.match(/\/Type\s*\/Page\b/g)?.length ?? 0,
    whole: text.startsWith("%PDF-") && text.trimEnd().endsWith("%%EOF"),
  };
}

/** Files of a zip archive by name. */
export function unzip(zip: Buffer): ReadonlyMap<string, Buffer> {
  const files = new Map<string, Buffer>();
  const end = zip.lastIndexOf(Buffer.from("PK\x05\x06", "latin1"));
  if (end < 0) throw new Error("this is no zip archive");
  let at = zip.readUInt32LE(end + 16);
  for (let left = zip.readUInt16LE(end + 10); left > 0; left -= 1) {
    const [method, size] = [zip.readUInt16LE(at + 10), zip.readUInt32LE(at + 20)];
    const [name, extra, comment] = [28, 30, 32].map((offset) => zip.readUInt16LE(at + offset)) as [
      number,
      number,
      number,
    ];
    const local = zip.readUInt32LE(at + 42);
    const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
    const packed = zip.subarray(start, start + size);
    files.set(zip.toString("utf8", at + 46, at + 46 + name), method === 0 ? packed : inflateRawSync(packed));
    at += 46 + name + extra + comment;
  }
  return files;
}
