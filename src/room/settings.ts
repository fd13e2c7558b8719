/** What can be tuned, in one place, with the failure that each value prevents. All times in milliseconds. */
export interface RoomSettings {
  /** How long a controller that vanished keeps the browser: a reload must not cost the claim (H5). */
  readonly graceMs: number;
  /** How long a handoff waits when the request does not say: nobody's agent hangs for ever (H4). */
  readonly handoffTtlMs: number;
  /** How long a call waits for the drain before it answers `timeout`; the change itself stands. */
  readonly drainWaitMs: number;
  /** How long `complete` waits for the agent's answer when the request does not say. */
  readonly resumeWaitMs: number;
  /** How long a browser stays attached after the last member left: a page reload must not cost a reconnect. */
  readonly lingerMs: number;
  /** How often viewers are told that the picture is alive (P2). */
  readonly aliveMs: number;
  /** How long a node that falls silent still counts as alive: its members are shown for so long after a crash. */
  readonly nodeTtlMs: number;
  /** How long a node's word counts that a controller, or an agent with a resume prompt, is connected to it (H5, R1). */
  readonly sightingMs: number;
  /** Where people open this gateway; viewer links start with it. No slash at the end. */
  readonly publicUrl: () => string;
}

export const DEFAULT_SETTINGS: Omit<RoomSettings, "publicUrl"> = {
  graceMs: 30_000,
  handoffTtlMs: 30 * 60_000,
  drainWaitMs: 10_000,
  resumeWaitMs: 30_000,
  lingerMs: 5_000,
  aliveMs: 2_000,
  nodeTtlMs: 10_000,
  sightingMs: 20_000,
};
