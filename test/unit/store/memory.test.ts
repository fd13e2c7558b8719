import { MemoryStore } from "../../../src/store/memory.ts";
import { describeStoreContract } from "../../contract/store.ts";
import { BOUNDS } from "../../contract/store-bounds.ts";

describeStoreContract("memory", async () => {
  let now = 1_700_000_000_000;
  const store = new MemoryStore({ now: () => now, logLength: 60, ...BOUNDS });
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
    close: async () => store.close(),
  };
});
