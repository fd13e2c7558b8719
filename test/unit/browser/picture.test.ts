import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { decodePicture, readFrameMessage } from "../../../src/browser/picture.ts";
import { seededRandom } from "../../support/random.ts";

const metadata = { deviceWidth: 1280, deviceHeight: 800, timestamp: 1_767_225_600.5 };
const SESSION = "0123456789ABCDEF";

/** As Chromium writes it. */
function message(data: string): Buffer {
  const params = { data, metadata, sessionId: 7 };
  return Buffer.from(JSON.stringify({ method: "Page.screencastFrame", params, sessionId: SESSION }));
}

/** A message with this text where the picture stands. */
function around(data: Buffer | string, rest = '","metadata":{},"sessionId":7},"sessionId":"S"}'): Buffer {
  const parts = ['{"method":"Page.screencastFrame","params":{"data":"', data, rest];
  return Buffer.concat(parts.map((part) => Buffer.from(part)));
}

interface Plain {
  readonly params: { readonly data: string };
  readonly sessionId?: string;
}

function parsed(text: string): Plain | null {
  try {
    return JSON.parse(text) as Plain;
  } catch {
    return null;
  }
}

function pictureIn(bytes: Buffer): Uint8Array | null {
  const read = readFrameMessage(bytes);
  if (!read) throw new Error("the message was left to the general way");
  return decodePicture(read.params.data, 0);
}

describe("a frame's message", () => {
  it("is read like any other, but for its picture, which stays what came", () => {
    const bytes = message("/9j/2Q==");
    const read = readFrameMessage(bytes);
    expect(read).toEqual({
      method: "Page.screencastFrame",
      params: { data: Buffer.from("/9j/2Q=="), metadata, sessionId: 7 },
      sessionId: SESSION,
    });
    const data = read?.params.data as Buffer;
    expect(data.buffer).toBe(bytes.buffer);
    const ofTheBrowser = around("AAAA", '","metadata":{},"sessionId":7}}');
    expect(readFrameMessage(ofTheBrowser)).not.toHaveProperty("sessionId");
  });

  it.each<[string, Buffer | string]>([
    ["keys in another order", '{"params":{"data":"","sessionId":7},"method":"Page.screencastFrame"}'],
    ["spaces", '{ "method": "Page.screencastFrame", "params": {"data": ""}}'],
    ["another event", '{"method":"Page.frameResized","params":{"data":"AAAA"}}'],
    ["an answer", '{"id":1,"result":{"data":"AAAA"}}'],
    ["a picture that has no end", '{"method":"Page.screencastFrame","params":{"data":"AAAA'],
    ["nothing but its beginning", '{"method":"Page.screencastFrame","params":{"data":"'],
    ["a cut beginning", '{"method":"Page.screencastFrame","par'],
    ["an end that is not JSON", around("AAAA", '","metadata":{}')],
    ["an escaped quote before the end", around('AAAA\\"AAAA')],
    ["an escaped backslash before the end", around("AAAA\\\\")],
    ["a second picture behind the first", around("AAAA", '","data":"BBBB"}}')],
    ["another name behind the picture", around("AAAA", '"},"method":"Page.frameResized"}')],
    ["other params behind the picture", around("AAAA", '"},"params":{"data":"BBBB"}}')],
    ["no params behind the picture", around("AAAA", '"},"params":null}')],
    ["an answer's number behind the picture", around("AAAA", '"},"id":1}')],
    ["no text", ""],
  ])("with %s is left to the general way", (_, bytes) => {
    expect(readFrameMessage(Buffer.from(bytes))).toBeNull();
  });

  it.each([1, 2, 3])("any bytes are read as JSON reads them, or left to it (seed %i)", (seed) => {
    const next = seededRandom(seed);
    const original = message(randomBytes(40).toString("base64"));
    let read = 0;
    for (let round = 0; round < 5_000; round += 1) {
      const bytes = Buffer.from(original);
      const pieces = ['"', "\\", "{", "}", ",", '"data":"', '"method":"x"', "\u0000", "\xff"];
      for (let change = next(3); change >= 0; change -= 1) {
        bytes.write(pieces[next(pieces.length)] ?? "", next(bytes.length), "latin1");
      }
      const found = readFrameMessage(bytes.subarray(0, round % 5 === 0 ? next(bytes.length) : bytes.length));
      if (!found) continue;
      read += 1;
      const { params, sessionId } = found;
      // Only what stands in the picture may be wrong, and whoever wants the picture finds out.
      const whole = parsed(bytes.toString("utf8"));
      const plain = whole ?? parsed(around("", bytes.toString("utf8", bytes.indexOf('"', 51))).toString());
      const data = whole?.params.data ?? "";
      expect(plain).toMatchObject({ method: found.method, params: { ...params, data } });
      expect(plain?.sessionId).toBe(sessionId);
      const picture = decodePicture(params.data, 0);
      if (whole) expect(Buffer.from(picture ?? [1])).toEqual(Buffer.from(data, "base64"));
    }
    expect(read).toBeGreaterThan(100);
  });
});

