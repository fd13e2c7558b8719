import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LocalStore } from "../../../src/store/local/local-store.ts";
import { describeStoreContract } from "../../contract/store.ts";
import { BOUNDS } from "../../contract/store-bounds.ts";

describeStoreContract("local", async () => {
  const dir = mkdtempSync(join(tmpdir(), "baton-store-"));
  let now = 1_700_000_000_000;
  const store = await LocalStore.open({ dir, now: () => now, logLength: 60, ...BOUNDS });
  return {
    store,
    peer: store,
    advance: (ms) => {
      now += ms;
    },
    logKeeps: 60,
    logForgetsAfter: 60,
    recordsKeep: 512,
    recordsForgetAfter: 512,
    maxMarks: BOUNDS.maxMarks,
    auditKeeps: BOUNDS.auditLength,
    close: async () => {
      await store.close();
      rmSync(dir, { recursive: true });
    },
  };
});
