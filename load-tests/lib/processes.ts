/** Programs under measurement run in processes of their own, tied to this one by Node's message channel. */
import { fork, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { within, type Resources } from "./resources.ts";

/** How long a child gets to end by itself after it was told to. */
const EXIT_MS = 5_000;
const START_MS = 30_000;

export type Info = Readonly<Record<string, string>>;

export interface Service {
  /** What the parent needs to know, such as where it listens. */
  readonly info: Info;
  readonly close: () => Promise<void>;
}

/**
 * Starts `script`, a file beside this one that calls `serve`, and resolves to what it said once it was ready.
 * It ends with `resources`.
 */
export async function startProcess(resources: Resources, script: string, args: string[] = []): Promise<Info> {
  const child = fork(fileURLToPath(new URL(script, import.meta.url)), args, {
    execArgv: ["--import", import.meta.resolve("tsx")],
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  resources.onClose(() => endProcess(child));
  const ready = new Promise<Info>((resolve, reject) => {
    child.once("message", (info) => resolve(info as Info));
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      reject(
        new Error(`${script} ended with ${signal ?? `code ${code}`} before it was ready; see its output`),
      );
    });
  });
  return within(ready, `the start of ${script}`, START_MS);
}

async function endProcess(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  if (child.connected) child.disconnect();
  const timer = setTimeout(() => child.kill("SIGKILL"), EXIT_MS);
  await exited;
  clearTimeout(timer);
}

/**
 * The child's side. It ends when the parent hangs up, which the system does for a parent that was killed. Ctrl-C
 * reaches the whole terminal; it is the parent's to act on, so that a browser is not left behind.
 */
export function serve(start: (args: readonly string[]) => Promise<Service>): void {
  process.on("SIGINT", () => {});
  // The parent may have gone while this file was being loaded.
  if (!process.connected) process.exit(1);
  const started = start(process.argv.slice(2));
  process.once("disconnect", () => {
    setTimeout(() => process.exit(1), EXIT_MS).unref();
    started
      .then((service) => service.close())
      .then(
        () => process.exit(0),
        (error: unknown) => {
          console.error(error);
          process.exit(1);
        },
      );
  });
  started.then(
    // A parent that has gone meanwhile needs no answer; its hanging up is handled above.
    ({ info }) => process.send?.(info, undefined, undefined, () => {}),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
}
