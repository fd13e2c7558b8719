/**
 * Pictures of a screencast, from the text they come in to bytes. A picture is most of what a browser sends, so its text
 * is neither read as JSON nor made into one long string: both cost several times what decoding it does.
 */
import type { Protocol } from "devtools-protocol";

/** How Chromium begins every such message. One that begins otherwise is read like any other message. */
const START = '{"method":"Page.screencastFrame","params":{"data":"';
const START_BYTES = Buffer.from(START, "latin1");
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const PADDING = 0x3d;
/**
 * Characters that are made into a string at a time, a multiple of four. Strings of this size die young; one of a whole
 * picture is a large object of its own, and takes several times as long to make and to collect.
 */
const CHUNK_LENGTH = 64 * 1024;

/** The base64 of a picture: the bytes of the message it came in, or text. */
export type PictureText = Buffer | string;

/** `Page.screencastFrame`, with its picture not read yet. */
export interface ScreencastFrame extends Omit<Protocol.Page.ScreencastFrameEvent, "data"> {
  readonly data: PictureText;
}

export interface FrameMessage {
  readonly method: "Page.screencastFrame";
  readonly params: ScreencastFrame;
  readonly sessionId?: string;
}

/** The message, if it has exactly the shape that Chromium gives it; `null` for anything else. Never throws. */
export function readFrameMessage(message: Buffer): FrameMessage | null {
  const from = START_BYTES.length;
  if (message.length <= from || message.compare(START_BYTES, 0, from, 0, from) !== 0) return null;
  const to = message.indexOf(QUOTE, from);
  // A quote behind a backslash does not end the string.
  if (to < 0 || message[to - 1] === BACKSLASH) return null;
  let read: { id?: unknown; method?: unknown; params?: { data?: unknown }; sessionId?: string };
  try {
    read = JSON.parse(START + message.toString("utf8", to)) as typeof read;
  } catch {
    return null;
  }
  // What comes behind the picture may say again what came before it, and would then be what counts.
  const { id, method, params, sessionId } = read;
  if (id !== undefined || method !== "Page.screencastFrame" || params?.data !== "") return null;
  const frame = { ...params, data: message.subarray(from, to) } as ScreencastFrame;
  return { method, params: frame, ...(sessionId !== undefined && { sessionId }) };
}

/**
 * The picture behind `headroomBytes` free bytes, in a new buffer whose headroom holds anything. What is not exactly
 * base64 is read as far as it goes; `null` when it could not have stood in JSON.
 */
export function decodePicture(text: PictureText, headroomBytes: number): Uint8Array | null {
  const exact = typeof text === "string" ? null : decodeExactly(text, headroomBytes);
  return exact ?? decodeLeniently(text, headroomBytes);
}

function decodeExactly(text: Buffer, headroomBytes: number): Buffer | null {
  const { length } = text;
  if (length % 4 !== 0) return null;
  const padding = text[length - 1] !== PADDING ? 0 : text[length - 2] !== PADDING ? 1 : 2;
  const bytes = Buffer.allocUnsafeSlow(headroomBytes + (length / 4) * 3 - padding);
  let end = headroomBytes;
  for (let from = 0; from < length; from += CHUNK_LENGTH) {
    const to = Math.min(from + CHUNK_LENGTH, length);
    end += bytes.write(text.toString("latin1", from, to), end, "base64");
    // Node passes over characters that are not of base64: then there are too few bytes.
    if (end !== headroomBytes + (to / 4) * 3 - (to === length ? padding : 0)) return null;
  }
  return bytes;
}

function decodeLeniently(text: PictureText, headroomBytes: number): Uint8Array | null {
  let base64 = text;
  if (typeof base64 !== "string") {
    try {
      base64 = JSON.parse(`"${base64.toString("utf8")}"`) as string;
    } catch {
      return null;
    }
  }
  const picture = Buffer.from(base64, "base64");
  return Buffer.concat([Buffer.alloc(headroomBytes), picture]);
}