describe("a picture", () => {
  // Around the size of the pieces that it is decoded in, too.
  it.each([0, 1, 2, 3, 4, 5, 49_151, 49_152, 49_153, 98_303, 98_304, 98_305, 400_000])(
    "of %i bytes is decoded as it was, from a message and from text, behind the headroom asked for",
    (size) => {
      const picture = randomBytes(size);
      const read = readFrameMessage(message(picture.toString("base64")));
      for (const text of [read?.params.data ?? "", picture.toString("base64")]) {
        for (const headroom of [0, 28]) {
          const bytes = decodePicture(text, headroom);
          expect(bytes?.byteLength).toBe(headroom + size);
          expect(picture.equals(bytes?.subarray(headroom) ?? new Uint8Array(1))).toBe(true);
        }
      }
    },
  );

  it("is another buffer for each who asks: they write into its headroom", () => {
    const { data } = readFrameMessage(message("/9j/2Q=="))?.params ?? { data: "" };
    const [one, other] = [decodePicture(data, 4), decodePicture(data, 4)];
    one?.fill(0);
    expect(other?.subarray(4)).toEqual(Buffer.from("/9j/2Q==", "base64"));
    expect(one?.buffer).not.toBe(other?.buffer);
  });

  it.each([
    ["escaped slashes", "\\/9j\\/2Q==", "/9j/2Q=="],
    ["no padding", "/9j/2Q", "/9j/2Q=="],
    ["too much padding", "/9j/2Q======", "/9j/2Q=="],
    ["line ends", "/9j/\\r\\n2Q==", "/9j/2Q=="],
    ["padding in the middle of its pieces", `${"A".repeat(65_532)}AA==/9j/`, "A".repeat(65_534)],
    ["characters of another alphabet", "_9j_2Q==", "/9j/2Q=="],
    ["characters of none", "/9j!*/2Q==", "/9j/2Q=="],
    ["nothing but padding", "====", ""],
  ])("with %s is read as far as it goes", (_, data, base64) => {
    expect(Buffer.from(pictureIn(around(data)) ?? [1])).toEqual(Buffer.from(base64, "base64"));
  });

  it.each([
    ["a line end that JSON does not allow", "/9j/\n2Q="],
    ["an escape that JSON does not know", "/9j\\x2Q="],
  ])("with %s is none", (_, data) => {
    expect(pictureIn(around(data))).toBeNull();
  });

  it("with bytes that are no UTF-8 is read without them", () => {
    const bytes = Buffer.concat([
      Buffer.from("/9j/"),
      Buffer.of(0xff, 0xc0, 0x80, 0xf5),
      Buffer.from("2Q=="),
    ]);
    expect(Buffer.from(pictureIn(around(bytes)) ?? [])).toEqual(Buffer.from("/9j/2Q==", "base64"));
  });
});
