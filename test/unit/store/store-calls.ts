/** Every call of a store. */
import type { Store } from "../../../src/store/store.ts";
import { createSandbox, watch, watchLobby } from "../../contract/store-support.ts";

const HOUR_MS = 3_600_000;
export const AUDIT_LINE = { seq: 1, hash: "a hash", text: "{}" };

/** Each of the store's calls, with nothing but its time measured. */
export function calls(store: Store): Record<string, () => Promise<unknown>> {
  const members = [{ connectionId: "c", name: "ann", role: "viewer", watching: true } as const];
  return {
    now: async () => store.now(),
    load: async () => store.load("box"),
    confirm: async () => store.confirm("box"),
    create: async () => createSandbox(store, "new"),
    remove: async () => store.remove("other"),
    read: async () => store.read("box", null),
    list: async () => store.list({ limit: 10 }),
    due: async () => store.due(10),
    subscribe: async () => watch(store, "fresh"),
    subscribeLobby: async () => watchLobby(store),
    announce: async () => store.announce("box", { nodeId: "n1", members }),
    roster: async () => store.roster("box"),
    beat: async () => store.beat("n1", 1_000),
    leave: async () => store.leave("n1"),
    mark: async () => store.mark("id", "value", HOUR_MS + Date.now()),
    marksSince: async () => store.marksSince(0),
    appendAudit: async () => store.appendAudit({ seq: 0, hash: "" }, [AUDIT_LINE]),
    readAudit: async () => store.readAudit(0, 10),
    auditHead: async () => store.auditHead(),
  };
}
