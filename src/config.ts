/** Settings from the environment, checked as a whole at the start: one clear line per mistake. */
import { z } from "zod";

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

const Environment = z.object({
  BATON_HOST: z.string().min(1).default("127.0.0.1"),
  BATON_PORT: whole(0, 65_535).default(7070),
  BATON_STORE: z.enum(["memory", "local", "redis"]).default("local"),
  BATON_DATA_DIR: z.string().min(1).default(".baton"),
  BATON_REDIS_URL: z.string().min(1).default("redis://127.0.0.1:6379"),
  BATON_REDIS_REPLICAS: whole(0, 100).default(0),
  BATON_TRANSPORT: z.enum(["ws"]).default("ws"),
  BATON_PUBLIC_URL: z.url({ protocol: /^https?$/ }).optional(),
  BATON_CHROMIUM: z.string().min(1).optional(),
  BATON_LOG_LEVEL: z.enum(["fatal", "error", "warn", "info", "debug", "trace", "silent"]).default("info"),
  BATON_DEMO: flag.default(false),
  BATON_GRACE_MS: whole(0, 3_600_000).default(30_000),
  BATON_HANDOFF_TTL_MS: whole(1_000, 86_400_000).default(1_800_000),
  BATON_HEARTBEAT_MS: whole(1_000, 300_000).default(15_000),
});

export interface Config {
  readonly host: string;
  readonly port: number;
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
        return `${name}=${given[name] ?? ""} cannot be used: ${issue.message}. Correct it or unset it.`;
      });
  if (!parsed.success || unknown.length > 0) throw new ConfigError([...wrong, ...unknown]);
  const { data } = parsed;
  return {
    host: data.BATON_HOST,
    port: data.BATON_PORT,
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
