/**
 * Who uses a kept profile. Chromium itself sees to it that no two processes of one machine do: a symbolic link in the
 * profile names its host and process. An orderly end removes the link, so one that is left tells of a crash.
 */
import { execFile } from "node:child_process";
import { readFile, readlink, rm } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { BrowserError } from "./browser.ts";
import { answersAt } from "./endpoint.ts";
import { BEAT_MS, KeptRecord } from "./kept-record.ts";

const LOOK_MS = 25;
/** A browser whose gateway was killed ends by itself, within a moment. One that goes on after this is in use. */
const ENDING_MS = 1_000;
/** How long one that is in use may take to answer before it counts as hung, and how long a killed one to end. */
const ANSWER_MS = 3_000;
/** Two beats of the owner and a half. */
const ELSEWHERE_MS = 2.5 * BEAT_MS;

type Holder =
  /** `orderly`: the last browser saved everything before it ended. */
  | { readonly kind: "nobody"; readonly orderly: boolean }
  | { readonly kind: "process"; readonly pid: number }
  | { readonly kind: "elsewhere"; readonly host: string };

/** `free`: nobody uses it, and `orderly` as above. `used`: a browser runs on it, of another gateway of this machine. */
export type ProfileState =
  { readonly kind: "free"; readonly orderly: boolean } | { readonly kind: "used"; readonly endpoint: string };

export interface PatienceOptions {
  /** How long a profile that another host seems to use is watched for signs of life. */
  readonly elsewhereMs?: number;
  /** How long a browser that runs on the profile may take to answer. */
  readonly answerMs?: number;
}

/**
 * Waits for a browser that is ending, ends one that hangs, and clears what a crash of another host left behind.
 * @throws BrowserError `browser_unavailable` when another host uses the profile, or what hangs cannot be ended
 */
export async function profileState(
  profile: string,
  signal: AbortSignal,
  { elsewhereMs = ELSEWHERE_MS, answerMs = ANSWER_MS }: PatienceOptions = {},
): Promise<ProfileState> {
  let holder = await holderOf(profile);
  if (holder.kind === "elsewhere") {
    await leaveToOtherHost(profile, holder.host, elsewhereMs, signal);
    return { kind: "free", orderly: false };
  }
  if (holder.kind === "nobody") return { kind: "free", orderly: holder.orderly };
  const { pid } = holder;
  if (!(await ends(pid, profile, ENDING_MS, signal))) {
    const endpoint = await ownEndpoint(profile);
    const asked = AbortSignal.any([signal, AbortSignal.timeout(answerMs)]);
    if (endpoint !== undefined && (await answersAt(endpoint, asked))) return { kind: "used", endpoint };
    signal.throwIfAborted();
    endProcess(pid);
    if (!(await ends(pid, profile, ANSWER_MS, signal))) {
      throw new BrowserError(
        "browser_unavailable",
        `The browser's profile is held by process ${pid}, which neither answers nor ends. End it by hand.`,
      );
    }
  }
  holder = await holderOf(profile);
  return { kind: "free", orderly: holder.kind === "nobody" && holder.orderly };
}

async function holderOf(profile: string): Promise<Holder> {
  let target: string;
  try {
    target = await readlink(join(profile, "SingletonLock"));
  } catch (error) {
    return { kind: "nobody", orderly: (error as NodeJS.ErrnoException).code === "ENOENT" };
  }
  const [, host, digits] = /^(.*)-(\d+)$/.exec(target) ?? [];
  if (host === undefined) return { kind: "nobody", orderly: false };
  if (host !== hostname()) return { kind: "elsewhere", host };
  const pid = Number(digits);
  // The number alone proves nothing: after a restart of the machine, or the container, it may be anybody's.
  return (await runsOn(pid, profile)) ? { kind: "process", pid } : { kind: "nobody", orderly: false };
}

/** False for a zombie, too: it has no command line any more. */
async function runsOn(pid: number, profile: string): Promise<boolean> {
  let command: string;
  try {
    if (process.platform === "linux") command = await readFile(`/proc/${pid}/cmdline`, "utf8");
    else
      ({ stdout: command } = await promisify(execFile)("ps", ["-ww", "-o", "command=", "-p", String(pid)]));
  } catch {
    return false;
  }
  const flag = `--user-data-dir=${profile}`;
  return command.split("\0").includes(flag) || `${command.trim()} `.includes(`${flag} `);
}

async function ends(pid: number, profile: string, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
  const until = performance.now() + timeoutMs;
  while (await runsOn(pid, profile)) {
    if (performance.now() > until) return false;
    await pauseUnless(signal, LOOK_MS);
  }
  return true;
}

/** Rejects with the signal's own reason. */
async function pauseUnless(signal: AbortSignal, ms: number): Promise<void> {
  await pause(ms, undefined, { signal }).catch(() => {});
  signal.throwIfAborted();
}

/** Its helpers with it: it leads a process group of its own. */
function endProcess(pid: number): void {
  for (const target of [-pid, pid]) {
    try {
      process.kill(target, "SIGKILL");
    } catch {
      // It ended meanwhile, or leads no group.
    }
  }
}

/**
 * A container that is made anew has a new name, so that its own link looks like another host's. A living owner
 * touches its record all the time; where nobody does, nobody lives.
 */
async function leaveToOtherHost(
  profile: string,
  host: string,
  waitMs: number,
  signal: AbortSignal,
): Promise<void> {
  const record = new KeptRecord(profile);
  const before = await record.beatAt();
  await pauseUnless(signal, waitMs);
  if ((await record.beatAt()) !== before) {
    throw new BrowserError(
      "browser_unavailable",
      `This browser runs on ${host}, which shares the data directory. Connect through that gateway, or stop it there.`,
    );
  }
  for (const name of ["SingletonLock", "SingletonSocket", "SingletonCookie"]) {
    await rm(join(profile, name), { force: true });
  }
}

/** Chromium writes its port and path there when it listens. What a dead one left is found out by asking. */
async function ownEndpoint(profile: string): Promise<string | undefined> {
  const text = await readFile(join(profile, "DevToolsActivePort"), "utf8").catch(() => "");
  const [, port, path] = /^(\d{1,5})\n(\/devtools\/browser\/\S+)/.exec(text) ?? [];
  return port === undefined ? undefined : `ws://127.0.0.1:${port}${path}`;
}
