import { describe, expect, it } from "vitest";
import { ConfigError, readConfig, type Config } from "../../src/config.ts";
import { DEFAULT_LIMITS } from "../../src/limits/settings.ts";
import { keyPair } from "../support/tokens.ts";

const DEFAULTS: Config = {
  host: "127.0.0.1",
  port: 7070,
  transport: "ws",
  workers: 1,
  logLevel: "info",
  demo: false,
  graceMs: 30_000,
  handoffTtlMs: 1_800_000,
  heartbeatMs: 15_000,
  store: { kind: "local" },
  dataDir: ".baton",
  allowedOrigins: [],
  frameAncestors: ["'self'"],
  cdpTargets: "*",
  navigationTargets: "*",
};
const SECRET = "0123456789abcdef0123456789abcdef";
const RULES = { good: ["public", "none", "10.0.0.0/8, *.internal:9222"], bad: ["10.0.0.0/99", "http://x"] };

function linesOf(env: Record<string, string | undefined>): readonly string[] {
  try {
    readConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.lines;
    throw error;
  }
  throw new Error(`${JSON.stringify(env)} was accepted`);
}

/** Each variable: values that must be taken, with what they become, and values that must not. */
const VARIABLES: Record<
  string,
  { good: readonly (readonly [string, Partial<Config>])[]; bad: readonly string[] }
> = {
  BATON_WORKERS: {
    good: [
      ["1", { workers: 1 }],
      ["64", { workers: 64 }],
      ["auto", { workers: "auto" }],
    ],
    bad: ["0", "65", "-1", "2.5", "many", "0x2", "AUTO"],
  },
  BATON_HOST: {
    good: [
      ["localhost", { host: "localhost" }],
      ["127.0.0.2", { host: "127.0.0.2" }],
      ["::1", { host: "::1" }],
    ],
    bad: [],
  },
  BATON_PORT: {
    good: [
      ["0", { port: 0 }],
      ["8080", { port: 8080 }],
      ["65535", { port: 65_535 }],
    ],
    bad: ["65536", "-1", "80.5", "http", " ", "0x50", "1e3", " 80", "80 ", "9".repeat(40)],
  },
  BATON_STORE: {
    good: [
      ["memory", { store: { kind: "memory" } }],
      ["redis", { store: { kind: "redis", url: "redis://127.0.0.1:6379", replicas: 0 } }],
    ],
    bad: ["Memory", "postgres"],
  },
  BATON_DATA_DIR: { good: [["/var/lib/baton", { dataDir: "/var/lib/baton" }]], bad: [] },
  // What a Redis URL may look like is the store's to say.
  BATON_REDIS_URL: { good: [["redis://10.0.0.1", {}]], bad: [] },
  BATON_REDIS_REPLICAS: { good: [["1", {}]], bad: ["-1", "all"] },
  BATON_TRANSPORT: {
    good: [
      ["ws", { transport: "ws" }],
      ["uws", { transport: "uws" }],
    ],
    bad: ["wss", "http"],
  },
  BATON_PUBLIC_URL: {
    good: [
      ["http://localhost:8080", { publicUrl: "http://localhost:8080" }],
      ["http://localhost:8080//", { publicUrl: "http://localhost:8080" }],
      ["http://127.0.0.1:7070/live/", { publicUrl: "http://127.0.0.1:7070/live" }],
    ],
    bad: ["baton.example", "ftp://baton.example", "javascript:alert(1)", "/", " "],
  },
  BATON_ALLOWED_ORIGINS: {
    good: [
      ["https://app.example", { allowedOrigins: ["https://app.example"] }],
      [
        "https://a.example, http://b.example:81",
        { allowedOrigins: ["https://a.example", "http://b.example:81"] },
      ],
    ],
    bad: ["app.example", "https://app.example/", "https://app.example/x", "*", "null"],
  },
  BATON_FRAME_ANCESTORS: {
    good: [["'self', https://app.example", { frameAncestors: ["'self'", "https://app.example"] }]],
    bad: ["*; script-src *", "app.example", "'unsafe-inline'"],
  },
  BATON_LIMITS: {
    good: [["socketsPerAddress=5", { limits: { ...DEFAULT_LIMITS, socketsPerAddress: 5 } }]],
    bad: ["sockets=5", "socketsPerAddress=-1", "socketsPerAddress"],
  },
  BATON_CDP_TARGETS: {
    good: RULES.good.map((rule) => [rule, { cdpTargets: rule }] as const),
    bad: RULES.bad,
  },
  BATON_NAVIGATION_TARGETS: {
    good: RULES.good.map((rule) => [rule, { navigationTargets: rule }] as const),
    bad: RULES.bad,
  },
  BATON_CHROMIUM: { good: [["/opt/chrome", { chromium: "/opt/chrome" }]], bad: [] },
  BATON_LOG_LEVEL: {
    good: [
      ["debug", { logLevel: "debug" }],
      ["silent", { logLevel: "silent" }],
    ],
    bad: ["DEBUG", "verbose", "30"],
  },
  BATON_DEMO: {
    good: [
      ["1", { demo: true }],
      ["true", { demo: true }],
      ["0", { demo: false }],
      ["false", { demo: false }],
    ],
    bad: ["yes", "on", "2", "TRUE"],
  },
  BATON_GRACE_MS: {
    good: [
      ["0", { graceMs: 0 }],
      ["3600000", { graceMs: 3_600_000 }],
    ],
    bad: ["3600001", "-1", "30s", "1.5", " ", "Infinity", "NaN"],
  },
  BATON_HANDOFF_TTL_MS: {
    good: [
      ["1000", { handoffTtlMs: 1_000 }],
      ["86400000", { handoffTtlMs: 86_400_000 }],
    ],
    bad: ["999", "86400001", "0", "never"],
  },
  BATON_HEARTBEAT_MS: {
    good: [
      ["1000", { heartbeatMs: 1_000 }],
      ["300000", { heartbeatMs: 300_000 }],
    ],
    bad: ["999", "300001", "0"],
  },
};

