import { signal } from "@preact/signals";
import { nanoid } from "nanoid";
import { asToken, tokenInFragment } from "../lib/token-text.ts";

const KEY = "baton.token";

/** What this page signs in with. */
export interface Credential {
  /** `undefined`: the address held something that is no token. */
  readonly token: string | undefined;
  /** In the page's address, or pasted by the person. */
  readonly from: "link" | "pasted";
  /** Who opened a link may open it again under this id, if the answer was lost; nobody else may. */
  readonly clientId: string;
}

/**
 * What is in the tab's own storage outlives a reload and ends with the tab. Some embedded pages may not store; they
 * hold it as long as they live.
 */
function stored(): Credential | undefined {
  try {
    const {
      token: kept,
      from,
      clientId,
    } = JSON.parse(sessionStorage.getItem(KEY) ?? "{}") as Partial<Credential>;
    const token = asToken(kept ?? "");
    if (token === undefined) return undefined;
    return {
      token,
      from: from === "pasted" ? "pasted" : "link",
      clientId: /^[\w-]{8,64}$/.test(clientId ?? "") ? (clientId ?? "") : nanoid(),
    };
  } catch {
    return undefined;
  }
}

function store(credential: Credential | undefined): void {
  try {
    if (credential?.token === undefined) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, JSON.stringify(credential));
  } catch {
    // It still holds for this page.
  }
}

/** Takes a link's token out of the address, the address bar and the history. */
function fromAddress(): Credential | undefined {
  const { present, token } = tokenInFragment(location.hash);
  if (!present) return undefined;
  history.replaceState(history.state, "", location.pathname + location.search);
  const credential: Credential = { token, from: "link", clientId: nanoid() };
  if (token !== undefined) store(credential);
  return credential;
}

/** A change of it is a new connection. */
export const credential = signal<Credential | undefined>(fromAddress() ?? stored());

// A second link that is opened in this tab changes no more than the fragment: the page is not loaded anew.
addEventListener("hashchange", () => {
  const fresh = fromAddress();
  if (fresh !== undefined) credential.value = fresh;
});

/** The gateway gave another token in place of the present one: for after a reload. This connection has it already. */
export function keepForReload(token: string): void {
  const present = credential.peek();
  if (present !== undefined) store({ ...present, token });
}

export function signIn(token: string): void {
  const pasted: Credential = { token, from: "pasted", clientId: nanoid() };
  store(pasted);
  credential.value = pasted;
}

export function signOut(): void {
  store(undefined);
  credential.value = undefined;
}

/** The same once more: who was refused for a reason that has passed. */
export function tryAgain(): void {
  const present = credential.peek();
  credential.value = present && { ...present };
}
