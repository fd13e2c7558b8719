/** Settings from the environment, checked as a whole at the start: one clear line per mistake. */
import { z } from "zod";
import { Keys, MIN_SECRET_LENGTH, type KeyOptions } from "./auth/keys.ts";
import { isLoopback } from "./http/origins.ts";
import { parseTrusted, type AddressSet } from "./limits/client-address.ts";
import { parseLimits, type LimitSettings } from "./limits/settings.ts";
import { parseRules } from "./targets/rules.ts";

const flag = z.enum(["0", "1", "true", "false"]).transform((text) => text === "1" || text === "true");
/** Digits only: `Number` would also take " ", "0x50" and "1e3" for numbers. */
const whole = (min: number, max: number) => {
  const wrong = `it must be a whole number from ${min} to ${max}`;
  return z
    .string()
    .regex(/^\d{1,15}$/, { error: wrong, abort: true })
    .transform(Number)
    .refine((value) => value >= min && value <= max, wrong);
};

/** A list with commas between its entries. */
const list = z.string().transform((text) =>
  text
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== ""),
);

/** Reads what has a parser of its own, which says what is wrong by throwing or in a list of sentences. */
function parsed<T>(read: (text: string) => T | { readonly mistakes: readonly string[] }) {
  return z.string().transform((text, context) => {
    const fail = (message: string): never => {
      context.addIssue({ code: "custom", message });
      return z.NEVER;
    };
    try {
      const value = read(text);
      const [mistake] = mistakesOf(value);
      return mistake === undefined ? (value as T) : fail(mistake);
    } catch (error) {
      return fail(error instanceof Error ? error.message : String(error));
    }
  });
}

function mistakesOf(value: unknown): readonly string[] {
  return typeof value === "object" && value !== null && "mistakes" in value && Array.isArray(value.mistakes)
    ? value.mistakes
    : [];
}

const Origin = z
  .string()
  .refine(
    (text) => URL.canParse(text) && new URL(text).origin === text,
    "an origin is like https://app.example, without a path",
  );
