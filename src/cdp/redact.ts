/** Takes out of a message what a person was given in private: same length, nothing of it left (G3). */

/** Where the browser says what cookies are: in what it tells of the network, and to who asks for them. */
const SAYS_COOKIES: ReadonlySet<string> = new Set([
  "Network.getCookies",
  "Network.getAllCookies",
  "Storage.getCookies",
]);

const STAR = 0x2a;

export function mayTellCookies(method: string): boolean {
  return method.startsWith("Network.") || method.startsWith("Fetch.") || SAYS_COOKIES.has(method);
}

/** @returns the same bytes, or a copy without the secrets */
export function redact(bytes: Buffer, secrets: readonly string[]): Buffer {
  let copy: Buffer | undefined;
  for (const secret of secrets) {
    for (let at = bytes.indexOf(secret); at !== -1; at = bytes.indexOf(secret, at + 1)) {
      copy ??= Buffer.from(bytes);
      copy.fill(STAR, at, at + Buffer.byteLength(secret));
    }
  }
  return copy ?? bytes;
}

/** A tab's list of pages says where the person was, and what the pages were called. The ids are enough to go back by. */
export function withoutPast(bytes: Buffer): Buffer {
  const answer = JSON.parse(bytes.toString("utf8")) as {
    result?: { currentIndex: number; entries: { readonly id: number }[] };
  };
  const { result } = answer;
  if (!result) return bytes;
  const entries = result.entries.map((entry, index) =>
    index === result.currentIndex ? entry : { ...entry, url: "", userTypedURL: "", title: "" },
  );
  return Buffer.from(JSON.stringify({ ...answer, result: { ...result, entries } }));
}
