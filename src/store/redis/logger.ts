/** What this folder needs of a logger; pino's fits. Never given passwords or what is stored. */
export interface RedisLogger {
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
}

export const silent: RedisLogger = { info() {}, warn() {} };

/** The same line at most this often: an outage is one story, however many attempts it takes. */
const REPEAT_MS = 10_000;
/** Lines remembered; beyond this one may repeat sooner. */
const REMEMBERED = 100;

export function withoutRepeats(logger: RedisLogger): RedisLogger {
  const said = new Map<string, number>();
  const log =
    (level: "info" | "warn") =>
    (fields: Readonly<Record<string, unknown>>, message: string): void => {
      const line = `${level} ${message} ${JSON.stringify(fields)}`;
      const now = performance.now();
      if (now - (said.get(line) ?? -Infinity) < REPEAT_MS) return;
      if (said.size >= REMEMBERED) said.clear();
      said.set(line, now);
      logger[level](fields, message);
    };
  return { info: log("info"), warn: log("warn") };
}
