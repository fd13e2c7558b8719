import { describe, expect, it } from "vitest";
import { readClaims } from "../../../src/auth/claims.ts";
import { Keys } from "../../../src/auth/keys.ts";
import { tokenCommand } from "../../../src/commands/token.ts";
import { SECRET } from "../../support/tokens.ts";

const KEYS = { secrets: [SECRET] };
const ADA = ["--subject", "ada", "--role", "operator"];

describe("baton token", () => {
  it("makes a token that the gateway takes, of what was asked for", async () => {
    const text = await tokenCommand(
      [...ADA, "--sandboxes", "acme-*, box", "--expires", "15m", "--act-for"],
      KEYS,
    );
    const { identity } = readClaims(await new Keys(KEYS).verify(text));
    expect(identity).toMatchObject({
      subject: "ada",
      role: "operator",
      grant: { sandboxes: ["acme-*", "box"], actFor: true },
      tokenId: expect.stringMatching(/^[\w-]{21}$/) as string,
    });
    expect(Math.abs(identity.expiresAt - Date.now() - 15 * 60_000)).toBeLessThan(60_000);
  });

  it("reaches every sandbox, acts for nobody, and lasts half a day, unless it is told otherwise", async () => {
    const { identity } = readClaims(await new Keys(KEYS).verify(await tokenCommand(ADA, KEYS)));
    expect(identity.grant).toEqual({ sandboxes: ["*"], actFor: false });
    expect(Math.abs(identity.expiresAt - Date.now() - 12 * 3_600_000)).toBeLessThan(60_000);
  });

  it.each([
    ["no subject", ["--role", "operator"], "--subject"],
    ["no role", ["--subject", "ada"], "--role"],
    ["an unknown role", ["--subject", "ada", "--role", "root"], "--role"],
    ["the agent's name", ["--subject", "ai", "--role", "operator"], "--subject"],
    ["a sandbox that is none", [...ADA, "--sandboxes", "a/b"], "--sandboxes"],
    ["a time without a unit", [...ADA, "--expires", "12"], "--expires 12"],
    ["no time", [...ADA, "--expires", "0h"], "--expires 0h"],
    ["more than a year", [...ADA, "--expires", "400d"], "--expires 400d"],
  ])("says what is wrong with %s, and how it is used", async (_what, args, told) => {
    await expect(tokenCommand(args, KEYS)).rejects.toThrow(told);
    await expect(tokenCommand(args, KEYS)).rejects.toThrow("usage: baton token");
  });

  it("says that there is no secret", async () => {
    await expect(tokenCommand(ADA, undefined)).rejects.toThrow("Set BATON_SECRET");
  });
});
