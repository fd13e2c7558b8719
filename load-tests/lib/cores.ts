/** Which core a process may use: servers have one to themselves, everything that makes load shares the other. */
import { spawnSync } from "node:child_process";
import { availableParallelism } from "node:os";

export type Place = "server" | "load";

const CORES: Readonly<Record<Place, string>> = { server: "0", load: "1" };

/** What taskset makes possible; without it, or with one core, processes run where the system puts them. */
export const canPin =
  availableParallelism() >= 2 && spawnSync("taskset", ["--version"], { stdio: "ignore" }).status === 0;

/** In front of a command line. */
export function pinned(place: Place): string[] {
  return canPin ? ["taskset", "-c", CORES[place]] : [];
}

/** Pins all threads of a process that runs already. */
export function pin(pid: number, place: Place): void {
  if (canPin) spawnSync("taskset", ["-a", "-p", "-c", CORES[place], String(pid)], { stdio: "ignore" });
}
