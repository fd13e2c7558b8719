/** What a gate asks of another way to its browser: an agent's own CDP connection. */
import type { Known } from "./gate.ts";

export interface Channel {
  /**
   * What the gate knows has changed, or it knows nothing for certain any more. Whoever may no longer drive is stopped
   * before this returns. Must not throw.
   */
  changed(): void;
  /**
   * Settles once nothing that was sent before is under way, and nothing is held down in the page (C2, C5). Never
   * rejects. A page that hangs keeps it pending.
   * @param known what the drain is for
   */
  drain(known: Known): Promise<void>;
  /** The browser is another one, or this node lets go of it. Settles like `drain`, and the connection is closed. */
  end(): Promise<void>;
}
