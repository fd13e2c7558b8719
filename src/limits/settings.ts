/** What a gateway takes from one connection, one caller, one address: the defaults, and how they are set. */

/** Each a whole number; 0: unlimited. */
export interface LimitSettings {
  /** Open TCP connections of an address. Prevents that one peer takes every connection that the system has. */
  readonly connectionsPerAddress: number;
  /** Open WebSockets of an address, agents' CDP connections among them. Prevents the same for what costs memory. */
  readonly socketsPerAddress: number;
  /** The same of a subject, wherever its sockets come from. Prevents that one stolen token takes them all. */
  readonly socketsPerSubject: number;
  /** Open long polls and event streams of a subject. Prevents that calls which wait pile up without end. */
  readonly waitsPerSubject: number;
  /** WebSocket handshakes of an address. Prevents that a peer that reconnects in a loop keeps a core busy. */
  readonly handshakesPerMinute: number;
  /** HTTP requests of an address. Prevents the same for requests, those that are refused included. */
  readonly requestsPerMinute: number;
  /** Tokens of an address that were not valid. Prevents guessing, and that checking signatures keeps a core busy. */
  readonly failedTokensPerMinute: number;
  /** Calls of a subject, over HTTP and sockets. Prevents that one caller keeps the store busy for all others. */
  readonly callsPerMinute: number;
  /** Handoff requests of a subject. Prevents that people are flooded with work nobody has. */
  readonly handoffRequestsPerMinute: number;
  /** Sandboxes that a subject makes. Each may start a browser: prevents that they use up the machine. */
  readonly sandboxesPerMinute: number;
  /** Links that a subject makes or revokes. Prevents that they fill the store: a used or revoked one is remembered. */
  readonly linksPerMinute: number;
  /** CDP connections that a subject opens. Each is a second one to a browser: prevents that they keep it busy. */
  readonly cdpConnectsPerMinute: number;
  /** Messages of a socket. Prevents that reading and refusing them keeps a core busy. */
  readonly messagesPerSecond: number;
  /** Input events of a socket. Prevents that a page is sent more than it can take, at a browser's cost. */
  readonly inputEventsPerSecond: number;
  /** Bytes of a socket's messages. Prevents that a few large ones do what many small ones may not. */
  readonly bytesPerSecond: number;
}

/** A minute's number may come at once, and each second its sixtieth part comes back. */
export const BURST_OF_MINUTE_SECONDS = 60;
/** So many seconds' number may come at once: what piled up on a network that stood still for a moment. */
export const BURST_OF_SECOND_SECONDS = 10;

/**
 * Far above honest use, far below what does harm. The largest honest callers are programs with a thousand sandboxes
 * behind one address and one token, all of which come back in the same second after a gateway's restart.
 */
export const DEFAULT_LIMITS: LimitSettings = {
  // A thousand agents, each with two sockets and two calls that wait.
  connectionsPerAddress: 8_000,
  socketsPerAddress: 4_000,
  socketsPerSubject: 4_000,
  waitsPerSubject: 4_000,
  // The same thousand, twice in a row.
  handshakesPerMinute: 6_000,
  // A poll a second for each of them, and half as much again.
  requestsPerMinute: 90_000,
  // A hundred open tabs whose token has just ended; guessing at this pace takes for ever.
  failedTokensPerMinute: 120,
  // Ten programs that join a thousand sandboxes each and make two more calls for each.
  callsPerMinute: 30_000,
  // All of them stuck at the same login page, and again half a minute later.
  handoffRequestsPerMinute: 2_000,
  sandboxesPerMinute: 2_000,
  linksPerMinute: 2_000,
  cdpConnectsPerMinute: 4_000,
  // A thousand joins at once with four messages each fit ten times this; a pointer sends 125.
  messagesPerSecond: 500,
  // A pointer at 125 Hz moves, and eight fingers may.
  inputEventsPerSecond: 1_000,
  // Four of the largest messages; a pointer sends 30 KB.
  bytesPerSecond: 1024 * 1024,
};

/** Where everybody is on the same machine and is who they say: nobody is kept from anything. */
export const NO_LIMITS = Object.fromEntries(
  Object.keys(DEFAULT_LIMITS).map((name) => [name, 0]),
) as unknown as LimitSettings;

/** A larger number limits nothing. */
const MAX = 1_000_000_000;

/**
 * @param text `name=number` pairs with commas between them, the numbers whole and 0 for unlimited
 * @returns the defaults with what `text` changes, and a sentence for each part of it that cannot be used
 */
export function parseLimits(text: string): { settings: LimitSettings; mistakes: readonly string[] } {
  const known = Object.keys(DEFAULT_LIMITS);
  const given = new Map<string, number>();
  const mistakes: string[] = [];
  const pairs = text.split(",").map((pair) => pair.trim());
  for (const pair of pairs.filter((pair) => pair !== "")) {
    const [name = "", value = ""] = pair.split(/=(.*)/s).map((part) => part.trim());
    if (!known.includes(name)) {
      mistakes.push(`"${pair}" names no limit. The limits are ${known.join(", ")}.`);
    } else if (!/^\d{1,10}$/.test(value) || Number(value) > MAX) {
      const form = `${name}=N with a whole number N up to ${MAX}, 0 for unlimited`;
      mistakes.push(`"${pair}" sets no limit. Write ${form}. The limits are ${known.join(", ")}.`);
    } else if (given.has(name)) {
      mistakes.push(`"${pair}" sets a limit that is set before. Leave one of them out.`);
    } else given.set(name, Number(value));
  }
  return { settings: { ...DEFAULT_LIMITS, ...Object.fromEntries(given) }, mistakes };
}