/** CSP's own words and sources: nothing in them may end the directive. */
const FrameSource = z
  .string()
  .regex(
    /^(?:'self'|'none'|https?:\/\/[^\s;,']+)$/,
    "a source is 'self', 'none', or like https://app.example",
  );
const targets = parsed((text) => {
  parseRules(text);
  return text;
});

/** Processes that serve, at the most: each of them needs memory of its own, and talks to the one that has the store. */
export const MAX_WORKERS = 64;
const workers = parsed((text): number | "auto" => {
  const count = /^\d{1,2}$/.test(text) ? Number(text) : 0;
  if (text === "auto" || (count >= 1 && count <= MAX_WORKERS)) return text === "auto" ? text : count;
  throw new RangeError(`it must be a whole number from 1 to ${MAX_WORKERS}, or auto for one per core`);
});

const Environment = z.object({
  BATON_HOST: z.string().min(1).default("127.0.0.1"),
  BATON_PORT: whole(0, 65_535).default(7070),
  BATON_STORE: z.enum(["memory", "local", "redis"]).default("local"),
  BATON_DATA_DIR: z.string().min(1).default(".baton"),
  BATON_REDIS_URL: z.string().min(1).default("redis://127.0.0.1:6379"),
  BATON_REDIS_REPLICAS: whole(0, 100).default(0),
  BATON_WORKERS: workers.default(1),
  BATON_TRANSPORT: z.enum(["ws", "uws"]).default("ws"),
  BATON_SECRET: list
    .pipe(
      z
        .array(
          z.string().min(MIN_SECRET_LENGTH, `each secret must have at least ${MIN_SECRET_LENGTH} characters`),
        )
        .min(1, "it holds no secret")
        .max(8, "it holds more than 8 secrets"),
    )
    .optional(),
  // Read before this: see `secret-file.ts`.
  BATON_SECRET_FILE: z.string().optional(),
  BATON_PUBLIC_KEYS: z.string().optional(),
  BATON_JWKS_URL: z
    .url({ protocol: /^https?$/ })
    .refine(isPrivateWay, "it must be an https address, so that nobody in between can change the keys")
    .optional(),
  BATON_JWT_ISSUER: z.string().min(1).optional(),
  BATON_JWT_AUDIENCE: z.string().min(1).optional(),
  BATON_ALLOWED_ORIGINS: list.pipe(z.array(Origin)).default([]),
  BATON_FRAME_ANCESTORS: list.pipe(z.array(FrameSource).min(1)).default(["'self'"]),
  BATON_TRUSTED_PROXIES: parsed(parseTrusted).optional(),
  BATON_LIMITS: parsed(parseLimits).optional(),
  BATON_CDP_TARGETS: targets.optional(),
  BATON_NAVIGATION_TARGETS: targets.optional(),
  BATON_PUBLIC_URL: z.url({ protocol: /^https?$/ }).optional(),
  BATON_CHROMIUM: z.string().min(1).optional(),
  BATON_LOG_LEVEL: z.enum(["fatal", "error", "warn", "info", "debug", "trace", "silent"]).default("info"),
  BATON_DEMO: flag.default(false),
  BATON_GRACE_MS: whole(0, 3_600_000).default(30_000),
  BATON_HANDOFF_TTL_MS: whole(1_000, 86_400_000).default(1_800_000),
  BATON_HEARTBEAT_MS: whole(1_000, 300_000).default(15_000),
});

/** What these hold is in no message. */
const HIDDEN = new Set(["BATON_SECRET", "BATON_REDIS_URL", "BATON_PUBLIC_KEYS", "BATON_JWKS_URL"]);

export interface Config {
  /** Absent: callers are who they say, and only this machine may connect. */
  readonly auth?: KeyOptions;
  readonly allowedOrigins: readonly string[];
  readonly frameAncestors: readonly string[];
  /** Proxies whose `X-Forwarded-For` is believed. */
  readonly trustedProxies?: AddressSet;
  readonly limits?: LimitSettings;
  /** Rules of where `cdpUrl` may lead, and where people and agents may navigate. */
  readonly cdpTargets: string;
  readonly navigationTargets: string;
  readonly host: string;
  readonly port: number;
  readonly transport: "ws" | "uws";
  /** Processes that serve; `auto`: one for each core. */
  readonly workers: number | "auto";
  /** Without a slash at the end. Default: where the gateway listens. */
  readonly publicUrl?: string;
  readonly chromium?: string;
  readonly logLevel: z.infer<typeof Environment>["BATON_LOG_LEVEL"];
  /** Start with one demo sandbox on the example site. */
  readonly demo: boolean;
  readonly graceMs: number;
  readonly handoffTtlMs: number;
  readonly heartbeatMs: number;
  readonly store:
    | { readonly kind: "memory" }
    | { readonly kind: "local" }
    | { readonly kind: "redis"; readonly url: string; readonly replicas: number };
  /** Folder for what this node keeps: the local store, and profiles of the browsers that it launched. */
  readonly dataDir: string;
}

/** Mistakes in the environment, a line each. */
export class ConfigError extends Error {
  readonly lines: readonly string[];
  constructor(lines: readonly string[]) {
    super(lines.join("\n"));
    this.name = "ConfigError";
    this.lines = lines;
  }
}

/** @throws ConfigError naming every variable that is wrong, unknown `BATON_` ones included */
export function readConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const known = Object.keys(Environment.shape);
  // An empty variable is what a compose file leaves for an unset one.
  const given = Object.fromEntries(
    Object.entries(env).filter(([name, value]) => name.startsWith("BATON_") && value !== ""),
  );
  const unknown = Object.keys(given)
    .filter((name) => !known.includes(name))
    .map((name) => `${name} is not a setting of Baton. The settings are ${known.join(", ")}.`);
  const parsed = Environment.safeParse(given);
  const wrong = parsed.success
    ? []
    : parsed.error.issues.map((issue) => {
        const name = String(issue.path[0]);
        const shown = HIDDEN.has(name) ? name : `${name}=${given[name] ?? ""}`;
        return `${shown} cannot be used: ${issue.message.replace(/\.$/, "")}. Correct it or unset it.`;
      });
  if (!parsed.success || unknown.length > 0) throw new ConfigError([...wrong, ...unknown]);
  const { data } = parsed;
  const auth = keysOf(data);
  if (!auth && !isLoopback(data.BATON_HOST)) {
    throw new ConfigError([
      `BATON_HOST=${data.BATON_HOST} would let others connect, and nobody would be asked who they are. Set BATON_SECRET (${MAKE_SECRET}), or unset BATON_HOST.`,
    ]);
  }
  const { BATON_PUBLIC_URL } = data;
  if (!auth && BATON_PUBLIC_URL !== undefined && !isLoopback(new URL(BATON_PUBLIC_URL).hostname)) {
    throw new ConfigError([
      `BATON_PUBLIC_URL=${BATON_PUBLIC_URL} says that others come through a proxy, and nobody would be asked who they are. Set BATON_SECRET (${MAKE_SECRET}), or unset BATON_PUBLIC_URL.`,
    ]);
  }
  return {
    ...(auth && { auth }),
    allowedOrigins: data.BATON_ALLOWED_ORIGINS,
    frameAncestors: data.BATON_FRAME_ANCESTORS,
    ...(data.BATON_TRUSTED_PROXIES && { trustedProxies: data.BATON_TRUSTED_PROXIES.trusted }),
    ...(data.BATON_LIMITS && { limits: data.BATON_LIMITS.settings }),
    cdpTargets: data.BATON_CDP_TARGETS ?? (auth ? "public" : "*"),
    // The demo's site is on this machine.
    navigationTargets:
      data.BATON_NAVIGATION_TARGETS ?? (auth ? (data.BATON_DEMO ? "public,loopback" : "public") : "*"),
    host: data.BATON_HOST,
    port: data.BATON_PORT,
    transport: data.BATON_TRANSPORT,
    workers: data.BATON_WORKERS,
    ...(data.BATON_PUBLIC_URL !== undefined && { publicUrl: data.BATON_PUBLIC_URL.replace(/\/+$/, "") }),
    ...(data.BATON_CHROMIUM !== undefined && { chromium: data.BATON_CHROMIUM }),
    logLevel: data.BATON_LOG_LEVEL,
    demo: data.BATON_DEMO,
    graceMs: data.BATON_GRACE_MS,
    handoffTtlMs: data.BATON_HANDOFF_TTL_MS,
    heartbeatMs: data.BATON_HEARTBEAT_MS,
    dataDir: data.BATON_DATA_DIR,
    store:
      data.BATON_STORE === "redis"
        ? { kind: "redis", url: data.BATON_REDIS_URL, replicas: data.BATON_REDIS_REPLICAS }
        : { kind: data.BATON_STORE },
  };
}

const MAKE_SECRET = "for example the output of `openssl rand -base64 48`";

function keysOf(data: z.infer<typeof Environment>): KeyOptions | undefined {
  const { BATON_SECRET, BATON_PUBLIC_KEYS, BATON_JWKS_URL, BATON_JWT_ISSUER, BATON_JWT_AUDIENCE } = data;
  const foreign = BATON_PUBLIC_KEYS !== undefined ? "BATON_PUBLIC_KEYS" : "BATON_JWKS_URL";
  if (BATON_PUBLIC_KEYS !== undefined || BATON_JWKS_URL !== undefined) {
    if (!BATON_SECRET)
      throw new ConfigError([
        `${foreign} needs BATON_SECRET beside it, which signs links. Set it (${MAKE_SECRET}).`,
      ]);
    if (BATON_JWT_AUDIENCE === undefined) {
      throw new ConfigError([
        `${foreign} needs BATON_JWT_AUDIENCE beside it: without, a token that the same issuer made for another service would do here. Set it to the \`aud\` of this gateway's tokens.`,
      ]);
    }
  } else if (BATON_JWT_ISSUER !== undefined || BATON_JWT_AUDIENCE !== undefined) {
    throw new ConfigError([
      "BATON_JWT_ISSUER and BATON_JWT_AUDIENCE are checked in tokens of others only. Set BATON_JWKS_URL or BATON_PUBLIC_KEYS, or unset them.",
    ]);
  }
  if (!BATON_SECRET) return undefined;
  const keys: KeyOptions = {
    secrets: BATON_SECRET,
    ...(BATON_PUBLIC_KEYS !== undefined && { publicKeys: BATON_PUBLIC_KEYS.replaceAll("\\n", "\n") }),
    ...(BATON_JWKS_URL !== undefined && { jwksUrl: BATON_JWKS_URL }),
    ...(BATON_JWT_ISSUER !== undefined && { issuer: BATON_JWT_ISSUER }),
    ...(BATON_JWT_AUDIENCE !== undefined && { audience: BATON_JWT_AUDIENCE }),
  };
  try {
    Keys.check(keys);
    return keys;
  } catch (error) {
    const why = error instanceof TypeError ? error.message : "It is no PEM.";
    throw new ConfigError([`BATON_PUBLIC_KEYS cannot be used: ${why} Correct it or unset it.`]);
  }
}

/** Encrypted, or within this machine. */
function isPrivateWay(url: string): boolean {
  return url.startsWith("https:") || isLoopback(new URL(url).hostname);
}
