import { describe, expect, it } from "vitest";
import { mayTellCookies, redact } from "../../../src/cdp/redact.ts";

const event = (value: string): Buffer =>
  Buffer.from(
    JSON.stringify({ method: "Network.requestWillBeSentExtraInfo", params: { headers: { Cookie: value } } }),
  );

describe("redact", () => {
  it("G3: stars out every occurrence, and leaves the length and the original as they are", () => {
    const bytes = event("a=first-secret; b=x; c=first-secret; d=second-secret");
    const before = Buffer.from(bytes);
    const clean = redact(bytes, ["first-secret", "second-secret"]);
    const { params } = JSON.parse(clean.toString()) as { params: { headers: { Cookie: string } } };
    expect(params.headers.Cookie).toBe("a=************; b=x; c=************; d=*************");
    expect(bytes.equals(before)).toBe(true);
  });

  it("G3: finds a value as it stands in JSON, with bytes of several units", () => {
    const value = 'ö"quoted"';
    const clean = redact(event(`a=${value}`), [JSON.stringify(value).slice(1, -1)]).toString();
    expect(clean).not.toContain("quoted");
    expect(() => JSON.parse(clean) as unknown).not.toThrow();
  });

  it("passes on the same bytes where there is nothing to hide", () => {
    const bytes = event("a=b");
    expect(redact(bytes, ["secret-value"])).toBe(bytes);
  });

  it("looks where the browser tells of cookies only", () => {
    const tells = [
      "Network.getCookies",
      "Storage.getCookies",
      "Fetch.requestPaused",
      "Network.responseReceivedExtraInfo",
    ];
    expect(tells.filter((method) => !mayTellCookies(method))).toEqual([]);
    expect(["Page.captureScreenshot", "Runtime.evaluate"].filter(mayTellCookies)).toEqual([]);
  });
});
