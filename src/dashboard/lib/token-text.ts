import { Token } from "../../../protocol/auth.ts";

const IN_FRAGMENT = /(?:^|[#&])token=([^&]*)/;

/** What a page's fragment holds. `present` also when what stands there is no token: it must leave the address too. */
export function tokenInFragment(hash: string): { present: boolean; token: string | undefined } {
  const found = IN_FRAGMENT.exec(hash);
  if (found === null) return { present: false, token: undefined };
  return { present: true, token: asToken(decode(found[1] ?? "")) };
}

/** The token that somebody pasted: alone, after `Bearer`, or within a whole link. */
export function tokenIn(pasted: string): string | undefined {
  const text = pasted.trim();
  const inLink = tokenInFragment(text.includes("#") ? text.slice(text.indexOf("#")) : "");
  return inLink.token ?? asToken(text.replace(/^bearer\s+/i, ""));
}

/** The text, if it can be a token. */
export function asToken(text: string): string | undefined {
  const parsed = Token.safeParse(text);
  return parsed.success ? parsed.data : undefined;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}
