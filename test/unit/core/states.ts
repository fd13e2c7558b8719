/** The states of the transition table, each reached by commands alone. In all of them gate g1 sees the browser live. */
import type { Command } from "../../../src/core/commands.ts";
import { nextDeadline } from "../../../src/core/state.ts";
import { cmd, Walk, WORD_MS } from "./support.ts";

const ai = (): Walk => {
  const walk = new Walk();
  walk.run(cmd("gate.open"), cmd("gate.status"), cmd("browser.endpoint"));
  return walk;
};
const after = (start: () => Walk, ...commands: Command[]) => {
  return (): Walk => {
    const walk = start();
    walk.run(...commands);
    return walk;
  };
};
const settled = (start: () => Walk) => (): Walk => start().drain();
const late = (start: () => Walk) => (): Walk => {
  const walk = start();
  walk.now = nextDeadline(walk.state) ?? walk.now;
  return walk;
};

const pendingDraining = after(ai, cmd("handoff.request"));
const pending = settled(pendingDraining);
const accepted = after(pending, cmd("handoff.accept"));
const acceptedDraining = after(pendingDraining, cmd("handoff.accept"));
const acceptedSeen = after(accepted, cmd("controller.here"));
const humanDraining = after(ai, cmd("control.take"));
const human = settled(humanDraining);
const humanSeen = after(human, cmd("controller.here"));
const hide = cmd("control.privacy");
const acceptedPrivate = settled(after(acceptedSeen, hide));
const humanPrivate = settled(after(human, hide));
const pendingPrivate = settled(after(acceptedPrivate, cmd("control.release")));
const resumeWaiting = settled(after(accepted, cmd("handoff.complete", { runResumePrompt: true })));
const resumeRunning = after(resumeWaiting, cmd("resume.claim"));

export const STATES = {
  ai,
  aiDraining: after(human, cmd("control.release")),
  pending,
  pendingDraining,
  accepted,
  acceptedDraining,
  acceptedSeen,
  acceptedSeenTwice: after(acceptedSeen, cmd("controller.here", { nodeId: "n2", leaseMs: 2 * WORD_MS })),
  acceptedAway: after(acceptedSeen, cmd("controller.left")),
  human,
  humanDraining,
  humanSeen,
  humanAway: after(humanSeen, cmd("controller.left")),
  /** Given back to the queue: what ann hid stays hidden until somebody else accepts. */
  pendingPrivate,
  acceptedPrivate,
  acceptedPrivateDraining: after(acceptedSeen, hide),
  humanPrivate,
  /** Shown again, as soon as the gates are drained. */
  humanOpening: after(humanPrivate, cmd("control.privacy", { privacy: "open" })),
  resumeWaiting,
  resumeRunning,
  resumeAway: after(resumeRunning, cmd("resume.away")),
  resumeAnswered: after(resumeRunning, cmd("resume.answer")),
  resumeFailed: after(resumeRunning, cmd("resume.answer", { ok: false })),
  cancelled: settled(after(accepted, cmd("handoff.cancel"))),
  expired: settled(after(late(pending), cmd("tick"))),
} satisfies Record<string, () => Walk>;
export type StateName = keyof typeof STATES;
export const NAMES = Object.keys(STATES) as StateName[];

export const AGENT = ["ai", "aiDraining"] as const;
export const COMPLETED = [
  "resumeWaiting",
  "resumeRunning",
  "resumeAway",
  "resumeAnswered",
  "resumeFailed",
] as const;
export const CLOSED = [...COMPLETED, "cancelled", "expired"] as const;
export const PENDING = ["pending", "pendingDraining", "pendingPrivate"] as const;
/** The nodes that vouch for ann in these states. */
export const SEEN: { readonly [K in StateName]?: readonly string[] } = {
  acceptedSeen: ["n1"],
  acceptedSeenTwice: ["n1", "n2"],
  acceptedPrivate: ["n1"],
  acceptedPrivateDraining: ["n1"],
  humanSeen: ["n1"],
};
export const AWAY = ["acceptedAway", "humanAway"] as const;
export const ACCEPTED = [
  "accepted",
  "acceptedDraining",
  "acceptedSeen",
  "acceptedSeenTwice",
  "acceptedAway",
  "acceptedPrivate",
  "acceptedPrivateDraining",
] as const;
export const OPEN = [...PENDING, ...ACCEPTED] as const;
export const HUMAN = [
  "human",
  "humanDraining",
  "humanSeen",
  "humanAway",
  "humanPrivate",
  "humanOpening",
] as const;
/** States in which ann holds the browser. */
export const ANN = [...ACCEPTED, ...HUMAN] as const;
export const NO_HANDOFF = [...AGENT, ...HUMAN] as const;
export const DRAINING = [
  "aiDraining",
  "pendingDraining",
  "acceptedDraining",
  "acceptedPrivateDraining",
  "humanDraining",
  "humanOpening",
] as const;
/** States in which only the controller may see the page. */
export const PRIVATE = [
  "pendingPrivate",
  "acceptedPrivate",
  "acceptedPrivateDraining",
  "humanPrivate",
] as const;
/** Every state but those. */
export const but = (...names: readonly StateName[]): readonly StateName[] =>
  NAMES.filter((name) => !names.includes(name));
export const ALL = but();

/** Status of the newest handoff, of the newest resume prompt, and whether its program is away. */
export const EXPECTED_RECORDS: Record<StateName, [string | null, string | null, boolean]> = {
  ai: [null, null, false],
  aiDraining: [null, null, false],
  pending: ["pending", null, false],
  pendingDraining: ["pending", null, false],
  accepted: ["accepted", null, false],
  acceptedDraining: ["accepted", null, false],
  acceptedSeen: ["accepted", null, false],
  acceptedSeenTwice: ["accepted", null, false],
  acceptedAway: ["accepted", null, false],
  human: [null, null, false],
  humanDraining: [null, null, false],
  humanSeen: [null, null, false],
  humanAway: [null, null, false],
  pendingPrivate: ["pending", null, false],
  acceptedPrivate: ["accepted", null, false],
  acceptedPrivateDraining: ["accepted", null, false],
  humanPrivate: [null, null, false],
  humanOpening: [null, null, false],
  resumeWaiting: ["completed", "waiting", false],
  resumeRunning: ["completed", "running", false],
  resumeAway: ["completed", "running", true],
  resumeAnswered: ["completed", "answered", false],
  resumeFailed: ["completed", "failed", false],
  cancelled: ["cancelled", null, false],
  expired: ["expired", null, false],
};