describe("readConfig", () => {
  it("has defaults for everything, and looks at no other variable", () => {
    expect(readConfig({})).toEqual(DEFAULTS);
    expect(readConfig({ PORT: "1", HOME: "/root", baton_port: "1" })).toEqual(DEFAULTS);
  });

  it.each(Object.entries(VARIABLES))(
    "takes good values of %s, and takes empty for unset",
    (name, { good }) => {
      for (const [value, expected] of good) {
        expect(readConfig({ [name]: value }), value).toEqual({ ...DEFAULTS, ...expected });
      }
      expect(readConfig({ [name]: "" })).toEqual(DEFAULTS);
      expect(readConfig({ [name]: undefined })).toEqual(DEFAULTS);
    },
  );

  it.each(Object.entries(VARIABLES).filter(([, { bad }]) => bad.length > 0))(
    "refuses bad values of %s in one line that names it, the value and what to do",
    (name, { bad }) => {
      for (const value of bad) {
        const lines = linesOf({ [name]: value });
        expect(lines, value).toHaveLength(1);
        expect(lines[0], value).toMatch(new RegExp(`^${name}=`));
        expect(lines[0], value).toContain(`=${value} cannot be used: `);
        expect(lines[0], value).toMatch(/Correct it or unset it\.$/);
        expect(lines[0], value).not.toMatch(/received|\n/);
      }
    },
  );

  it("says which numbers a number may be", () => {
    expect(linesOf({ BATON_PORT: "http" })[0]).toContain("a whole number from 0 to 65535");
    expect(linesOf({ BATON_GRACE_MS: "3600001" })[0]).toContain("a whole number from 0 to 3600000");
  });

  it("names every mistake, a line each", () => {
    const lines = linesOf({ BATON_PORT: "x", BATON_DEMO: "maybe", BATON_POTR: "80", BATON_GRACE_MS: "-1" });
    expect(lines.map((line) => /^BATON_\w+/.exec(line)?.[0])).toEqual([
      "BATON_PORT",
      "BATON_DEMO",
      "BATON_GRACE_MS",
      "BATON_POTR",
    ]);
  });

  it("takes the Redis settings together", () => {
    const env = {
      BATON_STORE: "redis",
      BATON_REDIS_URL: "redis+cluster://a:1,b:2",
      BATON_REDIS_REPLICAS: "1",
    };
    expect(readConfig(env).store).toEqual({ kind: "redis", url: "redis+cluster://a:1,b:2", replicas: 1 });
  });

  it("names an unknown BATON_ variable and lists the known ones; an empty one is none", () => {
    const [line, ...rest] = linesOf({ BATON_POTR: "7070" });
    expect(rest).toEqual([]);
    expect(line).toContain("BATON_POTR is not a setting");
    for (const name of Object.keys(VARIABLES)) expect(line).toContain(name);
    expect(linesOf({ BATON_: "1" })).toHaveLength(1);
    expect(linesOf({ BATON___PROTO__: "1" })).toHaveLength(1);
    expect(readConfig({ BATON_POTR: "" })).toEqual(DEFAULTS);
  });
});

