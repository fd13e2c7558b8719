/** The log lines' destination. Field contents, typed characters, addresses of browsers and tokens are never logged. */
import { pino, type Logger } from "pino";

export type { Logger };

export function createLogger(options: { level: string; pretty: boolean }): Logger {
  return pino({
    level: options.level,
    base: null,
    ...(options.pretty && {
      transport: {
        target: "pino-pretty",
        options: { translateTime: "HH:MM:ss", ignore: "pid,hostname", singleLine: true },
      },
    }),
  });
}

export const silentLogger: Logger = pino({ level: "silent" });
