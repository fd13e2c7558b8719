/** Programs that are not ours. Each runs under a small shell that ends it when this process ends, however it ends. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Resources } from "./resources.ts";

/** Prints the program's process id. The pipe to it closes with its parent, whatever became of that one. */
const WATCHED = `exec 3<&0
"$@" </dev/null >&2 & program=$!
echo $program
(cat <&3 >/dev/null; kill $program) 2>/dev/null &
exec 3<&-
wait $program`;

const START_MS = 10_000;
const LOOK_MS = 20;

/** An empty folder that is removed at the end. */
export function temporaryFolder(resources: Resources, name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `baton-bench-${name}-`));
  resources.onClose(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/**
 * Resolves to its process id when it takes connections at all of the ports of this machine.
 * @throws Error with what it printed when it ended before
 */
export async function startProgram(
  resources: Resources,
  command: readonly string[],
  ports: readonly number[],
): Promise<number> {
  const shell = spawn("sh", ["-c", WATCHED, "sh", ...command], { stdio: ["pipe", "pipe", "pipe"] });
  const ended = new Promise<void>((resolve) => shell.once("close", () => resolve()));
  resources.onClose(async () => {
    shell.stdin.end();
    await ended;
  });
  shell.stdin.on("error", () => {});
  let printed = "";
  shell.stderr.on("data", (bytes: Buffer) => (printed = `${printed}${bytes.toString("utf8")}`.slice(-2_000)));
  const pid = await new Promise<number>((resolve, reject) => {
    shell.once("error", reject);
    shell.stdout.once("data", (line: Buffer) => resolve(Number(line.toString("latin1"))));
  });
  const until = performance.now() + START_MS;
  for (const port of ports) {
    while (!(await listens(port))) {
      if (shell.exitCode !== null || performance.now() > until)
        throw new Error(`${command.join(" ")} does not listen on ${port}: ${printed.trim()}`);
      await delay(LOOK_MS);
    }
  }
  return pid;
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
