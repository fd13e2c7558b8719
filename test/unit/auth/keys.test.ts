import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { exportJWK, SignJWT, type JWTPayload } from "jose";
import { afterEach, describe, expect, it } from "vitest";
import { BatonError } from "../../../protocol/errors.ts";
import { readClaims } from "../../../src/auth/claims.ts";
import { Keys, type KeyOptions } from "../../../src/auth/keys.ts";
import { keyPair, payloadOf, SECRET, signed, token, unsigned } from "../../support/tokens.ts";

const OLD = "the secret before, also long enough!";

async function reasonOf(keys: Keys, text: string): Promise<unknown> {
  try {
    readClaims(await keys.verify(text));
  } catch (error) {
    if (error instanceof BatonError) return error.details?.["reason"] ?? error.code;
    throw error;
  }
  return "accepted";
}
const keysOf = (options: Partial<KeyOptions> = {}): Keys => new Keys({ secrets: [SECRET], ...options });

describe("a secret", () => {
  it("accepts what it signed", async () => {
    const verified = await keysOf().verify(await token({ sub: "ada", jti: "t1" }));
    expect(verified).toMatchObject({ own: true, payload: { sub: "ada", jti: "t1" } });
  });

  it("can be replaced while tokens of the old one are still out", async () => {
    const both = keysOf({ secrets: [SECRET, OLD] });
    expect(await reasonOf(both, await token({}, OLD))).toBe("accepted");
    expect(await reasonOf(keysOf(), await token({}, OLD))).toBe("signature");
    const made = await both.sign(payloadOf({}), Date.now() + 60_000);
    expect(await reasonOf(keysOf(), made)).toBe("accepted");
  });

  it("is refused when it is short", () => {
    expect(() => keysOf({ secrets: ["x".repeat(31)] })).toThrow("at least 32");
    expect(() => keysOf({ secrets: [] })).toThrow("at least 32");
  });

  it("refuses everything that is not signed with it, and says why", async () => {
    const keys = keysOf();
    expect(await reasonOf(keys, unsigned())).toBe("algorithm");
    expect(await reasonOf(keys, "")).toBe("malformed");
    expect(await reasonOf(keys, "a.b.c")).toBe("malformed");
    expect(await reasonOf(keys, "e30.e30.")).toBe("algorithm");
    expect(await reasonOf(keys, `${"x".repeat(9_000)}.b.c`)).toBe("malformed");
    const good = await token();
    const [header = "", body = ""] = good.split(".");
    expect(await reasonOf(keys, `${header}.${body}.`)).toBe("signature");
    const other = (await token({ role: "admin" })).split(".")[1] ?? "";
    expect(await reasonOf(keys, good.replace(body, other))).toBe("signature");
    expect(await reasonOf(keys, await signed(payloadOf({}), SECRET, "HS512"))).toBe("algorithm");
  });

  it("tells expired, not yet valid and unreadable tokens apart", async () => {
    const keys = keysOf();
    expect(await reasonOf(keys, await token({ expiresIn: 0 }))).toBe("expired");
    expect(await reasonOf(keys, await token({ expiresIn: -3_600 }))).toBe("expired");
    expect(await reasonOf(keys, await token({ notBefore: 60 }))).toBe("not_yet_valid");
    // An issuer's clock that runs a little ahead.
    expect(await reasonOf(keys, await token({ notBefore: 2 }))).toBe("accepted");
    const { exp: _, ...endless } = payloadOf({});
    expect(await reasonOf(keys, await signed(endless))).toBe("claims");
  });

  it.each([
    ["no subject", { sub: undefined }],
    ["a subject that is no name", { sub: "a\nb" }],
    ["the agent's name", { sub: "AI" }],
    ["no role", { role: undefined }],
    ["an unknown role", { role: "root" }],
    ["no sandboxes", { sandboxes: undefined }],
    ["an empty list of sandboxes", { sandboxes: [] }],
    ["a pattern that is none", { sandboxes: ["a*b"] }],
    ["sandboxes that are no list", { sandboxes: "*" }],
    ["an id with a line break", { jti: "a\nb" }],
    ["a link's session without its link", { use: "session", access: "drive", life: 1_000 }],
    ["a link without what it is for", { use: "link", jti: "l1" }],
    ["act_for that is no boolean", { act_for: "yes" }],
  ])("refuses a token with %s", async (_what, claims) => {
    const payload = { ...payloadOf({}), ...claims } as JWTPayload;
    expect(await reasonOf(keysOf(), await signed(payload))).toBe("claims");
  });

  it("gives a token without an id one that its signature's form does not change", async () => {
    const text = await token();
    const { digest } = await keysOf().verify(text);
    expect(digest).toMatch(/^h:[\w-]{43}$/);
    const last = text.at(-1) ?? "";
    // The last character of a base64url signature has bits that nobody reads.
    const twin = text.slice(0, -1) + String.fromCodePoint((last.codePointAt(0) ?? 0) + 1);
    const again = await keysOf()
      .verify(twin)
      .catch(() => undefined);
    if (again) expect(again.digest).toBe(digest);
  });
});

