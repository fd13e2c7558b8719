/** Sandboxes in the order of their ids, of those that a token reaches. */
import type { Sandbox } from "../../protocol/sandbox.ts";
import type { Grant } from "../core/access.ts";
import type { Store } from "../store/store.ts";

/** Scopes looked at for one page. Those of more have sandboxes on the next ones; the page is then shorter. */
const MAX_READS = 100;
/** Ids read at a time, of a token that names each. */
const MAX_NAMED = 500;

/** After every character that an id may have. */
const END = "~";

export interface Page {
  readonly sandboxes: readonly Sandbox[];
  /** Where the next page begins. Absent: there is nothing more. */
  readonly cursor?: string;
}

/**
 * Reads what the token reaches and nothing beside it: neither the time that it takes nor the cursor tells of what others
 * have.
 */
export async function listReachable(
  store: Store,
  { sandboxes: scopes }: Grant,
  { cursor, limit }: { readonly cursor?: string; readonly limit: number },
): Promise<Page> {
  if (scopes.includes("*")) return store.list({ limit, ...(cursor !== undefined && { cursor }) });
  const found: Sandbox[] = [];
  let last = cursor ?? "";
  let reads = 0;
  for (const part of partsOf(scopes)) {
    if (part.end <= last) continue;
    if (found.length === limit || reads === MAX_READS) return { sandboxes: found, cursor: last };
    reads += 1;
    const room = limit - found.length;
    if ("ids" in part) {
      const ids = part.ids.filter((id) => id > last).slice(0, room);
      const read = await Promise.all(ids.map((id) => store.read(id, null)));
      found.push(...read.flatMap((past) => (past?.kind === "snapshot" ? [past.snapshot] : [])));
      last = ids.at(-1) ?? last;
      if (last < part.end) return { sandboxes: found, cursor: last };
      continue;
    }
    const page = await store.list({ cursor: last > part.before ? last : part.before, limit: room });
    const own = page.sandboxes.filter(({ sandboxId }) => sandboxId.startsWith(part.prefix));
    found.push(...own);
    const more = page.cursor?.startsWith(part.prefix) === true;
    last = more ? (page.cursor ?? last) : part.end;
    if (more) return { sandboxes: found, cursor: last };
  }
  return { sandboxes: found };
}

/** Ids that are named, or all that begin alike. No id of a later part comes before `end`. */
type Part =
  | { readonly end: string; readonly ids: readonly string[] }
  | { readonly end: string; readonly prefix: string; readonly before: string };

/** What the scopes hold, in the order of ids, nothing twice. */
function partsOf(scopes: readonly string[]): Part[] {
  const parts: Part[] = [];
  let named: string[] = [];
  const endNamed = (): void => {
    const end = named.at(-1);
    if (end !== undefined) parts.push({ end, ids: named });
    named = [];
  };
  const prefixes = scopes.filter((scope) => scope.endsWith("*")).map((scope) => scope.slice(0, -1));
  const isWithin = (id: string, prefix: string): boolean => id.startsWith(prefix) && id !== prefix;
  const widest = prefixes.filter((prefix) => !prefixes.some((other) => isWithin(prefix, other)));
  const outside = scopes.filter(
    (scope) => !scope.endsWith("*") && !widest.some((prefix) => scope.startsWith(prefix)),
  );
  const wide = new Set(widest);
  for (const from of [...new Set([...widest, ...outside])].sort()) {
    if (wide.has(from)) {
      endNamed();
      // What an id can be is in ASCII, and one of 64 characters is the only one that begins so.
      parts.push({ prefix: from, before: before(from), end: `${from}${END}`.slice(0, 64) });
    } else {
      if (named.length === MAX_NAMED) endNamed();
      named.push(from);
    }
  }
  endNamed();
  return parts;
}

/** Before `text`, and after every id that comes before it. */
function before(text: string): string {
  const last = text.charCodeAt(text.length - 1);
  return `${text.slice(0, -1)}${String.fromCharCode(last - 1)}${END}`;
}