describe("tokens", () => {
  const SECURED = { cdpTargets: "public", navigationTargets: "public", auth: { secrets: [SECRET] } };

  it("are asked for once there is a secret; addresses inside are then out of reach", () => {
    expect(readConfig({ BATON_SECRET: SECRET })).toEqual({ ...DEFAULTS, ...SECURED });
    const open = readConfig({ BATON_SECRET: SECRET, BATON_HOST: "0.0.0.0" });
    expect(open).toEqual({ ...DEFAULTS, ...SECURED, host: "0.0.0.0" });
    const demo = readConfig({ BATON_SECRET: SECRET, BATON_DEMO: "1" });
    expect(demo.navigationTargets).toBe("public,loopback");
  });

  it("may be signed with one of several secrets while one is replaced", () => {
    const other = SECRET.toUpperCase();
    expect(readConfig({ BATON_SECRET: `${SECRET}, ${other}` }).auth?.secrets).toEqual([SECRET, other]);
  });

  it.each(["0.0.0.0", "::", "192.168.1.1", "baton.example", "127.0.0.1.example"])(
    "without a secret nobody else may connect: BATON_HOST=%s is refused",
    (host) => {
      expect(linesOf({ BATON_HOST: host })[0]).toMatch(/^BATON_HOST=.*Set BATON_SECRET/);
    },
  );

  it("without a secret no proxy may bring others", () => {
    const proxied = { BATON_PUBLIC_URL: "https://baton.example" };
    expect(linesOf(proxied)[0]).toMatch(/^BATON_PUBLIC_URL=.*Set BATON_SECRET/);
    expect(readConfig({ ...proxied, BATON_SECRET: SECRET }).publicUrl).toBe("https://baton.example");
  });

  it.each(["short", ",", `${SECRET},short`, " "])(
    "a bad secret is refused, and not repeated: %j",
    (secret) => {
      const [line = ""] = linesOf({ BATON_SECRET: secret });
      expect(line).toMatch(/^BATON_SECRET cannot be used: .* Correct it or unset it\.$/);
      expect(line).not.toContain(SECRET);
      expect(line).not.toContain("short");
    },
  );

  it("of others need a secret and an audience beside their keys", () => {
    const { publicPem } = keyPair();
    const keys = { BATON_PUBLIC_KEYS: publicPem };
    expect(linesOf(keys)[0]).toContain("BATON_PUBLIC_KEYS needs BATON_SECRET");
    expect(linesOf({ BATON_JWKS_URL: "https://id.example/keys" })[0]).toContain(
      "BATON_JWKS_URL needs BATON_SECRET",
    );
    expect(linesOf({ ...keys, BATON_SECRET: SECRET })[0]).toContain("BATON_JWT_AUDIENCE");
    const all = {
      ...keys,
      BATON_SECRET: SECRET,
      BATON_JWT_AUDIENCE: "baton",
      BATON_JWT_ISSUER: "https://id.example",
    };
    expect(readConfig(all).auth).toEqual({
      secrets: [SECRET],
      publicKeys: publicPem,
      audience: "baton",
      issuer: "https://id.example",
    });
    // As a compose file holds it: on one line.
    expect(
      readConfig({ ...all, BATON_PUBLIC_KEYS: publicPem.replaceAll("\n", "\\n") }).auth?.publicKeys,
    ).toBe(publicPem);
    expect(linesOf({ ...all, BATON_PUBLIC_KEYS: "nonsense" })[0]).toContain(
      "BATON_PUBLIC_KEYS cannot be used",
    );
  });

  it("take no keys from a server that somebody in between could pretend to be", () => {
    const env = { BATON_SECRET: SECRET, BATON_JWT_AUDIENCE: "baton" };
    expect(linesOf({ ...env, BATON_JWKS_URL: "http://id.example/keys" })[0]).toContain("https address");
    const local = readConfig({ ...env, BATON_JWKS_URL: "http://127.0.0.1:9/keys" });
    expect(local.auth?.jwksUrl).toBe("http://127.0.0.1:9/keys");
  });

  it("proxies are believed when they are named", () => {
    const { trustedProxies } = readConfig({ BATON_TRUSTED_PROXIES: "10.0.0.0/8" });
    expect([trustedProxies?.has("10.1.2.3"), trustedProxies?.has("11.1.2.3")]).toEqual([true, false]);
    expect(linesOf({ BATON_TRUSTED_PROXIES: "0.0.0.0/0" })[0]).toContain("everybody");
  });
});
