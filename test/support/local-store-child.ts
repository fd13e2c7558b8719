/**
 * Started by `local-store-process.ts` with a mode and a directory. Opens the store there and says so, or why not.
 * `write`: one writer for each of some sandboxes, which it creates if they are not there; it commits and says so, again
 * and again, until a commit fails. Lines on its input: `remove` a sandbox, `health`, `write` again.
 */
import { writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { BatonError } from "../../protocol/errors.ts";
import { publicView } from "../../src/core/state.ts";
import { LocalStore } from "../../src/store/local/local-store.ts";
import { newSandbox, noise, prepare } from "../contract/store-support.ts";
import { dueAtOf, SANDBOXES } from "./local-store-load.ts";
import type { Said } from "./local-store-process.ts";

function say(said: Said): void {
  // At once: what was said before a kill is known to the other side.
  writeSync(1, `${JSON.stringify(said)}\n`);
}

async function write(store: LocalStore, sandboxId: string): Promise<void> {
  if (!(await store.load(sandboxId))) {
    const { state, events } = await newSandbox(store, sandboxId);
    await store.create(state, events, dueAtOf(state));
    say({ kind: "created", sandbox: publicView(state) });
  }
  for (;;) {
    const loaded = await store.load(sandboxId);
    if (!loaded) return;
    const key = `k${loaded.version}`;
    const commit = prepare(loaded, noise(loaded), key);
    const result = await store.commit(sandboxId, { ...commit, dueAt: dueAtOf(commit.next) });
    if (result.kind === "committed") say({ kind: "committed", sandboxId, key, seq: commit.next.seq });
  }
}

async function writeAll(store: LocalStore): Promise<void> {
  const ends = await Promise.allSettled(SANDBOXES.map((sandboxId) => write(store, sandboxId)));
  for (const end of ends) {
    if (end.status !== "rejected") continue;
    const error: unknown = end.reason;
    const { code, message } = error instanceof BatonError ? error : { code: "?", message: String(error) };
    return say({ kind: "failed", code, message, healthy: await store.healthy() });
  }
}

async function main(): Promise<void> {
  const [mode, dir = ""] = process.argv.slice(2);
  let store: LocalStore;
  try {
    // Only now: another user may not be able to read what was just loaded.
    const uid = Number(process.env["BECOME_UID"] ?? 0);
    if (uid > 0) {
      process.setgid?.(uid);
      process.setuid?.(uid);
    }
    store = await LocalStore.open({ dir });
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return say({ kind: "refused", name: error.name, message: error.message });
  }
  say({ kind: "open" });
  createInterface({ input: process.stdin }).on("line", (command) => {
    const answers: Record<string, () => Promise<void>> = {
      remove: async () => {
        const removed = store.remove(SANDBOXES[0] ?? "").catch((error: unknown) => String(error));
        say({ kind: "removed", answer: await removed });
      },
      health: async () => say({ kind: "healthy", healthy: await store.healthy() }),
      write: () => writeAll(store),
    };
    void answers[command]?.();
  });
  if (mode === "write") await writeAll(store);
}

await main();
