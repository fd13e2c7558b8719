// Makes sure that there is a redis-server for the tests and for trying several nodes: finds one, or installs Debian's.
// Run as a program it prints nothing when all is well, and one line that says what to do when it is not (exit code 1).
import { spawnSync } from "node:child_process";
import { pathToFileURL } from "node:url";
import { aptGet, installPackage, isExecutable, onPath } from "./install-package.mjs";

const OLDEST_MAJOR = 7;

/**
 * Major version of the Redis server at a path, or undefined when it is none.
 * @param {string} path
 */
function majorOf(path) {
  const { status, stdout } = spawnSync(path, ["--version"], { encoding: "utf8", timeout: 10_000 });
  const version = status === 0 ? /\bv=(\d+)\./.exec(stdout)?.[1] : undefined;
  return version === undefined ? undefined : Number(version);
}

/**
 * Path of the first redis-server on PATH, or undefined.
 * @param {NodeJS.ProcessEnv} env
 */
export function find(env) {
  return onPath("redis-server", env).find(isExecutable);
}

/**
 * Undefined when the server will do, else what is wrong with it.
 * @param {string} path
 */
function fault(path) {
  if (!isExecutable(path)) return "which is not an executable file";
  const major = majorOf(path);
  if (major === undefined) return "which does not say its version as a Redis server does";
  return major < OLDEST_MAJOR ? `which is version ${major}` : undefined;
}

/**
 * Undefined when there is a Redis server, else the line that says what to do.
 * @param {NodeJS.ProcessEnv} env
 * @returns {string | undefined}
 */
export function ensure(env) {
  const wanted = `Redis ${OLDEST_MAJOR}.0 or later`;
  const named = env.BATON_REDIS_SERVER;
  if (named) {
    const problem = fault(named);
    return (
      problem &&
      `BATON_REDIS_SERVER is ${named}, ${problem}; set it to the redis-server of ${wanted}, or unset it.`
    );
  }
  let apt;
  if (!find(env)) {
    apt = aptGet();
    if (apt) {
      process.stderr.write("No redis-server was found; installing Debian's package redis-server.\n");
      // In this run level the package does not start a service: the tests start servers of their own.
      installPackage(apt, "redis-server", { RUNLEVEL: "1" });
    }
  }
  const found = find(env);
  const advice = `install ${wanted} (Debian: apt-get install redis-server), or set BATON_REDIS_SERVER to its path`;
  if (!found)
    return `${apt ? "Installing redis-server failed (see above)" : "No redis-server was found"}; ${advice}.`;
  const problem = fault(found);
  return problem && `The redis-server on PATH is ${found}, ${problem}; ${advice}.`;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const problem = ensure(process.env);
  if (problem !== undefined) {
    process.stderr.write(`${problem}\n`);
    process.exitCode = 1;
  }
}
