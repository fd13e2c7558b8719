/** Preview frames as the gateway sends them. */
import { FRAME_HEADER_BYTES, writeFrameHeader, type FrameHeader } from "../../protocol/frame.ts";

export function encodeFrame(header: FrameHeader, jpeg: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(FRAME_HEADER_BYTES + jpeg.byteLength);
  bytes.set(jpeg, FRAME_HEADER_BYTES);
  writeFrameHeader(bytes, header);
  return bytes;
}
