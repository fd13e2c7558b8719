import { describe, expect, it } from "vitest";
import { Door } from "../../../src/auth/door.ts";
import { parseTrusted } from "../../../src/limits/client-address.ts";
import { Limits } from "../../../src/limits/limits.ts";

function door(trusted: string) {
  const warnings: unknown[] = [];
  const made = new Door({
    limits: new Limits(),
    audit: { record: async () => {} },
    trustedProxies: parseTrusted(trusted).trusted,
    log: { warn: (...said: unknown[]) => void warnings.push(said) },
  });
  const from = (remoteAddress: string, forwarded?: string): string =>
    made.addressOf({ remoteAddress, headers: { "x-forwarded-for": forwarded } });
  return { from, warnings };
}

describe("a proxy that is not trusted", () => {
  it("is warned of once: all who come through it count as one", () => {
    const { from, warnings } = door("10.0.0.1");
    expect([from("10.0.0.2", "203.0.113.5"), from("10.0.0.2", "203.0.113.6")]).toEqual([
      "10.0.0.2",
      "10.0.0.2",
    ]);
    expect(warnings).toHaveLength(1);
    expect(JSON.stringify(warnings)).toContain("BATON_TRUSTED_PROXIES");
    expect(JSON.stringify(warnings), "what a stranger wrote is not logged").not.toContain("203.0.113");
  });

  it("is not taken for one when it is trusted, or names nobody", () => {
    const { from, warnings } = door("10.0.0.1");
    expect([from("10.0.0.1", "203.0.113.5"), from("10.0.0.2")]).toEqual(["203.0.113.5", "10.0.0.2"]);
    expect(warnings).toEqual([]);
  });
});
