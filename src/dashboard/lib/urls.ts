/** What somebody typed into the address bar as an address that the gateway takes, or `null` when it is none. */
export function toAddress(typed: string): string | null {
  const text = typed.trim();
  if (text === "about:blank") return text;
  if (text === "" || /\s/.test(text)) return null;
  const hasScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(text);
  const local = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?:[:/?#]|$)/i.test(text);
  const candidate = hasScheme ? text : `${local ? "http" : "https"}://${text}`;
  if (!URL.canParse(candidate)) return null;
  const url = new URL(candidate);
  const named = url.hostname.includes(".") || url.hostname.includes(":") || url.hostname === "localhost";
  // `intranet` alone is a fine host when its scheme was typed; without one it is more likely a search.
  if (!hasScheme && !named) return null;
  return url.protocol === "http:" || url.protocol === "https:" ? url.href : null;
}

/** The address in short, for a tab without a title and a card's caption. */
export function shortUrl(url: string): string {
  if (!URL.canParse(url)) return url;
  const { host, pathname } = new URL(url);
  return host === "" ? url : host + (pathname === "/" ? "" : pathname);
}
