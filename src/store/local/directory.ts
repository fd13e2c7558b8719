/**
 * The data directory: made, checked, and held by one process at a time.
 *
 * A process holds the directory by listening on a Unix socket of its own in there. The system ends the listening with
 * the process, however it ends, and not before: a killed owner blocks nobody, a stopped one still owns, and numbers
 * of processes, which are used again, decide nothing. Whoever opens the directory listens first and looks for others
 * then. So of two at the same time at least one sees the other; at worst both step back, never do both go on.
 */
import { randomBytes } from "node:crypto";
import { closeSync, mkdirSync, openSync, readdirSync, rmSync, statSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { join, resolve } from "node:path";
import { pid } from "node:process";
import { codeOf, messageOf, StoreOpenError } from "./errors.ts";

const OWNER = /^owner-(\d+)-[0-9a-f]+\.sock$/;
/** A socket's path has room for 103 (macOS) or 107 (Linux) bytes. */
const MAX_SOCKET_PATH_BYTES = 103;
/** A stopped owner's queue of connections is full after some attempts; it is an owner all the same. */
const CONNECT_MS = 2_000;

export interface OwnedDirectory {
  /** Absolute. */
  readonly path: string;
  /** Lets another process have it. */
  release(): Promise<void>;
}

/** @throws StoreOpenError when the directory cannot be made or written, or another process has it */
export async function openDirectory(dir: string): Promise<OwnedDirectory> {
  const path = resolve(dir);
  makeDirectory(path);
  const own = `owner-${pid}-${randomBytes(4).toString("hex")}.sock`;
  const sockets = socketPaths(path);
  const server = await listen(sockets.of(own), path);
  const release = async (): Promise<void> => {
    await new Promise((done) => server.close(done));
    rmSync(join(path, own), { force: true });
    sockets.close();
  };
  try {
    for (const name of readdirSync(path)) {
      const owner = OWNER.exec(name);
      if (!owner || name === own) continue;
      if (await isAlive(sockets.of(name))) throw inUse(path, Number(owner[1]));
      rmSync(join(path, name), { force: true });
    }
  } catch (error) {
    await release();
    throw error instanceof StoreOpenError ? error : unusable(path, error);
  }
  return { path, release };
}

function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw unusable(path, error);
  }
  if (!statSync(path).isDirectory()) throw unusable(path, undefined, "ENOTDIR");
}

/** Paths that fit into a socket's address, also when the directory's own is too long for that. */
function socketPaths(path: string): { of(name: string): string; close(): void } {
  const longest = join(path, `owner-${"9".repeat(10)}-${"f".repeat(8)}.sock`);
  if (Buffer.byteLength(longest) <= MAX_SOCKET_PATH_BYTES) {
    return { of: (name) => join(path, name), close: () => {} };
  }
  try {
    statSync("/proc/self/fd");
  } catch {
    throw new StoreOpenError(
      `The path of the data directory ${path} is too long for this system. Set BATON_DATA_DIR to a shorter one.`,
    );
  }
  const handle = openSync(path, "r");
  return { of: (name) => `/proc/self/fd/${handle}/${name}`, close: () => closeSync(handle) };
}

function listen(socket: string, path: string): Promise<Server> {
  return new Promise((done, fail) => {
    const server = createServer((peer) => peer.destroy());
    server.once("error", (error) => fail(unusable(path, error)));
    server.listen(socket, () => done(server.unref()));
  });
}

function isAlive(socket: string): Promise<boolean> {
  return new Promise((done) => {
    const peer = connect(socket);
    const settle = (alive: boolean): void => {
      clearTimeout(timer);
      peer.destroy();
      done(alive);
    };
    const timer = setTimeout(() => settle(true), CONNECT_MS);
    peer.once("connect", () => settle(true));
    // Everything else that goes wrong (no permission, a full queue) says that somebody may be there.
    peer.once("error", (error) => settle(!["ECONNREFUSED", "ENOENT"].includes(codeOf(error) ?? "")));
  });
}

function inUse(path: string, owner: number): StoreOpenError {
  return new StoreOpenError(
    `The data directory ${path} is in use by ${owner === pid ? "this process" : `process ${owner}`}. ` +
      "Stop that one, or set BATON_DATA_DIR to another directory; " +
      "several gateways share their data through Redis (BATON_STORE=redis).",
  );
}

function unusable(path: string, error: unknown, code = codeOf(error)): StoreOpenError {
  const told: Readonly<Record<string, string>> = {
    EACCES: "this user has no permission for it. Give it to the user that runs Baton (chown)",
    EPERM: "this user has no permission for it. Give it to the user that runs Baton (chown)",
    EROFS: "it is on a read-only file system. Mount it writable",
    ENOTDIR: "a part of the path is not a directory. Move that file away",
    EEXIST: "it is not a directory. Move that file away",
    ENOSPC: "the disk is full. Free some space",
    EDQUOT: "the user's disk quota is used up. Free some space",
  };
  const why =
    (code === undefined ? undefined : told[code]) ??
    `its file system does not take what Baton needs (${messageOf(error)}). Use a local disk`;
  return new StoreOpenError(
    `The data directory ${path} cannot be used: ${why}, or set BATON_DATA_DIR to another directory.`,
    { cause: error },
  );
}
