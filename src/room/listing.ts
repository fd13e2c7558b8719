/** Sandboxes in the order of their ids, of those that a token reaches. */
import type { Sandbox } from "../../protocol/sandbox.ts";
import { reaches, type Grant } from "../core/access.ts";
import type { Store } from "../store/store.ts";

/** Sandboxes read at a time, and reads for one page, when most are not the caller's: the page is then shorter. */
const BATCH = 500;
const MAX_READS = 20;

export interface Page {
  readonly sandboxes: readonly Sandbox[];
  /** Where the next page begins. Absent: there is nothing more. */
  readonly cursor?: string;
}

export async function listReachable(
  store: Store,
  grant: Grant,
  { cursor, limit }: { readonly cursor?: string; readonly limit: number },
): Promise<Page> {
  if (grant.sandboxes.includes("*")) return store.list({ limit, ...(cursor !== undefined && { cursor }) });
  if (!grant.sandboxes.some((scope) => scope.endsWith("*"))) return pickNamed(store, grant, cursor, limit);
  const found: Sandbox[] = [];
  let last = cursor;
  for (let read = 0; read < MAX_READS; read += 1) {
    const page = await store.list({ limit: BATCH, ...(last !== undefined && { cursor: last }) });
    for (const sandbox of page.sandboxes) {
      if (!reaches(grant, sandbox.sandboxId)) continue;
      if (found.length === limit) return { sandboxes: found, cursor: found.at(-1)?.sandboxId ?? "" };
      found.push(sandbox);
    }
    last = page.cursor;
    if (last === undefined) return { sandboxes: found };
  }
  return { sandboxes: found, ...(last !== undefined && { cursor: last }) };
}

async function pickNamed(
  store: Store,
  { sandboxes }: Grant,
  cursor: string | undefined,
  limit: number,
): Promise<Page> {
  const ids = [...new Set(sandboxes)].filter((id) => id > (cursor ?? "")).sort();
  const page = ids.slice(0, limit);
  const read = await Promise.all(page.map((id) => store.read(id, null)));
  const found = read.flatMap((past) => (past?.kind === "snapshot" ? [past.snapshot] : []));
  const last = page.at(-1);
  return { sandboxes: found, ...(ids.length > page.length && last !== undefined && { cursor: last }) };
}
