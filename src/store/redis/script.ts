import { createHash } from "node:crypto";

export interface Script {
  readonly lua: string;
  readonly sha: string;
}

/** @param flags of the `#!lua` header; with `no-writes` the script also runs where writes are refused */
export function defineScript(lua: string, flags: "no-writes" | "writes"): Script {
  const text = `#!lua${flags === "writes" ? "" : ` flags=${flags}`}\n${lua.trim()}\n`;
  return { lua: text, sha: createHash("sha1").update(text).digest("hex") };
}
