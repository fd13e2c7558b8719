import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  addressKey,
  clientAddress,
  normalAddress,
  parseTrusted,
} from "../../../src/limits/client-address.ts";

const { trusted } = parseTrusted("10.0.0.0/8, 192.0.2.7, 2001:db8:ffff::/48, ::1");
const from = (remote: string, forwarded?: string): string =>
  clientAddress(remote, forwarded === undefined ? {} : { "x-forwarded-for": forwarded }, trusted);

describe("the client's address", () => {
  it.each([
    ["a direct peer's is its own", "198.51.100.1", undefined, "198.51.100.1"],
    ["a trusted proxy that says nothing is the client", "10.0.0.1", undefined, "10.0.0.1"],
    ["a stranger's word is not taken", "198.51.100.1", "203.0.113.9", "198.51.100.1"],
    ["a trusted proxy's is", "10.0.0.1", "203.0.113.9", "203.0.113.9"],
    [
      "what the client itself wrote in front is not",
      "10.0.0.1",
      "1.1.1.1, 10.9.9.9, 203.0.113.9",
      "203.0.113.9",
    ],
    [
      "through several proxies it is found",
      "10.0.0.1",
      "1.1.1.1, 203.0.113.9, 10.2.2.2,192.0.2.7",
      "203.0.113.9",
    ],
    ["where all are trusted the farthest is the client", "10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"],
    ["a proxy on IPv6 is trusted as well", "2001:db8:ffff:1::1", "2001:DB8:0:0::9", "2001:db8::9"],
    ["IPv4 in the form of IPv6 is IPv4, as peer", "::ffff:10.0.0.1", "203.0.113.9", "203.0.113.9"],
    ["and as client", "10.0.0.1", "::ffff:203.0.113.9", "203.0.113.9"],
    ["and in hexadecimal", "::ffff:a00:1", "::FFFF:CB00:7109", "203.0.113.9"],
    ["a port is left out", "10.0.0.1", "203.0.113.9:4711", "203.0.113.9"],
    ["and behind IPv6", "10.0.0.1", "[2001:db8::9]:4711", "2001:db8::9"],
    ["a zone is left out", "::1", "fe80::1%eth0", "fe80::1"],
    ["spaces do not matter", "10.0.0.1", "  203.0.113.9 ,\t10.0.0.2  ", "203.0.113.9"],
  ])("%s", (_, remote, forwarded, address) => {
    expect(from(remote, forwarded)).toBe(address);
  });

  it.each([
    "",
    " ",
    ",",
    "203.0.113.9,",
    "unknown",
    "_hidden",
    "203.0.113.9, unknown",
    "203.0.113.256",
    "203.0.113",
    "0x7f.1",
    "2001:db8::1::2",
    "[2001:db8::9",
    "localhost",
    "203.0.113.9\u0000",
    "203.0.113.9 10.0.0.2",
    "http://203.0.113.9",
    '"203.0.113.9"',
  ])("falls back to the peer's for the garbage %j", (forwarded) => {
    expect(from("10.0.0.1", forwarded)).toBe("10.0.0.1");
  });

  it("is what is behind garbage that a client wrote, when a proxy added it", () => {
    expect(from("10.0.0.1", "unknown, \r\n<script>, 203.0.113.9, 10.0.0.2")).toBe("203.0.113.9");
  });

  it("reads the end of a header that is too long, which the proxies wrote", () => {
    const stuffing = "1.1.1.1, ".repeat(100_000);
    expect(from("10.0.0.1", `${stuffing}203.0.113.9`)).toBe("203.0.113.9");
    expect(from("10.0.0.1", "9".repeat(1_000_000))).toBe("10.0.0.1");
    // An address that is cut in two is not taken for another one.
    for (let length = 0; length < 20; length += 1) {
      const address = from(
        "10.0.0.1",
        `203.0.113.99,${"10.0.0.2,".repeat(227)}${" ".repeat(length)}10.0.0.2`,
      );
      expect(["203.0.113.99", "10.0.0.2"]).toContain(address);
    }
  });

  it("is never what a peer that is not trusted says", () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.oneof(fc.ipV4(), fc.ipV6(), fc.string()), (remote, said) => {
        fc.pre(!trusted.has(remote));
        expect(from(remote, said)).toBe(remote);
      }),
    );
  });

  it("is always the last one that is no proxy's, whatever stands before it", () => {
    const proxies = fc.array(fc.constantFrom("10.1.2.3", "192.0.2.7", "::1", "2001:db8:ffff::5"), {
      maxLength: 5,
    });
    fc.assert(
      fc.property(fc.string(), fc.ipV4(), proxies, (before, client, proxies) => {
        fc.pre(!trusted.has(client));
        const chain = [client, ...proxies].join(", ");
        expect(from("10.0.0.1", before === "" ? chain : `${before},${chain}`)).toBe(client);
      }),
    );
  });
});

