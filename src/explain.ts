/** An error at the start, as lines for the operator: one clear line per mistake; a stack only for what is ours to mend. */
import { ConfigError } from "./config.ts";

/** Errors whose message is such a line. */
const SAID = ["BrowserError", "BatonError", "StoreOpenError", "TransportError", "UsageError"];

/**
 * @param port what BATON_PORT asked for
 * @param usage shown beside a mistake in the command line
 */
export function explain(error: unknown, port: string, usage: string): string {
  if (error instanceof ConfigError) return error.lines.map((line) => `baton: ${line}`).join("\n");
  if (!(error instanceof Error)) return `baton: ${String(error)}`;
  // A worker's own lines.
  if (error.name === "WorkerError") return error.message;
  const { code } = error as NodeJS.ErrnoException;
  if (code === "EADDRINUSE")
    return `baton: port ${port} is in use. Set BATON_PORT to a free one, or stop what listens there.`;
  if (code === "EACCES")
    return `baton: port ${port} may not be opened by this user. Set BATON_PORT to one above 1023.`;
  if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND")
    return `baton: BATON_HOST is not an address of this machine. Set it to 127.0.0.1 or 0.0.0.0.`;
  if (code?.startsWith("ERR_PARSE_ARGS")) return `baton: ${error.message}\n${usage}`;
  if (SAID.includes(error.name)) return `baton: ${error.message}`;
  return `baton: ${error.stack ?? error.message}`;
}
