import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DEFAULT_LIMITS, parseLimits } from "../../../src/limits/settings.ts";

describe("parseLimits", () => {
  it("changes what it names, and leaves the rest at the defaults", () => {
    expect(parseLimits("")).toEqual({ settings: DEFAULT_LIMITS, mistakes: [] });
    expect(parseLimits(" socketsPerAddress = 200 ,linksPerMinute=0,")).toEqual({
      settings: { ...DEFAULT_LIMITS, socketsPerAddress: 200, linksPerMinute: 0 },
      mistakes: [],
    });
  });

  it.each([
    "socketPerAddress=1",
    "socketsPerAddress",
    "socketsPerAddress=",
    "socketsPerAddress=many",
    "socketsPerAddress=-1",
    "socketsPerAddress=1.5",
    "socketsPerAddress=1e3",
    "socketsPerAddress=1=2",
    "socketsPerAddress=9999999999",
    "=1",
    "__proto__=1",
    "constructor=1",
    "toString=1",
  ])("refuses %s, and says which there are", (text) => {
    const { settings, mistakes } = parseLimits(`callsPerMinute=7,${text}`);
    expect(settings).toEqual({ ...DEFAULT_LIMITS, callsPerMinute: 7 });
    expect(mistakes).toHaveLength(1);
    expect(mistakes[0]).toContain(`"${text}"`);
    for (const name of Object.keys(DEFAULT_LIMITS)) expect(mistakes[0]).toContain(name);
  });

  it("has a sentence for each mistake, and one for a limit that is set twice", () => {
    expect(parseLimits("a=1,b,callsPerMinute=x").mistakes).toHaveLength(3);
    expect(parseLimits("callsPerMinute=1,callsPerMinute=2")).toMatchObject({
      settings: { callsPerMinute: 1 },
      mistakes: [expect.stringContaining("Leave one of them out")],
    });
  });

  it("survives any text", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const { settings } = parseLimits(text);
        expect(Object.keys(settings)).toEqual(Object.keys(DEFAULT_LIMITS));
      }),
    );
  });
});
