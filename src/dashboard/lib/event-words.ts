import type { EventType, Sandbox, SandboxEvent } from "../../../protocol/sandbox.ts";
import { browserWord, REASON_LABELS, type Tone } from "./control-view.ts";

export interface TimelineEntry {
  /** Unique within one timeline. */
  readonly key: string;
  readonly at: number;
  readonly tone: Tone | "plain" | "bad";
  readonly text: string;
  /** What somebody wrote: a message, a note, an answer. */
  readonly quote?: string;
}

/** Most entries kept; the oldest leave first. */
export const MAX_TIMELINE = 200;

/** One event in words. `me` becomes "you". */
export function describeEvent(event: SandboxEvent, me: string): TimelineEntry {
  const words = WORDS[event.type](event, whoOf(event, me), me);
  return { key: `${event.epoch}.${event.seq}`, at: event.at, ...words };
}

type Words = Omit<TimelineEntry, "key" | "at">;
type Describe = (event: SandboxEvent, who: Who, me: string) => Words;

/** The one who caused it, at the start of a sentence and after "by". */
interface Who {
  readonly start: string;
  readonly known: boolean;
}

function whoOf(event: SandboxEvent, me: string): Who {
  if (event.by === undefined) return { start: "Somebody", known: false };
  if (event.by.role === "agent") return { start: "The agent", known: true };
  return { start: event.by.name === me ? "You" : event.by.name, known: true };
}

function controllerOf(event: SandboxEvent, me: string): string {
  const name = event.changes.control?.controller;
  if (name === undefined) return event.changes.control?.mode === "shared" ? "nobody" : "the agent";
  return name === me ? "you" : name;
}

