import { describe, expect, it } from "vitest";
import {
  decodeFrame,
  FRAME_HEADER_BYTES,
  writeFrameHeader,
  type FrameHeader,
} from "../../../protocol/frame.ts";
import { encodeFrame } from "../../support/frames.ts";
import { seededRandom } from "../../support/random.ts";

const header: FrameHeader = {
  stream: 3,
  seq: 0xffff_fffe,
  capturedAt: 1_767_225_600_000.25,
  viewportWidth: 1_280,
  viewportHeight: 800,
  tab: 7,
};
const jpeg = Uint8Array.from({ length: 500 }, (_, index) => (index * 7) % 256);

describe("the binary frame", () => {
  it("lies in the bytes that PROTOCOL.md says", () => {
    const bytes = encodeFrame({ ...header, capturedAt: 1.5 }, Uint8Array.of(0xff, 0xd8));
    const hex = Buffer.from(bytes).toString("hex").match(/../g)?.join(" ");
    expect(hex).toBe(
      "01 01 00 1c 00 00 00 03 ff ff ff fe 3f f8 00 00 00 00 00 00 05 00 03 20 00 00 00 07 ff d8".toLowerCase(),
    );
  });

  it("reads as what was written", () => {
    expect(decodeFrame(encodeFrame(header, jpeg))).toEqual({ header, jpeg });
    expect(decodeFrame(encodeFrame(header, new Uint8Array()))?.jpeg).toHaveLength(0);
  });

  it("reads from the middle of a larger buffer, without copying the picture", () => {
    const bytes = encodeFrame(header, jpeg);
    const larger = new Uint8Array(bytes.length + 20);
    larger.set(bytes, 11);
    const frame = decodeFrame(larger.subarray(11, 11 + bytes.length));
    expect(frame).toEqual({ header, jpeg });
    expect(frame?.jpeg.buffer).toBe(larger.buffer);
  });

  it("is written over all of the bytes before the picture, and over none beside them", () => {
    for (const filling of [0x00, 0xff]) {
      const buffer = new Uint8Array(100).fill(filling);
      writeFrameHeader(buffer.subarray(11, 11 + FRAME_HEADER_BYTES + 5), header);
      const written = buffer.subarray(11, 11 + FRAME_HEADER_BYTES);
      expect(decodeFrame(written)?.header).toEqual(header);
      expect([...written]).toEqual([...encodeFrame(header, new Uint8Array())]);
      expect([...buffer.subarray(0, 11), ...buffer.subarray(11 + FRAME_HEADER_BYTES)]).toEqual(
        Array.from({ length: 100 - FRAME_HEADER_BYTES }, () => filling),
      );
    }
  });

  it("holds a viewport that is too large at the largest it can say", () => {
    const bytes = encodeFrame({ ...header, viewportWidth: 70_000, viewportHeight: 65_536 }, jpeg);
    expect(decodeFrame(bytes)?.header).toMatchObject({ viewportWidth: 65_535, viewportHeight: 65_535 });
  });

  it("is not read from too few bytes", () => {
    const bytes = encodeFrame(header, new Uint8Array());
    for (let length = 0; length < FRAME_HEADER_BYTES; length += 1) {
      expect(decodeFrame(bytes.subarray(0, length))).toBeNull();
    }
  });

  it.each([
    ["another layout", 0, 2],
    ["another picture format", 1, 2],
    ["a header that is too short", 3, FRAME_HEADER_BYTES - 1],
    ["a header that is longer than the message", 2, 0xff],
  ])("is not read with %s", (_, offset, value) => {
    const bytes = encodeFrame(header, jpeg);
    bytes[offset] = value;
    expect(decodeFrame(bytes)).toBeNull();
  });

  it("is read past the fields that a later version appends", () => {
    const bytes = encodeFrame(header, jpeg);
    const later = new Uint8Array(bytes.length + 6);
    later.set(bytes.subarray(0, FRAME_HEADER_BYTES));
    later.set(jpeg, FRAME_HEADER_BYTES + 6);
    later[3] = FRAME_HEADER_BYTES + 6;
    expect(decodeFrame(later)).toEqual({ header, jpeg });
  });

  it.each([1, 2, 3])("any bytes are read or refused, never a crash (seed %i)", (seed) => {
    const next = seededRandom(seed);
    let read = 0;
    for (let round = 0; round < 5_000; round += 1) {
      const bytes = Uint8Array.from({ length: next(60) }, () => next(256));
      // Half of them begin like a frame, or nearly none would get past the first byte.
      if (round % 2) bytes.set([1, 1, 0, 20 + next(12)].slice(0, bytes.length));
      const frame = decodeFrame(bytes);
      if (!frame) continue;
      read += 1;
      expect(frame.jpeg.byteLength).toBeLessThanOrEqual(bytes.byteLength - FRAME_HEADER_BYTES);
    }
    expect(read).toBeGreaterThan(100);
  });
});
