/** One way in: what is sent there, how it is played, and how it is shown to whoever has to find out why it failed. */
import type * as fc from "fast-check";
import type { Stage } from "./stage.ts";

export interface Part<Script> {
  readonly name: string;
  readonly scripts: fc.Arbitrary<Script>;
  /** Messages (requests, commands, chunks of bytes) that a script sends. */
  readonly messages: (script: Script) => number;
  /** Rejects with a `Violation`. */
  readonly play: (script: Script, stage: Stage) => Promise<void>;
  readonly show: (script: Script) => string[];
}
