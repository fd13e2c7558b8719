/** Loads the optional package `uWebSockets.js`, which is published on GitHub and never installed by itself. */
import type { TransportFactory } from "./transport.ts";
import { UwsTransport, type Uws, type UwsOptions } from "./uws.ts";

/** Why there is no such transport here, in one line for the operator. */
export class TransportError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "TransportError";
  }
}

const ADVICE = "Install it as docs/transports.md says, or start with BATON_TRANSPORT=ws.";

/**
 * Resolves to what makes transports on uWebSockets.js. Rejects with a `TransportError` when the package is not installed,
 * has no binary for this system, or is too old or too new for what is asked of it.
 *
 * @param load imports the package
 */
export async function loadUws(
  options: UwsOptions = {},
  load: () => Promise<unknown> = () => import("uWebSockets.js"),
): Promise<TransportFactory> {
  let loaded: unknown;
  try {
    loaded = await load();
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split("\n", 1)[0] ?? "") : String(error);
    throw new TransportError(`uWebSockets.js cannot be loaded: ${reason} ${ADVICE}`, { cause: error });
  }
  const uws = ((loaded as { default?: unknown }).default ?? loaded) as Partial<Uws>;
  if (typeof uws.App !== "function" || typeof uws.us_socket_local_port !== "function") {
    throw new TransportError(`The package found as uWebSockets.js is another one. ${ADVICE}`);
  }
  const missing = missingIn(uws as Uws);
  if (missing) throw new TransportError(`This uWebSockets.js has no ${missing}. ${ADVICE}`);
  return (transport) => new UwsTransport(uws as Uws, transport, options);
}

/** What this version lacks, of what only newer ones have. */
function missingIn(uws: Uws): string | undefined {
  const app = uws.App();
  if (typeof app.filter !== "function") return "App.filter";
  return typeof app.close === "function" ? undefined : "App.close";
}
