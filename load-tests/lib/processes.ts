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
  /** What the parent may ask for meanwhile. Both go as JSON. */
  readonly answer?: (question: unknown) => Promise<unknown>;
  readonly close: () => Promise<void>;
}

export interface Worker {
  readonly info: Info;
  readonly pid: number;
  /** Resolves to what the process's `answer` made of it; rejects when that failed or the process ended. */
  readonly ask: <T>(question: unknown) => Promise<T>;
}

interface Question {
  readonly number: number;
  readonly question: unknown;
}

interface Answer {
  readonly number: number;
  readonly value?: unknown;
  readonly failure?: string;
}

/**
 * Starts `script`, a file beside this one that calls `serve`, and resolves to what it said once it was ready.
 * It ends with `resources`.
 */
export async function startProcess(resources: Resources, script: string, args: string[] = []): Promise<Info> {
  return (await startWorker(resources, script, args)).info;
}

/**
 * The same for a process that can be asked.
 * @param before command in front of Node's, which becomes it: `taskset -c 0`
 */
export async function startWorker(
  resources: Resources,
  script: string,
  args: string[] = [],
  before: readonly string[] = [],
): Promise<Worker> {
  // What comes before becomes the program that was asked for: it is the same process, with the same channel.
  const [execPath = process.execPath, ...first] = before;
  const child = fork(fileURLToPath(new URL(script, import.meta.url)), args, {
    execPath,
    execArgv: [
      ...first,
      ...(before.length > 0 ? [process.execPath] : []),
      "--import",
      import.meta.resolve("tsx"),
    ],
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
  const info = await within(ready, `the start of ${script}`, START_MS);
  const pending = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  child.on("message", (message) => {
    const { number, value, failure } = message as Answer;
    const asked = pending.get(number);
    pending.delete(number);
    if (failure === undefined) asked?.resolve(value);
    else asked?.reject(new Error(`${script}: ${failure}`));
  });
  child.once("exit", () => {
    for (const { reject } of pending.values()) reject(new Error(`${script} ended before it answered`));
    pending.clear();
  });
  let asked = 0;
  const ask = <T>(question: unknown): Promise<T> => {
    asked += 1;
    const number = asked;
    const answer = new Promise<unknown>((resolve, reject) => pending.set(number, { resolve, reject }));
    child.send({ number, question } satisfies Question);
    return within(answer, `the answer of ${script}`, START_MS) as Promise<T>;
  };
  return { info, pid: child.pid ?? 0, ask };
}

async function endProcess(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  if (child.connected) child.disconnect();
  const timer = setTimeout(() => child.kill("SIGKILL"), EXIT_MS);
  await exited;
  clearTimeout(timer);
}

/** A parent that has gone meanwhile needs no answer: `serve` ends this process for it. */
function tell(message: Info | Answer): void {
  process.send?.(message, undefined, undefined, () => {});
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
    ({ info, answer }) => {
      process.on("message", (message) => {
        const { number, question } = message as Question;
        const failed = (error: unknown): Answer => ({ number, failure: String(error) });
        Promise.resolve(answer?.(question))
          .then((value): Answer => ({ number, value }), failed)
          .then(tell, () => {});
      });
      tell(info);
    },
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
}
