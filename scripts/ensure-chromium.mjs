// Makes sure that there is a Chromium before the gateway or its tests start: finds one, or installs Debian's.
// Run as a program it prints nothing when all is well, and one line that says what to do when it is not (exit code 1).
import { spawnSync } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { pathToFileURL } from "node:url";

// src/browser/find-chromium.ts searches the same; this script runs before anything is installed or built.
const NAMES = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome"];
const USUAL = {
  linux: [
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome-stable",
    "/usr/bin/google-chrome",
    "/opt/google/chrome/chrome",
    "/usr/lib/chromium/chromium",
    "/snap/bin/chromium",
  ],
  darwin: [
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/opt/homebrew/bin/chromium",
  ],
  win32: [
    "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
    "C:\\Program Files (x86)\\Google\\Chrome\\Application\\chrome.exe",
    "C:\\Program Files\\Chromium\\Application\\chrome.exe",
  ],
};

/**
 * Path of a Chromium, or undefined.
 * @param {NodeJS.ProcessEnv} env
 * @param {NodeJS.Platform} [platform]
 * @returns {string | undefined}
 */
export function find(env, platform = process.platform) {
  const suffix = platform === "win32" ? ".exe" : "";
  const directories = (env.PATH ?? "").split(delimiter).filter((directory) => directory !== "");
  const onPath = NAMES.flatMap((name) => directories.map((directory) => join(directory, name + suffix)));
  return [...onPath, ...(USUAL[platform] ?? [])].find(isExecutable);
}

/** @param {string} path */
function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/**
 * The command that installs packages, without its own arguments, or undefined when this user can't.
 * @returns {string[] | undefined}
 */
function aptGet() {
  if (process.platform !== "linux" || !succeeds("apt-get", ["--version"])) return undefined;
  if (process.getuid?.() === 0) return ["apt-get"];
  return succeeds("sudo", ["-n", "true"]) ? ["sudo", "-n", "apt-get"] : undefined;
}

/** @param {string} command @param {string[]} args */
function succeeds(command, args) {
  return spawnSync(command, args, { stdio: "ignore" }).status === 0;
}

/** @param {string[]} apt */
function install(apt) {
  process.stderr.write(
    "No Chromium was found; installing Debian's package chromium, which takes a minute or two.\n",
  );
  const [command = "", ...first] = apt;
  // Its progress goes to stderr: whoever reads this program's stdout gets none of it.
  const run = (...args) =>
    spawnSync(command, [...first, ...args], {
      stdio: ["ignore", process.stderr, process.stderr],
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    }).status === 0;
  return run("update") && run("install", "-y", "--no-install-recommends", "chromium");
}

/**
 * Undefined when there is a Chromium, else the line that says what to do.
 * @param {NodeJS.ProcessEnv} env
 * @returns {string | undefined}
 */
export function ensure(env) {
  const named = env.BATON_CHROMIUM;
  if (named) {
    if (isExecutable(named)) return undefined;
    return `BATON_CHROMIUM is ${named}, which is not an executable file; set it to the path of Chromium or Chrome, or unset it.`;
  }
  if (find(env)) return undefined;
  const apt = aptGet();
  if (apt && install(apt) && find(env)) return undefined;
  const tried = apt ? "Installing Chromium failed (see above)" : "No Chromium was found";
  return `${tried}; install Chromium or Chrome (Debian: apt-get install chromium), or set BATON_CHROMIUM to its path.`;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const problem = ensure(process.env);
  if (problem !== undefined) {
    process.stderr.write(`${problem}\n`);
    process.exitCode = 1;
  }
}
