// Two gateway nodes and a Redis on this machine: one gateway for whoever connects to either. Ctrl-C ends all three.
//
//   npm run start:two-nodes
//
// Redis keeps its data in .baton/two-nodes/redis; the demo runs on the first node.
import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createInterface } from "node:readline";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const DIR = join(ROOT, ".baton", "two-nodes");
const REDIS_PORT = process.env.REDIS_PORT ?? "6390";
const NODE_PORTS = (process.env.NODE_PORTS ?? "7071,7072").split(",");
/** Longest that a process gets to end by itself. */
const STOP_MS = 12_000;

const children = new Map();
let stopping = false;

/** @param {string} name @param {string} command @param {string[]} args @param {NodeJS.ProcessEnv} env */
function start(name, command, args, env = {}) {
  const child = spawn(command, args, {
    // Its own group: Ctrl-C comes here, and is passed on in an order that loses nothing.
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env },
  });
  children.set(name, child);
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on("line", (line) => say(name, line));
  child.once("error", (error) => say(name, `could not be started: ${error.message}`));
  child.once("close", (code, signal) => {
    children.delete(name);
    say(name, `ended with ${signal ?? `code ${code}`}`);
    if (!stopping) void stop(1);
  });
  return child;
}

/** @param {string} name @param {string} line */
function say(name, line) {
  process.stdout.write(`${name.padEnd(6)} | ${line}\n`);
}

/** @param {string[]} names */
async function end(names) {
  const ended = names.flatMap((name) => {
    const child = children.get(name);
    if (!child) return [];
    child.kill("SIGTERM");
    const late = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
    return [new Promise((resolve) => child.once("close", resolve)).finally(() => clearTimeout(late))];
  });
  await Promise.all(ended);
}

/** @param {number} code */
async function stop(code) {
  if (stopping) return;
  stopping = true;
  // The nodes first: they have something to say to Redis.
  await end([...children.keys()].filter((name) => name !== "redis"));
  await end(["redis"]);
  process.exit(code);
}

process.on("SIGINT", () => void stop(0));
process.on("SIGTERM", () => void stop(0));

mkdirSync(join(DIR, "redis"), { recursive: true });
const redis = [
  ["--port", REDIS_PORT],
  ["--bind", "127.0.0.1"],
  ["--dir", join(DIR, "redis")],
  // What is acknowledged is on disk: docs/scaling.md says what the other choices promise.
  ["--appendonly", "yes"],
  ["--appendfsync", "always"],
  ["--save", ""],
].flat();
start("redis", process.env.BATON_REDIS_SERVER ?? "redis-server", redis);
for (const [index, port] of NODE_PORTS.entries()) {
  start(
    `node ${index + 1}`,
    process.execPath,
    [join(ROOT, "dist/src/main.js"), ...(index === 0 ? ["--demo"] : [])],
    {
      BATON_STORE: "redis",
      BATON_REDIS_URL: `redis://127.0.0.1:${REDIS_PORT}`,
      BATON_PORT: port,
      BATON_DATA_DIR: join(DIR, `node-${index + 1}`),
    },
  );
}
