export type Route =
  | { readonly page: "home" }
  | { readonly page: "viewer"; readonly sandboxId: string; readonly embedded: boolean }
  | { readonly page: "unknown" };

/** Pure: the page that a path and query show. */
export function parseRoute(path: string): Route {
  const url = new URL(path, "http://page");
  if (url.pathname === "/" || url.pathname === "/index.html") return { page: "home" };
  const sandboxId = /^\/s\/([A-Za-z0-9_-]{1,64})\/?$/.exec(url.pathname)?.[1];
  if (sandboxId === undefined) return { page: "unknown" };
  return { page: "viewer", sandboxId, embedded: url.searchParams.has("embed") };
}

export function viewerPath(sandboxId: string): string {
  return `/s/${sandboxId}`;
}
