/** The store over the link, its host a process of its own. */
import { afterAll, beforeAll } from "vitest";
import { describeStoreContract, type StoreHarness } from "../../contract/store.ts";
import { BOUNDS } from "../../contract/store-bounds.ts";
import { StoreHostProcess } from "../../support/store-host-process.ts";

let host: StoreHostProcess;
beforeAll(() => {
  host = new StoreHostProcess();
});
afterAll(async () => host.kill());

for (const kind of ["memory", "local"] as const) {
  describeStoreContract(`link to ${kind} in another process`, async (): Promise<StoreHarness> => {
    await host.open(kind);
    return {
      store: await host.link(),
      peer: await host.link(),
      advance: (ms) => host.advance(ms),
      logKeeps: 60,
      logForgetsAfter: 60,
      recordsKeep: 512,
      recordsForgetAfter: 512,
      maxMarks: BOUNDS.maxMarks,
      auditKeeps: BOUNDS.auditLength,
      close: () => host.close(),
    };
  });
}
