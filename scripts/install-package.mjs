// Installs one of Debian's packages, where this user can. Shared by the scripts that run before anything is installed.
import { spawnSync } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join } from "node:path";

/** @param {string} path */
export function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/**
 * Where programs of this name would be, in the order of PATH.
 * @param {string} name
 * @param {NodeJS.ProcessEnv} env
 */
export function onPath(name, env) {
  const directories = (env.PATH ?? "").split(delimiter).filter((directory) => directory !== "");
  return directories.map((directory) => join(directory, name));
}

/**
 * The command that installs packages, without its own arguments, or undefined when this user can't.
 * @returns {string[] | undefined}
 */
export function aptGet() {
  if (process.platform !== "linux" || !succeeds("apt-get", ["--version"])) return undefined;
  if (process.getuid?.() === 0) return ["apt-get"];
  return succeeds("sudo", ["-n", "true"]) ? ["sudo", "-n", "apt-get"] : undefined;
}

/**
 * Answers whether it was installed. Its progress goes to stderr: whoever reads this program's stdout gets none of it.
 * @param {string[]} apt
 * @param {string} name
 * @param {Record<string, string>} [variables] for apt-get's environment
 */
export function installPackage(apt, name, variables = {}) {
  const [command = "", ...first] = apt;
  const settings = { DEBIAN_FRONTEND: "noninteractive", ...variables };
  // sudo clears the environment; what it is given by name it keeps.
  const named = Object.entries(settings).map(([key, value]) => `${key}=${value}`);
  const before = command === "sudo" ? [...first.slice(0, -1), ...named, ...first.slice(-1)] : first;
  const run = (...args) =>
    spawnSync(command, [...before, ...args], {
      stdio: ["ignore", process.stderr, process.stderr],
      env: { ...process.env, ...settings },
    }).status === 0;
  return run("update") && run("install", "-y", "--no-install-recommends", name);
}

/** @param {string} command @param {string[]} args */
function succeeds(command, args) {
  return spawnSync(command, args, { stdio: "ignore" }).status === 0;
}