describe("the trusted proxies", () => {
  it("are addresses and networks of both kinds", () => {
    const { trusted, mistakes } = parseTrusted("10.0.0.0/8,::1, fd00::/8 ,192.0.2.7/32,::ffff:192.0.2.9");
    expect(mistakes).toEqual([]);
    const has = ["10.255.0.1", "::1", "0:0::0:1", "fd12::1", "192.0.2.7", "::ffff:10.0.0.1", "192.0.2.9"];
    const hasNot = ["11.0.0.1", "::2", "fe80::1", "192.0.2.8", "unknown", "", "10.0.0.1.evil.test"];
    expect(has.map((address) => trusted.has(address))).toEqual(has.map(() => true));
    expect(hasNot.map((address) => trusted.has(address))).toEqual(hasNot.map(() => false));
  });

  it("are none by default", () => {
    const { trusted, mistakes } = parseTrusted("");
    expect([trusted.has("127.0.0.1"), trusted.has("::1"), mistakes]).toEqual([false, false, []]);
  });

  it.each([
    "10.0.0.0/33",
    "::/129",
    "localhost",
    "10.0.0",
    "10.0.0.0/",
    "10.0.0.0/8/8",
    "10.0.0.0/x",
    "::ffff:10.0.0.0/104",
    "/8",
  ])("are not %s, and the others are kept", (entry) => {
    const { trusted, mistakes } = parseTrusted(`${entry},192.0.2.7`);
    expect(mistakes).toEqual([expect.stringContaining(`"${entry}" is no address`)]);
    expect([trusted.has("192.0.2.7"), trusted.has("10.0.0.1")]).toEqual([true, false]);
  });

  it.each(["0.0.0.0/0", "::/0"])("are not everybody: %s", (entry) => {
    const { trusted, mistakes } = parseTrusted(entry);
    expect(mistakes).toEqual([expect.stringContaining("everybody")]);
    expect([trusted.has("192.0.2.1"), trusted.has("2001:db8::1")]).toEqual([false, false]);
  });
});

describe("what an address counts as", () => {
  it.each([
    ["192.0.2.1", "192.0.2.1"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["::1", "0:0:0:0::/64"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:db8:1:2::", "2001:db8:1:2::/64"],
    ["2001:0DB8:0001::3", "2001:db8:1:0::/64"],
    ["fe80::1%eth0", "fe80:0:0:0::/64"],
    ["unknown", "unknown"],
  ])("%s is %s", (address, key) => {
    expect(addressKey(address)).toBe(key);
  });

  it("is one for a network's addresses, and another for each other network's", () => {
    const group = fc.nat(0xffff).map((group) => group.toString(16));
    const half = fc.tuple(group, group, group, group).map((groups) => groups.join(":"));
    fc.assert(
      fc.property(half, half, half, half, (network, other, host, another) => {
        // In IPv6's form of IPv4 both halves matter.
        fc.pre(network !== "0:0:0:0" && other !== "0:0:0:0" && network !== other);
        expect(addressKey(`${network}:${host}`)).toBe(addressKey(`${network}:${another}`));
        expect(addressKey(`${network}:${host}`)).not.toBe(addressKey(`${other}:${host}`));
      }),
    );
  });

  it("has one spelling for each address, and none for what is no address", () => {
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        const normal = normalAddress(address) ?? "";
        expect(normalAddress(normal)).toBe(normal);
        expect(normalAddress(address.toUpperCase())).toBe(normal);
      }),
    );
    for (const text of ["", "x", "1.2.3", "1.2.3.4.5", "::g", "1:2:3"])
      expect(normalAddress(text)).toBeUndefined();
  });
});