describe("public keys", () => {
  const { privateKey, publicPem } = keyPair();
  const options = { publicKeys: publicPem, audience: "baton", issuer: "https://id.example" };
  const sign = (claims: object, key: KeyObject = privateKey): Promise<string> =>
    new SignJWT({ ...payloadOf({}), aud: "baton", iss: "https://id.example", ...claims })
      .setProtectedHeader({ alg: "ES256" })
      .sign(key);

  it("accept what their private half signed, for this audience, by this issuer", async () => {
    const keys = keysOf(options);
    expect(await reasonOf(keys, await sign({}))).toBe("accepted");
    expect(await reasonOf(keys, await sign({ aud: "other" }))).toBe("audience");
    expect(await reasonOf(keys, await sign({ iss: "https://evil.example" }))).toBe("issuer");
    expect(await reasonOf(keys, await sign({}, keyPair().privateKey))).toBe("signature");
  });

  it("are no secrets: a token signed with one as if it were is refused", async () => {
    expect(await reasonOf(keysOf(options), await signed(payloadOf({}), publicPem))).toBe("signature");
  });

  it("cannot say what only the gateway says", async () => {
    const text = await sign({ use: "session", access: "drive", life: 1_000, link: "box.l1" });
    const { identity, opens } = readClaims(await keysOf(options).verify(text));
    expect([identity.linkId, identity.grant.link, opens]).toEqual([undefined, undefined, undefined]);
  });

  it("are checked when they are read", () => {
    const rsa = generateKeyPairSync("rsa", { modulusLength: 1_024 });
    const short = rsa.publicKey.export({ type: "spki", format: "pem" }).toString();
    expect(() => keysOf({ publicKeys: short })).toThrow("2048 bits");
    expect(() => keysOf({ publicKeys: "nonsense" })).toThrow("in PEM");
    const own = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    expect(() => keysOf({ publicKeys: own })).toThrow("private");
    expect(() => keysOf({ publicKeys: publicPem.repeat(17) })).toThrow("1 to 16");
  });
});

describe("a key server", () => {
  const servers: Server[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
  });

  /** Lists these keys; each can be replaced. */
  async function keyServer(list: { kid: string; key: KeyObject }[]): Promise<string> {
    const server = createServer((_request, response) => {
      void Promise.all(
        list.map(async ({ kid, key }) => ({ ...(await exportJWK(createPublicKey(key))), kid, alg: "ES256" })),
      ).then((keys) => response.setHeader("content-type", "application/json").end(JSON.stringify({ keys })));
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`;
  }
  const sign = (key: KeyObject, kid: string): Promise<string> =>
    new SignJWT({ ...payloadOf({}), aud: "baton" }).setProtectedHeader({ alg: "ES256", kid }).sign(key);

  it("is asked for the key that a token names", async () => {
    const { privateKey } = keyPair();
    const jwksUrl = await keyServer([{ kid: "k1", key: privateKey }]);
    const keys = keysOf({ jwksUrl, audience: "baton" });
    expect(await reasonOf(keys, await sign(privateKey, "k1"))).toBe("accepted");
    expect(await reasonOf(keys, await sign(keyPair().privateKey, "k1"))).toBe("signature");
    expect(await reasonOf(keys, await sign(privateKey, "unknown"))).toBe("signature");
  });

  it("may bring a new key into use, and take the old one away", async () => {
    const [first, second] = [keyPair().privateKey, keyPair().privateKey];
    const list = [{ kid: "k1", key: first }];
    const jwksUrl = await keyServer(list);
    // Without a pause between two looks: the real one keeps strangers' tokens from asking the server all the time.
    const keys = new Keys({ secrets: [SECRET], jwksUrl, audience: "baton" }, { jwksCooldownMs: 0 });
    expect(await reasonOf(keys, await sign(first, "k1"))).toBe("accepted");
    list.splice(0, 1, { kid: "k2", key: second });
    expect(await reasonOf(keys, await sign(second, "k2"))).toBe("accepted");
    expect(await reasonOf(keys, await sign(first, "k1"))).toBe("signature");
  });

  it("that does not answer is no reason to call a token wrong", async () => {
    const jwksUrl = await keyServer([]);
    servers.splice(0).forEach((server) => server.close());
    const keys = keysOf({ jwksUrl, audience: "baton" });
    expect(await reasonOf(keys, await sign(keyPair().privateKey, "k1"))).toBe("unavailable");
    // Tokens of the gateway's own need no server.
    expect(await reasonOf(keys, await token())).toBe("accepted");
  });
});
