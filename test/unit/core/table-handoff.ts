/** What the commands of the handoff do in every state. */
import {
  ACCEPTED,
  AGENT,
  ALL,
  CLOSED,
  COMPLETED,
  HUMAN,
  NO_HANDOFF,
  OPEN,
  PENDING,
  PRIVATE,
} from "./states.ts";
import { cmd, seenOn } from "./support.ts";
import { NOT_OPEN, type Rows } from "./table.ts";

export const HANDOFF_ROWS: Rows<
  "handoff.request" | "handoff.accept" | "handoff.complete" | "handoff.cancel"
> = {
  "handoff.request": {
    "by the agent": {
      command: cmd("handoff.request", { requestId: "r2" }),
      outcomes: { "handoff.requested": [...AGENT, ...HUMAN, ...CLOSED], handoff_in_progress: OPEN },
    },
    "by the agent, as a private one": {
      command: cmd("handoff.request", { requestId: "r2", privacy: "private" }),
      outcomes: { "handoff.requested": [...AGENT, ...HUMAN, ...CLOSED], handoff_in_progress: OPEN },
    },
    "when a deadline is due": {
      command: cmd("handoff.request", { requestId: "r2" }),
      atDeadline: true,
      outcomes: {
        "handoff.requested": [
          "ai",
          "human",
          "humanPrivate",
          ...COMPLETED.filter((name) => name !== "resumeAway"),
          "cancelled",
          "expired",
        ],
        "control.active handoff.requested": ["aiDraining", "humanDraining", "humanOpening"],
        "control.released handoff.requested": ["humanAway"],
        "resume.released handoff.requested": ["resumeAway"],
        "handoff.expired handoff.requested": ["pending", "pendingPrivate", "accepted"],
        "control.away handoff.requested": ["humanSeen"],
        handoff_in_progress: [
          "pendingDraining",
          "acceptedDraining",
          "acceptedSeen",
          "acceptedSeenTwice",
          "acceptedAway",
          "acceptedPrivate",
          "acceptedPrivateDraining",
        ],
      },
    },
  },
  "handoff.accept": {
    "by ann": {
      command: cmd("handoff.accept"),
      outcomes: { ...NOT_OPEN, "handoff.accepted": PENDING, same: ACCEPTED, no_open_handoff: NO_HANDOFF },
    },
    "by ann, seen on a node": {
      command: cmd("handoff.accept", { seen: seenOn("n1") }),
      outcomes: { ...NOT_OPEN, "handoff.accepted": PENDING, same: ACCEPTED, no_open_handoff: NO_HANDOFF },
    },
    "by ann, privately": {
      command: cmd("handoff.accept", { privacy: "private" }),
      outcomes: {
        ...NOT_OPEN,
        "handoff.accepted": PENDING,
        "control.privacy": ACCEPTED.filter((name) => !PRIVATE.some((hidden) => hidden === name)),
        same: ["acceptedPrivate", "acceptedPrivateDraining"],
        no_open_handoff: NO_HANDOFF,
      },
    },
    "by ben": {
      command: cmd("handoff.accept", { controller: "ben" }),
      outcomes: {
        ...NOT_OPEN,
        "handoff.accepted": PENDING,
        already_accepted: ACCEPTED,
        no_open_handoff: NO_HANDOFF,
      },
    },
    "of another handoff": {
      command: cmd("handoff.accept", { requestId: "r9" }),
      outcomes: { no_open_handoff: ALL },
    },
    "by ben when a deadline is due": {
      command: cmd("handoff.accept", { controller: "ben" }),
      atDeadline: true,
      outcomes: {
        handoff_completed: COMPLETED,
        handoff_cancelled: ["cancelled"],
        handoff_expired: ["expired", "pending", "pendingPrivate", "accepted"],
        "control.active handoff.accepted": ["pendingDraining"],
        already_accepted: [
          "acceptedDraining",
          "acceptedSeen",
          "acceptedSeenTwice",
          "acceptedPrivate",
          "acceptedPrivateDraining",
        ],
        "handoff.returned handoff.accepted": ["acceptedAway"],
        no_open_handoff: NO_HANDOFF,
      },
    },
  },
  "handoff.complete": {
    "by ann": {
      command: cmd("handoff.complete", { runResumePrompt: true }),
      outcomes: {
        ...NOT_OPEN,
        not_accepted: PENDING,
        "handoff.completed": ACCEPTED,
        no_open_handoff: NO_HANDOFF,
      },
    },
    "by ann, who keeps the browser": {
      command: cmd("handoff.complete", { returnControlTo: "human" }),
      outcomes: {
        ...NOT_OPEN,
        not_accepted: PENDING,
        "handoff.completed": ACCEPTED,
        no_open_handoff: NO_HANDOFF,
      },
    },
    "by ben": {
      command: cmd("handoff.complete", { controller: "ben" }),
      outcomes: { ...NOT_OPEN, not_accepted: PENDING, not_controller: ACCEPTED, no_open_handoff: NO_HANDOFF },
    },
    "by ben, who may override": {
      command: cmd("handoff.complete", { controller: "ben", override: true }),
      outcomes: {
        ...NOT_OPEN,
        not_accepted: PENDING,
        "handoff.completed": ACCEPTED,
        no_open_handoff: NO_HANDOFF,
      },
    },
    "of another handoff": {
      command: cmd("handoff.complete", { requestId: "r9" }),
      outcomes: { no_open_handoff: ALL },
    },
  },
  "handoff.cancel": {
    "of the newest": {
      command: cmd("handoff.cancel"),
      outcomes: { ...NOT_OPEN, "handoff.cancelled": OPEN, no_open_handoff: NO_HANDOFF },
    },
    "of another handoff": {
      command: cmd("handoff.cancel", { requestId: "r9" }),
      outcomes: { no_open_handoff: ALL },
    },
  },
};
