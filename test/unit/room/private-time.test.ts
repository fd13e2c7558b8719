import { describe, expect, it } from "vitest";
import type { BrowserLink } from "../../../src/browser/browser.ts";
import { PrivateTime } from "../../../src/room/private-time.ts";

function time(...looks: string[][]): { time: PrivateTime; forgotten: () => number } {
  let forgotten = 0;
  const link = {
    cookieValues: async () => new Set(looks.shift() ?? []),
    forgetConsole: async () => void (forgotten += 1),
  } as unknown as BrowserLink;
  return { time: new PrivateTime(link), forgotten: () => forgotten };
}

describe("a private time", () => {
  it("G3: ends with the consoles forgotten, and knows the cookies that were set in it", async () => {
    const { time: one, forgotten } = time(["old-value"], ["old-value", "new-value", "short"]);
    await one.begin();
    expect(one.secrets).toEqual([]);
    await one.end();
    expect(one.secrets).toEqual(["new-value"]);
    expect(forgotten()).toBe(1);
  });

  it("G3: a second drain in it does not begin it anew", async () => {
    const { time: one } = time(["before"], ["secret-one"], ["never asked"]);
    await one.begin();
    await one.begin();
    await one.end();
    expect(one.secrets).toEqual(["secret-one"]);
  });

  it("does nothing where nobody was private", async () => {
    const { time: one, forgotten } = time(["some-cookie"]);
    await one.end();
    expect([one.secrets, forgotten()]).toEqual([[], 0]);
  });

  it("G3: takes every cookie for a secret when its beginning was missed", async () => {
    const { time: one } = time(["may-be-of-it"]);
    one.missed();
    await one.end();
    expect(one.secrets).toEqual(["may-be-of-it"]);
  });

  it("keeps the secrets of earlier ones, as they stand in JSON, and a bounded number", async () => {
    const many = Array.from({ length: 2_500 }, (_, index) => `cookie-${index}`);
    const { time: one } = time([], ['with "quotes"'], ['with "quotes"'], ['with "quotes"', ...many]);
    await one.begin();
    await one.end();
    expect(one.secrets).toEqual(['with \\"quotes\\"']);
    await one.begin();
    await one.end();
    expect(one.secrets).toHaveLength(2_000);
    expect(one.secrets.at(-1)).toBe("cookie-2499");
  });
});
