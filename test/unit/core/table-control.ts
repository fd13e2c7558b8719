/** What the commands of control, and news of the controller, do in every state. */
import { ACCEPTED, AGENT, ALL, ANN, AWAY, but, CLOSED, DRAINING, HUMAN, PENDING, PRIVATE } from "./states.ts";
import { cmd } from "./support.ts";
import { DUE, type Rows } from "./table.ts";

const ANN_PRIVATELY = ["acceptedPrivate", "acceptedPrivateDraining", "humanPrivate"] as const;
const ANN_OPENLY = ANN.filter((name) => !PRIVATE.some((hidden) => hidden === name));

/** Ann holds the browser, and no node has seen her. */
const UNSEEN = [
  "accepted",
  "acceptedDraining",
  "human",
  "humanDraining",
  "humanPrivate",
  "humanOpening",
] as const;

export const CONTROL_ROWS: Rows<
  | "control.take"
  | "control.release"
  | "control.pass"
  | "control.privacy"
  | "control.fence"
  | "controller.here"
  | "controller.left"
> = {
  "control.take": {
    "by ann": {
      command: cmd("control.take"),
      outcomes: { "control.taken": [...AGENT, ...CLOSED], handoff_in_progress: PENDING, same: ANN },
    },
    "by ann, privately": {
      command: cmd("control.take", { privacy: "private" }),
      outcomes: {
        "control.taken": [...AGENT, ...CLOSED],
        "control.privacy": ANN_OPENLY,
        handoff_in_progress: PENDING,
        same: ANN_PRIVATELY,
      },
    },
    "by ann, openly: what is hidden stays so": {
      command: cmd("control.take", { privacy: "open" }),
      outcomes: { "control.taken": [...AGENT, ...CLOSED], handoff_in_progress: PENDING, same: ANN },
    },
    "by ben": {
      command: cmd("control.take", { controller: "ben" }),
      outcomes: {
        "control.taken": [...AGENT, ...CLOSED],
        handoff_in_progress: PENDING,
        already_controlled: ANN,
      },
    },
    "by ben, by force": {
      command: cmd("control.take", { controller: "ben", force: true }),
      outcomes: { "control.taken": [...AGENT, ...CLOSED, ...ANN], handoff_in_progress: PENDING },
    },
  },
  "control.release": {
    "by ann": {
      command: cmd("control.release"),
      outcomes: { "handoff.returned": ACCEPTED, "control.released": HUMAN, not_controller: but(...ANN) },
    },
    "by ben": {
      command: cmd("control.release", { controller: "ben" }),
      outcomes: { not_controller: ALL },
    },
  },
  "control.pass": {
    "from ann to ben": {
      command: cmd("control.pass"),
      outcomes: { "control.passed": ANN, not_controller: but(...ANN) },
    },
    "from ann to ann": {
      command: cmd("control.pass", { to: "ann" }),
      outcomes: { same: ANN, not_controller: but(...ANN) },
    },
    "from ann to the agent": {
      command: cmd("control.pass", { to: "ai" }),
      outcomes: { "control.passed": HUMAN, handoff_in_progress: ACCEPTED, not_controller: but(...ANN) },
    },
    "from ben to ann": {
      command: cmd("control.pass", { controller: "ben", to: "ann" }),
      outcomes: { not_controller: ALL },
    },
  },
  "control.privacy": {
    "ann hides the page": {
      command: cmd("control.privacy"),
      outcomes: { "control.privacy": ANN_OPENLY, same: ANN_PRIVATELY, not_controller: but(...ANN) },
    },
    "ann shows the page": {
      command: cmd("control.privacy", { privacy: "open" }),
      outcomes: { "control.privacy": ANN_PRIVATELY, same: ANN_OPENLY, not_controller: but(...ANN) },
    },
    "ben hides the page": {
      command: cmd("control.privacy", { controller: "ben" }),
      outcomes: { not_controller: ALL },
    },
    "ben shows the page": {
      command: cmd("control.privacy", { controller: "ben", privacy: "open" }),
      outcomes: { not_controller: ALL },
    },
    "ann hides the page when a deadline is due": {
      command: cmd("control.privacy"),
      atDeadline: true,
      outcomes: {
        "control.privacy": ["acceptedSeenTwice", "human"],
        "control.active control.privacy": ["acceptedDraining", "humanDraining", "humanOpening"],
        "control.away control.privacy": ["acceptedSeen", "humanSeen"],
        "control.active": ["acceptedPrivateDraining"],
        "control.away": ["acceptedPrivate"],
        same: ["humanPrivate"],
        not_controller: [...but(...ANN), "accepted", ...AWAY],
      },
    },
  },
  "control.fence": {
    "of an epoch that was lost": {
      command: ({ epoch }) => cmd("control.fence", { epoch: epoch + 1 }),
      outcomes: { "control.fenced": ALL },
    },
    "of the present epoch": {
      command: ({ epoch }) => cmd("control.fence", { epoch }),
      outcomes: { same: ALL },
    },
    "when a deadline is due, which may bring a newer one": {
      command: ({ epoch }) => cmd("control.fence", { epoch: epoch + 1 }),
      atDeadline: true,
      outcomes: {
        "handoff.expired": ["pending", "pendingPrivate", "accepted"],
        "handoff.returned": ["acceptedAway"],
        "control.released": ["humanAway"],
        "control.active control.fenced": DRAINING,
        "control.away control.fenced": ["acceptedSeen", "acceptedPrivate", "humanSeen"],
        "resume.released control.fenced": ["resumeAway"],
        "control.fenced": [
          "ai",
          "acceptedSeenTwice",
          "human",
          "humanPrivate",
          "resumeWaiting",
          "resumeRunning",
          "resumeAnswered",
          "resumeFailed",
          "cancelled",
          "expired",
        ],
      },
    },
  },
  "controller.here": {
    "ann, on a node that knew it": {
      command: cmd("controller.here"),
      outcomes: {
        silent: ANN.filter((name) => !AWAY.some((away) => away === name)),
        "control.back": AWAY,
        same: but(...ANN),
      },
    },
    "ann, on another node": {
      command: cmd("controller.here", { nodeId: "n3" }),
      outcomes: {
        silent: ANN.filter((name) => !AWAY.some((away) => away === name)),
        "control.back": AWAY,
        same: but(...ANN),
      },
    },
    "ann, when a deadline is due": {
      command: cmd("controller.here"),
      atDeadline: true,
      outcomes: {
        ...DUE,
        "control.away": [],
        "control.away control.back": ["acceptedSeen", "acceptedPrivate", "humanSeen"],
        silent: ["acceptedSeenTwice", "human", "humanPrivate", "resumeRunning"],
        same: ["ai", "resumeWaiting", "resumeAnswered", "resumeFailed", "cancelled", "expired"],
      },
    },
    ben: { command: cmd("controller.here", { controller: "ben" }), outcomes: { same: ALL } },
  },
  "controller.left": {
    "ann, a node that may have vouched": {
      command: cmd("controller.left"),
      outcomes: {
        "control.away": [
          "accepted",
          "acceptedDraining",
          "acceptedSeen",
          "acceptedPrivate",
          "acceptedPrivateDraining",
          "human",
          "humanDraining",
          "humanSeen",
          "humanPrivate",
          "humanOpening",
        ],
        silent: ["acceptedSeenTwice"],
        same: [...AWAY, ...but(...ANN)],
      },
    },
    "ann, a node that did not vouch": {
      command: cmd("controller.left", { nodeId: "n3" }),
      outcomes: {
        "control.away": UNSEEN,
        same: but(...UNSEEN),
      },
    },
    "ann, a node named like a member of every object": {
      command: cmd("controller.left", { nodeId: "toString" }),
      outcomes: {
        "control.away": UNSEEN,
        same: but(...UNSEEN),
      },
    },
    ben: { command: cmd("controller.left", { controller: "ben" }), outcomes: { same: ALL } },
  },
};
