/**
 * The binary preview frame, the only binary message. Big-endian:
 *
 *     0  u8   layout version, 1
 *     1  u8   picture format, 1 = JPEG
 *     2  u16  header length in bytes; the picture starts there, so that a later version may append fields
 *     4  u32  stream, as in `preview.started`
 *     8  u32  sequence number within the stream, from 1; gaps are frames that this viewer was spared
 *    12  f64  when the browser composed the picture, epoch milliseconds
 *    20  u16  viewport width, CSS pixels
 *    22  u16  viewport height, CSS pixels
 *    24  u32  number of the tab that is shown, as in `browser.tabs`
 */
export const FRAME_HEADER_BYTES = 28;
const LAYOUT_VERSION = 1;
const FORMAT_JPEG = 1;

export interface FrameHeader {
  stream: number;
  seq: number;
  capturedAt: number;
  viewportWidth: number;
  viewportHeight: number;
  /** Number of the tab that is shown. */
  tab: number;
}

/** Writes the header into the first `FRAME_HEADER_BYTES` of `bytes`, all of them; the picture stands behind them. */
export function writeFrameHeader(bytes: Uint8Array, header: FrameHeader): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, FRAME_HEADER_BYTES);
  view.setUint8(0, LAYOUT_VERSION);
  view.setUint8(1, FORMAT_JPEG);
  view.setUint16(2, FRAME_HEADER_BYTES);
  view.setUint32(4, header.stream);
  view.setUint32(8, header.seq);
  view.setFloat64(12, header.capturedAt);
  view.setUint16(20, Math.min(header.viewportWidth, 0xffff));
  view.setUint16(22, Math.min(header.viewportHeight, 0xffff));
  view.setUint32(24, header.tab);
}

/** Reads a frame; `jpeg` is a view into `bytes`. Returns `null` for anything that is not a frame of a known layout. */
export function decodeFrame(bytes: Uint8Array): { header: FrameHeader; jpeg: Uint8Array } | null {
  if (bytes.byteLength < FRAME_HEADER_BYTES) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerBytes = view.getUint16(2);
  if (view.getUint8(0) !== LAYOUT_VERSION || view.getUint8(1) !== FORMAT_JPEG) return null;
  if (headerBytes < FRAME_HEADER_BYTES || headerBytes > bytes.byteLength) return null;
  return {
    header: {
      stream: view.getUint32(4),
      seq: view.getUint32(8),
      capturedAt: view.getFloat64(12),
      viewportWidth: view.getUint16(20),
      viewportHeight: view.getUint16(22),
      tab: view.getUint32(24),
    },
    jpeg: bytes.subarray(headerBytes),
  };
}
