/** What this folder needs of a logger; pino's fits. Never given typed text, page contents or cookies. */
export interface BrowserLogger {
  debug(fields: Readonly<Record<string, unknown>>, message: string): void;
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
}

export const silent: BrowserLogger = { debug() {}, info() {}, warn() {} };
