import { describe, expect, it } from "vitest";
import { type Batch, SharedText } from "../../../src/transport/shared-text.ts";

/** Reads final, unmasked text frames as RFC 6455, 5.2, has them. */
function parsed(bytes: Buffer): string[] {
  const messages: string[] = [];
  for (let at = 0; at < bytes.length;) {
    expect(bytes[at], "FIN and text, nothing else").toBe(0x81);
    const short = bytes.readUInt8(at + 1);
    const [start, length] =
      short < 126
        ? [at + 2, short]
        : short === 126
          ? [at + 4, bytes.readUInt16BE(at + 2)]
          : [at + 10, Number(bytes.readBigUInt64BE(at + 2))];
    messages.push(bytes.toString("utf8", start, start + length));
    at = start + length;
    expect(at, "the frame is whole").toBeLessThanOrEqual(bytes.length);
  }
  return messages;
}

describe("a shared text", () => {
  it.each([0, 1, 125, 126, 127, 65_535, 65_536, 70_000])("of %i bytes is one frame", (length) => {
    const text = "x".repeat(length);
    const { frame, payload } = new SharedText(text);
    expect(parsed(frame)).toEqual([text]);
    expect(payload.toString("utf8")).toBe(text);
  });

  it("is measured in UTF-8", () => {
    const text = "ä€😀".repeat(20);
    const shared = new SharedText(text);
    expect(parsed(shared.frame)).toEqual([text]);
    expect(shared.payload.byteLength).toBe(Buffer.byteLength(text));
  });

  it("is encoded once, however many ask", () => {
    const shared = new SharedText("event");
    expect(shared.frame).toBe(shared.frame);
    expect(shared.payload).toBe(shared.payload);
    expect(shared.payload.buffer).toBe(shared.frame.buffer);
    expect(shared.alone).toBe(shared.alone);
  });
});

describe("a batch", () => {
  const texts = Array.from({ length: 50 }, (_, index) => new SharedText(`event ${index}`));
  const [first = new SharedText(""), ...others] = texts;
  const grown = (messages: readonly SharedText[]): Batch =>
    messages.reduce((batch, message) => batch.with(message), first.alone);

  it("holds its messages in order, each in a frame of its own", () => {
    const batch = grown(others);
    expect(batch.messages).toHaveLength(50);
    expect(batch.messages).toEqual(texts);
    expect(parsed(batch.frames)).toEqual(texts.map(({ text }) => text));
    expect(batch.bytes).toBe(batch.frames.byteLength);
  });

  it("is the same one for all sockets that were sent the same, and joined once", () => {
    const [one, two] = [grown(others), grown(others)];
    expect(two).toBe(one);
    expect(two.frames).toBe(one.frames);
  });

  it("is another one for a socket that was sent something else, and both stay what they were", () => {
    const one = grown(others);
    const alone = new SharedText("an answer for one");
    const two = grown(others.slice(0, 10)).with(alone).with(first);
    expect(parsed(one.frames)).toEqual(texts.map(({ text }) => text));
    expect(parsed(two.frames)).toEqual([...texts.slice(0, 11), alone, first].map(({ text }) => text));
  });

  it("of a hundred thousand messages is listed without recursion", () => {
    const last = new SharedText("");
    let batch = first.alone;
    for (let index = 0; index < 100_000; index += 1) batch = batch.with(last);
    expect(batch.messages).toHaveLength(100_001);
  });
});
