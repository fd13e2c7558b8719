/** Listening with uWebSockets.js, which says that it failed but not why. */
import { createServer, type AddressInfo } from "node:net";
import type { TemplatedApp, us_listen_socket } from "uWebSockets.js";
import type { Uws } from "./uws.ts";

/** uSockets' listen options; the package's types have them as an enum, which is not there at run time. */
const SHARED_PORT = 0;
const EXCLUSIVE_PORT = 1;

/**
 * Without `sharePort` a second listener on the port fails; with it the system spreads connections over all listeners
 * that share it. Rejects with an error whose `code` says why.
 */
export async function listen(
  app: TemplatedApp,
  uws: Uws,
  host: string,
  port: number,
  sharePort: boolean,
): Promise<{ token: us_listen_socket; port: number }> {
  // uSockets shares no port that the system has chosen.
  const wanted = sharePort && port === 0 ? await freePort(host) : port;
  const token = tryListen(app, host, wanted, sharePort);
  if (token) return { token, port: uws.us_socket_local_port(token) };
  throw await whyNot(host, wanted);
}

function tryListen(
  app: TemplatedApp,
  host: string,
  port: number,
  sharePort: boolean,
): us_listen_socket | false {
  let token: us_listen_socket | false = false;
  // The types know options without a host only; the addon takes both.
  const listenOn = app.listen.bind(app) as unknown as (
    host: string,
    port: number,
    options: number,
    listening: (token: us_listen_socket | false) => void,
  ) => void;
  listenOn(host, port, sharePort ? SHARED_PORT : EXCLUSIVE_PORT, (result) => {
    token = result;
  });
  return token;
}

/** Rejects as listening on it would. */
function freePort(host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen({ host, port: 0, exclusive: true }, () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

/** Node fails on the same address in the same way, and says how. */
async function whyNot(host: string, port: number): Promise<Error> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", resolve);
    server.listen({ host, port, exclusive: true }, () => {
      // Free for Node: whoever had it has just gone, or holds it in a way that only the other kind of listener minds.
      const error = new Error(`listen EADDRINUSE: address already in use ${host}:${port}. Use another port.`);
      server.close(() => resolve(Object.assign(error, { code: "EADDRINUSE" })));
    });
  });
}
