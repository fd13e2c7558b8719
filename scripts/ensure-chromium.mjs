// Makes sure that there is a Chromium before the gateway or its tests start: finds one, or installs Debian's.
// Run as a program it prints nothing when all is well, and one line that says what to do when it is not (exit code 1).
import { pathToFileURL } from "node:url";
import { aptGet, installPackage, isExecutable, onPath } from "./install-package.mjs";

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
  const named = NAMES.flatMap((name) => onPath(name + suffix, env));
  return [...named, ...(USUAL[platform] ?? [])].find(isExecutable);
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
  if (apt) {
    process.stderr.write(
      "No Chromium was found; installing Debian's package chromium, which takes a minute or two.\n",
    );
    if (installPackage(apt, "chromium") && find(env)) return undefined;
  }
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
