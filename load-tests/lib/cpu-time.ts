/** Processor time and memory of any processes of this machine, as Linux counts them. */
import { existsSync, readdirSync, readFileSync } from "node:fs";

/** Where the scheduler tells nanoseconds; elsewhere there are hundredths of a second. */
const HAS_NANOSECONDS = existsSync("/proc/self/schedstat");
const TICK_MICROS = 10_000;
/** Of what follows the name, which is in brackets and may itself have any characters. */
const [USER, SYSTEM] = [11, 12];

/** Microseconds since their start of all their threads, in the kernel and outside. */
export function cpuMicrosOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + (HAS_NANOSECONDS ? scheduled(pid) : ticks(pid)), 0);
}

/** A thread that has ended takes its time with it: servers keep theirs. */
function scheduled(pid: number): number {
  let nanoseconds = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    nanoseconds += Number.parseInt(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "latin1"), 10);
  }
  return nanoseconds / 1_000;
}

function ticks(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[USER]) + Number(fields[SYSTEM])) * TICK_MICROS;
}

/** Bytes that they occupy (RSS). */
export function rssOf(pids: readonly number[]): number {
  let kilobytes = 0;
  for (const pid of pids) {
    const status = readFileSync(`/proc/${pid}/status`, "latin1");
    kilobytes += Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN);
  }
  return kilobytes * 1024;
}

/** A process and all that it started. */
export function treeOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").trim();
  return [pid, ...(children === "" ? [] : children.split(" ").map(Number)).flatMap(treeOf)];
}