function quoted(tone: Words["tone"], text: string, quote: string | undefined): Words {
  return quote === undefined || quote === "" ? { tone, text } : { tone, text, quote };
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
const are = (name: string): string => (name === "you" ? "are" : "is");

const inPrivate = (what: { privacy?: "private" } | null | undefined): string =>
  what?.privacy === "private" ? ", in private" : "";

const WORDS: Readonly<Record<EventType, Describe>> = {
  "sandbox.created": () => ({ tone: "plain", text: "Sandbox created" }),
  "handoff.requested": (event, who) => {
    const handoff = event.changes.handoff;
    const reason = handoff ? `: ${REASON_LABELS[handoff.reason].toLowerCase()}` : "";
    return quoted(
      "waiting",
      `${who.start} asked for a person${reason}${inPrivate(handoff)}`,
      handoff?.message,
    );
  },
  "handoff.accepted": (event, who) => ({
    tone: "person",
    text: `${who.start} accepted${inPrivate(event.changes.control)}`,
  }),
  "handoff.completed": (event, who) =>
    quoted("agent", `${who.start} finished the handoff`, event.changes.handoff?.note),
  "handoff.cancelled": (event, who) =>
    quoted("plain", `${who.start} cancelled the request`, event.changes.handoff?.note),
  "handoff.expired": () => ({ tone: "bad", text: "Nobody finished in time: the request expired" }),
  "handoff.returned": (_event, who) => ({
    tone: "waiting",
    text: who.known
      ? `${who.start} put the request back into the queue`
      : "The controller stayed away: the request is back in the queue",
  }),
  "control.fenced": (event, _who, me) => ({
    tone: "bad",
    text: `The gateway's store lost its last moments: ${controllerOf(event, me)} ${are(controllerOf(event, me))} in control again`,
  }),
  "control.taken": (event, who) => ({
    tone: "person",
    text: `${who.start} took control${inPrivate(event.changes.control)}`,
  }),
  "control.released": (_event, who) => ({ tone: "agent", text: `${who.start} gave control back` }),
  "control.passed": (event, who, me) => ({
    tone: event.changes.control?.mode === "ai" ? "agent" : "person",
    text: `${who.start} passed control to ${controllerOf(event, me)}`,
  }),
  "control.privacy": (event, who) => ({
    tone: "person",
    text:
      event.changes.control?.privacy === "private"
        ? `${who.start} hid the page from everybody else`
        : `${who.start} showed the page again`,
  }),
  "control.active": (event, _who, me) => {
    const name = controllerOf(event, me);
    if (name === "nobody") return { tone: "waiting", text: "Nobody drives now" };
    return { tone: name === "the agent" ? "agent" : "person", text: `${capital(name)} can drive now` };
  },
  "control.away": (event, _who, me) => {
    const name = controllerOf(event, me);
    return { tone: "bad", text: `${capital(name)} ${are(name)} away` };
  },
  "control.back": (event, _who, me) => {
    const name = controllerOf(event, me);
    return { tone: "person", text: `${capital(name)} ${are(name)} back` };
  },
  "resume.claimed": (_event, who) => ({ tone: "agent", text: `${who.start} took the resume prompt` }),
  "resume.released": () => ({ tone: "waiting", text: "The agent left before it answered; waiting for it" }),
  "resume.answered": (event, who) => quoted("agent", `${who.start} answered`, event.changes.resume?.response),
  "resume.failed": (event, who) =>
    quoted("bad", `${who.start} could not run the resume prompt`, event.changes.resume?.response),
  "browser.changed": (event) => {
    const status = event.changes.browser?.status;
    const bad = status === "gone" || status === "reconnecting";
    return { tone: bad ? "bad" : "plain", text: `Browser ${browserWord(status)}` };
  },
};

/** What the snapshot itself tells of the time before this page began to follow, oldest first. */
export function describePast(sandbox: Sandbox, me: string): TimelineEntry[] {
  const entries: TimelineEntry[] = [
    { key: "past.created", at: sandbox.createdAt, tone: "plain", text: "Sandbox created" },
  ];
  const { control, handoff } = sandbox;
  if (control.mode === "human" && control.controller !== undefined) {
    const holder = control.controller === me ? "You have" : `${control.controller} has`;
    entries.push({
      key: "past.control",
      at: control.since,
      tone: "person",
      text: `${holder} the browser${inPrivate(control)}`,
    });
  }
  if (handoff === null) return entries;
  const add = (step: string, at: number, words: Words): void => {
    entries.push({ key: `past.${handoff.requestId}.${step}`, at, ...words });
  };
  const who = handoff.controller === me ? "You" : (handoff.controller ?? "Somebody");
  add(
    "requested",
    handoff.requestedAt,
    quoted(
      "waiting",
      `A person was asked for: ${REASON_LABELS[handoff.reason].toLowerCase()}${inPrivate(handoff)}`,
      handoff.message,
    ),
  );
  if (handoff.acceptedAt !== undefined) {
    add("accepted", handoff.acceptedAt, { tone: "person", text: `${who} accepted${inPrivate(handoff)}` });
  }
  if (handoff.status === "completed") {
    const at = handoff.completedAt ?? handoff.updatedAt;
    add("ended", at, quoted("agent", `${who} finished the handoff`, handoff.note));
  } else if (handoff.status === "cancelled") {
    add("ended", handoff.updatedAt, quoted("plain", "The request was cancelled", handoff.note));
  } else if (handoff.status === "expired") {
    add("ended", handoff.updatedAt, { tone: "bad", text: "Nobody finished in time: the request expired" });
  }
  return entries.sort((a, b) => a.at - b.at);
}

/** Adds entries at the end, without those it has, and forgets the oldest beyond the bound. */
export function appendEntries(
  timeline: readonly TimelineEntry[],
  added: readonly TimelineEntry[],
): readonly TimelineEntry[] {
  const known = new Set(timeline.map((entry) => entry.key));
  const fresh = added.filter((entry) => !known.has(entry.key));
  return fresh.length === 0 ? timeline : [...timeline, ...fresh].slice(-MAX_TIMELINE);
}
