/**
 * The browsers that a person claimed over one socket: whether or not it joined, it counts as a connection of theirs
 * from before the claim, so that the claim says where they are, until it closes or they no longer drive (H5).
 */
import { BatonError } from "../../protocol/errors.ts";
import type { Attending } from "./attendance.ts";
import type { Client } from "./member.ts";
import type { Rooms } from "./rooms.ts";

/** Claims of one socket at a time; those that have ended do not count. */
const MAX_CLAIMS = 1_000;

export class Claims {
  readonly #rooms: Rooms;
  readonly #client: Client;
  readonly #open = new Map<string, Attending>();

  constructor(rooms: Rooms, client: Client) {
    this.#rooms = rooms;
    this.#client = client;
  }

  /**
   * To be called before the command that claims.
   * @returns what must be told how that ended
   * @throws BatonError `sandbox_not_found`, `unavailable`, `too_many`
   */
  async begin(sandboxId: string): Promise<Pick<Attending, "committed" | "refused">> {
    const { room, release } = await this.#rooms.acquire(sandboxId);
    try {
      const known = this.#open.get(sandboxId);
      // Claimed before, and again: only that one can end it.
      if (known) return { committed: () => known.committed(), refused: () => {} };
      if (this.#open.size >= MAX_CLAIMS) {
        throw new BatonError(
          "too_many",
          "This socket holds too many browsers. Give some back, or open another one.",
          {
            limit: "claims",
          },
        );
      }
      const attending = room.attendance.attend(this.#client, () => this.#open.delete(sandboxId));
      this.#open.set(sandboxId, attending);
      return attending;
    } finally {
      release();
    }
  }

  /** The person leaves this sandbox. */
  end(sandboxId: string): void {
    this.#open.get(sandboxId)?.leave();
  }

  /** A newer token no longer reaches these. */
  endOutside(reaches: (sandboxId: string) => boolean): void {
    for (const sandboxId of Array.from(this.#open.keys())) if (!reaches(sandboxId)) this.end(sandboxId);
  }

  /** The socket closed. */
  endAll(): void {
    for (const attending of Array.from(this.#open.values())) attending.leave();
  }
}
