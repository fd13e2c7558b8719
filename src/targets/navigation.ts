import type { TargetPolicy } from "./policy.ts";

/**
 * Resolves when a browser may be told to open this address: one that the policy allows, an empty page, or one that is
 * written in its own address. Files and the browser's own pages (`file:`, `chrome:`, `view-source:`) only where
 * everything is allowed.
 * @throws BatonError `target_refused`, `too_many`
 */
export async function checkNavigation(policy: TargetPolicy, url: string): Promise<void> {
  if (policy.any || reachesNothing(url)) return;
  await policy.check(url);
}

function reachesNothing(text: string): boolean {
  if (text === "") return true;
  if (!URL.canParse(text)) return false;
  const { protocol, pathname } = new URL(text);
  return protocol === "data:" || (protocol === "about:" && /^(?:blank|srcdoc)$/.test(pathname));
}
