import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { BrowserError } from "./browser.ts";

const NAMES = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome"];

/** Where the platform's packages put it, for services that run with a short PATH or none. */
const USUAL: Partial<Record<NodeJS.Platform, readonly string[]>> = {
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

export interface FindOptions {
  /** Taken if it is given; a wrong one is an error, not a reason to search. */
  readonly executablePath?: string;
  /** Value of `PATH`. */
  readonly searchPath?: string;
  readonly platform?: NodeJS.Platform;
}

/** Path of a Chromium. Rejects with `BrowserError` `browser_missing`, which says what to install or to set. */
export async function findChromium(options: FindOptions = {}): Promise<string> {
  const { executablePath, searchPath = "", platform = process.platform } = options;
  if (executablePath !== undefined) {
    if (await isExecutable(executablePath)) return executablePath;
    throw new BrowserError(
      "browser_missing",
      `${executablePath} is not an executable file; set BATON_CHROMIUM to the path of Chromium or Chrome, or unset it`,
    );
  }
  const suffix = platform === "win32" ? ".exe" : "";
  const onPath = NAMES.flatMap((name) =>
    searchPath
      .split(delimiter)
      .filter((directory) => directory !== "")
      .map((directory) => join(directory, name + suffix)),
  );
  for (const path of [...onPath, ...(USUAL[platform] ?? [])]) {
    if (await isExecutable(path)) return path;
  }
  throw new BrowserError(
    "browser_missing",
    "No Chromium was found; install one (Debian: apt-get install chromium) or set BATON_CHROMIUM to its path",
  );
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
