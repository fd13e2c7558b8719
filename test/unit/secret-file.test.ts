import { describe, expect, it } from "vitest";
import { ConfigError, readConfig } from "../../src/config.ts";
import { withSecretFile } from "../../src/secret-file.ts";

const SECRET = "0123456789abcdef0123456789abcdef";
const file = (text: string) => (): string => text;
function mistakeOf(env: Record<string, string>, read: (path: string) => string): string {
  try {
    withSecretFile(env, read);
  } catch (error) {
    if (error instanceof ConfigError) return error.lines.join("\n");
    throw error;
  }
  return "none";
}

describe("BATON_SECRET_FILE", () => {
  it("holds the secret, without the end of its line; several on a line each", () => {
    const env = { BATON_SECRET_FILE: "/run/secrets/baton", BATON_PORT: "1" };
    expect(withSecretFile(env, file(`${SECRET}\n`))).toEqual({ BATON_SECRET: SECRET, BATON_PORT: "1" });
    const both = withSecretFile(env, file(`${SECRET}\r\n${SECRET.toUpperCase()}\n\n`));
    expect(readConfig(both).auth?.secrets).toEqual([SECRET, SECRET.toUpperCase()]);
  });

  it("that is not set changes nothing", () => {
    const env = { BATON_SECRET: SECRET, BATON_SECRET_FILE: "" };
    expect(withSecretFile(env, file("never read"))).toEqual({ BATON_SECRET: SECRET });
  });

  it("that cannot be read, is empty, or stands beside a secret is a mistake of its own", () => {
    const missing = (): string => {
      throw Object.assign(new Error("no such file"), { code: "ENOENT" });
    };
    const env = { BATON_SECRET_FILE: "/nowhere" };
    expect(mistakeOf(env, missing)).toBe(
      "BATON_SECRET_FILE=/nowhere cannot be read (ENOENT). Name a file that this user may read, or unset it.",
    );
    expect(mistakeOf(env, file("\n"))).toContain("is empty");
    expect(mistakeOf({ ...env, BATON_SECRET: SECRET }, file(SECRET))).toContain("both set");
  });
});
