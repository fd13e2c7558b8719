import type { LookupAddress } from "node:dns";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { targetPolicy, type Resolve, type TargetPolicy } from "../../../src/targets/policy.ts";

/** What each name leads to; others do not exist. */
const NAMES: Readonly<Record<string, readonly string[]>> = {
  "site.example": ["93.184.216.34", "2606:2800:220:1::1"],
  "half.example": ["93.184.216.34", "10.0.0.7"],
  "half6.example": ["93.184.216.34", "fd12::1"],
  "inner.example": ["10.0.0.7"],
  "meta.example": ["169.254.169.254"],
  "meta6.example": ["fd00:ec2::254"],
  "mapped.example": ["::ffff:169.254.169.254"],
  "loop.example": ["127.0.0.1"],
  "browsers.internal": ["10.0.0.7"],
  "a.svc.cluster.local": ["10.1.2.3"],
  "svc.cluster.local": ["10.1.2.3"],
  "evil.svc.cluster.local": ["169.254.169.254"],
  "xn--mnchen-3ya.example": ["10.0.0.9"],
  "empty.example": [],
  "odd.example": ["not an address"],
};

const resolve: Resolve = async (host) => {
  const found = NAMES[host.replace(/\.$/, "")];
  if (!found) throw new Error("ENOTFOUND");
  return found.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
};

function policy(rules: string): TargetPolicy {
  return targetPolicy(rules, "BATON_TEST_TARGETS", { resolve });
}

async function allows(rules: string, url: string): Promise<boolean> {
  return policy(rules)
    .check(url)
    .then(
      () => true,
      (error: { code?: string }) => {
        expect(error.code).toBe("target_refused");
        return false;
      },
    );
}

const answers = (from: TargetPolicy, host: string): Promise<LookupAddress[]> =>
  new Promise((resolve, reject) => {
    from.lookup(host, { all: true }, (error, found) =>
      error ? reject(error) : resolve(found as LookupAddress[]),
    );
  });

describe("targetPolicy", () => {
  it.each([
    ["*", "http://169.254.169.254/latest"],
    ["*", "file:///etc/passwd"],
    ["public", "http://93.184.216.34/"],
    ["public", "https://site.example/"],
    ["public", "https://user:secret@site.example./"],
    ["public", "http://[2606:2800:220:1::1]/"],
    ["public", "http://[64:ff9b::5db8:d822]/"],
    ["public", "http://[::ffff:93.184.216.34]/"],
    ["private", "http://inner.example/"],
    ["private", "http://192.168.1.1:8080/"],
    ["private", "http://100.64.0.1/"],
    ["private", "http://[fd12::1]/"],
    ["private,public", "http://half.example/"],
    ["loopback", "http://127.0.0.1:9222/"],
    ["loopback", "http://[::1]:9222/"],
    ["loopback", "ws://localhost:9222/devtools"],
    ["loopback", "ws://anything.localhost./"],
    ["loopback", "http://0x7f.1/"],
    ["loopback", "http://[::ffff:7f00:1]/"],
    ["loopback", "http://loop.example/"],
    ["10.0.0.0/8", "http://10.255.0.1/"],
    ["10.0.0.0/8", "http://inner.example/"],
    ["10.0.0.0/8", "http://167772161/"],
    ["10.0.0.0/8", "http://[64:ff9b::a00:1]/"],
    ["::ffff:10.0.0.0/104", "http://10.0.0.1/"],
    ["fd00::/8", "http://[fd12::1]/"],
    ["[fd00::/8]:9222", "http://[fd12::1]:9222/"],
    ["[fd12::1]:9222", "http://[fd12::1]:9222/"],
    ["fd12::1", "http://[fd12::1]:9222/"],
    ["10.0.0.7:9222", "ws://10.0.0.7:9222/"],
    ["10.0.0.0/8:80", "http://10.0.0.7/"],
    ["browsers.internal", "http://browsers.internal:9222/"],
    ["Browsers.Internal.", "http://BROWSERS.internal./"],
    ["browsers.internal:443", "wss://browsers.internal/"],
    ["loop.example", "http://loop.example/"],
    ["half6.example", "http://half6.example/"],
    ["*.svc.cluster.local", "http://a.svc.cluster.local/"],
    ["münchen.example", "http://MÜNCHEN.example/"],
    ["169.254.169.254", "http://169.254.169.254/"],
    ["169.254.0.0/16", "http://meta.example/"],
    ["meta.example, 169.254.169.254", "http://meta.example/"],
    ["fd00:ec2::254", "http://meta6.example/"],
    ["*:443", "https://169.254.169.254/"],
    ["0.0.0.0/0", "http://0.0.0.0/"],
    [" public , loopback:1 ", "http://127.0.0.1:1/"],
  ])("%s allows %s", async (rules, url) => {
    expect(await allows(rules, url)).toBe(true);
  });

  it.each([
    ["public", "http://127.0.0.1/"],
    ["public", "http://127.1/"],
    ["public", "http://2130706433/"],
    ["public", "http://0x7f000001/"],
    ["public", "http://0177.0.0.1/"],
    ["public", "http://127.0.0.1./"],
    ["public", "http://①②⑦.0.0.1/"],
    ["public", "http://localhost/"],
    ["public", "http://localhost./"],
    ["public", "http://x.localhost/"],
    ["public", "http://0.0.0.0/"],
    ["public", "http://0/"],
    ["public", "http://[::]/"],
    ["public", "http://[::1]/"],
    ["public", "http://[::127.0.0.1]/"],
    ["public", "http://[::ffff:127.0.0.1]/"],
    ["public", "http://[0:0:0:0:0:ffff:a9fe:a9fe]/"],
    ["public", "http://[64:ff9b::7f00:1]/"],
    ["public", "http://[64:ff9b::a9fe:a9fe]/"],
    ["public", "http://[64:ff9b:1::a00:1]/"],
    ["public", "http://[2002:7f00:1::]/"],
    ["public", "http://[2001:0:4136:e378::1]/"],
    ["public", "http://[2001:db8::1]/"],
    ["public", "http://[3fff::1]/"],
    ["public", "http://[fe80::1]/"],
    ["public", "http://[fec0::1]/"],
    ["public", "http://[ff02::1]/"],
    ["public", "http://[fd12::1]/"],
    ["public", "http://[100::1]/"],
    ["public", "http://10.0.0.1/"],
    ["public", "http://172.31.255.255/"],
    ["public", "http://192.168.0.1/"],
    ["public", "http://100.64.0.1/"],
    ["public", "http://169.254.169.254/"],
    ["public", "http://168.63.129.16/"],
    ["public", "http://192.0.0.192/"],
    ["public", "http://192.0.2.1/"],
    ["public", "http://198.18.0.1/"],
    ["public", "http://198.51.100.1/"],
    ["public", "http://203.0.113.1/"],
    ["public", "http://192.88.99.1/"],
    ["public", "http://224.0.0.1/"],
    ["public", "http://239.255.255.250/"],
    ["public", "http://240.0.0.1/"],
    ["public", "http://255.255.255.255/"],
    ["public", "http://site.example@127.0.0.1/"],
    ["public", "http://127.0.0.1\\@site.example/"],
    ["public", "http://half.example/"],
    ["public", "http://half6.example/"],
    ["public", "http://mapped.example/"],
    ["public", "http://inner.example/"],
    ["public", "http://missing.example/"],
    ["public", "http://empty.example/"],
    ["public", "http://odd.example/"],
    ["public", "file:///etc/passwd"],
    ["public", "ftp://site.example/"],
    ["public", "gopher://site.example/"],
    ["public", "view-source:http://site.example/"],
    ["public", "http://"],
    ["public", "//site.example/"],
    ["public", ""],
    ["private", "http://100.100.100.200/"],
    ["private", "http://[fd00:ec2::254]/"],
    ["private", "http://[fd20:ce::254]/"],
    ["private", "http://93.184.216.34/"],
    ["private", "http://127.0.0.1/"],
    ["private,loopback,public", "http://169.254.169.254/"],
    ["loopback", "http://0.0.0.0/"],
    ["loopback", "http://10.0.0.1/"],
    ["0.0.0.0/0", "http://169.254.169.254/"],
    ["0.0.0.0/0", "http://168.63.129.16/"],
    ["fd00::/8", "http://[fd00:ec2::254]/"],
    ["fd00::/8", "http://meta6.example/"],
    ["::/0", "http://[2002:a9fe:a9fe::]/"],
    ["::/0", "http://[::ffff:10.0.0.1]/"],
    ["::/0", "http://half6.example/"],
    ["meta.example", "http://meta.example/"],
    ["meta6.example", "http://meta6.example/"],
    ["mapped.example", "http://mapped.example/"],
    ["*.svc.cluster.local", "http://evil.svc.cluster.local/"],
    ["*.svc.cluster.local", "http://svc.cluster.local/"],
    ["*.cluster.local", "http://acluster.local/"],
    ["browsers.internal", "http://10.0.0.7/"],
    ["browsers.internal", "http://browsers.internal.evil.example/"],
    ["browsers.internal", "http://browsers.internal@inner.example/"],
    ["10.0.0.7:9222", "http://10.0.0.7:9223/"],
    ["10.0.0.7:9222", "http://10.0.0.7/"],
    ["public:443", "http://site.example/"],
    ["*:443", "http://site.example/"],
    ["*:443", "file:///etc/passwd"],
    ["none", "http://site.example/"],
  ])("%s refuses %s", async (rules, url) => {
    expect(await allows(rules, url)).toBe(false);
  });

  it("is anything only with * at every port", () => {
    expect(policy("*").any).toBe(true);
    expect(policy("public,*").any).toBe(true);
    expect(policy("*:443").any).toBe(false);
    expect(policy("0.0.0.0/0,::/0").any).toBe(false);
  });

  it("names the setting and the host, and nothing of what the address holds or leads to", async () => {
    const refused = policy("public").check("http://user:secret@inner.example:8080/token?key=1");
    await expect(refused).rejects.toMatchObject({
      code: "target_refused",
      details: { setting: "BATON_TEST_TARGETS", host: "inner.example" },
    });
    const { message } = (await refused.catch((error: unknown) => error)) as Error;
    expect(message).toMatch(/BATON_TEST_TARGETS.*inner\.example/);
    expect(message).not.toMatch(/secret|token|key=1|10\.0\.0\.7/);
    // A name that does not exist reads the same as one that is refused.
    const missing = (await policy("public")
      .check("http://missing.example/")
      .catch((error: unknown) => error)) as Error;
    expect(missing.message).toBe(message.replaceAll("inner", "missing"));
  });

  it("leads a connection to what was checked, however the name changes (DNS rebinding)", async () => {
    const turns = ["93.184.216.34", "127.0.0.1"];
    let asked = 0;
    const changing = targetPolicy("public", "S", {
      resolve: async () => [{ address: turns[asked++] ?? "127.0.0.1", family: 4 }],
    });
    const { host, port, lookup } = await changing.destination("https://rebind.example/");
    expect([host, port]).toEqual(["rebind.example", 443]);
    const found = await new Promise((resolve) =>
      lookup("rebind.example", { all: true }, (_error, addresses) => resolve(addresses)),
    );
    expect(found).toEqual([{ address: "93.184.216.34", family: 4 }]);
    expect(asked).toBe(1);
    await expect(changing.destination("https://rebind.example/")).rejects.toMatchObject({
      code: "target_refused",
    });
  });

  it("answers a lookup with one address, with all, or with those of a family, as it is asked", async () => {
    const { lookup } = policy("public");
    const one = await new Promise((resolve) =>
      lookup("site.example", {}, (error, address, family) => resolve([error, address, family])),
    );
    expect(one).toEqual([null, "93.184.216.34", 4]);
    expect(await answers(policy("public"), "SITE.example")).toHaveLength(2);
    const six = await new Promise((resolve) =>
      lookup("site.example", { family: 6 }, (_error, address) => resolve(address)),
    );
    expect(six).toBe("2606:2800:220:1::1");
    await expect(answers(policy("public"), "half.example")).rejects.toMatchObject({ code: "target_refused" });
    // What it is for is not known: a rule for one port allows none.
    await expect(answers(policy("public:443"), "site.example")).rejects.toMatchObject({
      code: "target_refused",
    });
  });

  it("asks for no name where no rule could allow it, and for a bounded number at a time", async () => {
    let asked = 0;
    const release: (() => void)[] = [];
    const slow = targetPolicy("public:443", "S", {
      resolve: () => {
        asked += 1;
        return new Promise((resolve) =>
          release.push(() => resolve([{ address: "93.184.216.34", family: 4 }])),
        );
      },
    });
    await expect(slow.check("http://site.example/")).rejects.toMatchObject({ code: "target_refused" });
    expect(asked).toBe(0);
    const all = Array.from({ length: 300 }, (_, n) => slow.check(`https://n${n}.example/`));
    const settled = Promise.allSettled(all);
    expect(asked).toBe(256);
    for (const each of release) each();
    const results = await settled;
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(256);
    expect(results.at(-1)).toMatchObject({ reason: { code: "too_many", details: { limit: "lookups" } } });
  });
});

describe("a rule that cannot be read", () => {
  it.each([
    "",
    "public,",
    "publik/8",
    "10.0.0.0/33",
    "10.0.0.1/8",
    "fd00::/129",
    "fd00::1/8",
    "10.0.0/8",
    "10.0.0.0/",
    "1.2.3",
    "0x7f.1",
    "2130706433",
    "public:0",
    "public:65536",
    "public:x",
    "[10.0.0.1]:80",
    "[public]",
    "[fd00::",
    "http://site.example/",
    "user@site.example",
    "site.example/path",
    "*.*.example",
    "*.",
    "a b",
    "none,public",
    "public;private",
    "a..b",
    "site..example\u0000",
    "fe80::1%eth0",
  ])("%j is named, with what a rule is", (rules) => {
    const bad = rules.split(",").at(-1) ?? "";
    expect(() => policy(rules)).toThrow(
      expect.objectContaining({
        name: "TargetRuleError",
        message: expect.stringMatching(/".*" .*; give a list.*public.*10\.0\.0\.0\/8/) as string,
      }) as Error,
    );
    if (!rules.includes("none")) expect(() => policy(rules)).toThrow(`"${bad}"`);
  });
});

describe("any address", () => {
  const octet = fc.nat(255);
  const v4 = fc.tuple(octet, octet, octet, octet);
  const group = fc.nat(0xffff);
  const v6 = fc.tuple(group, group, group, group, group, group, group, group);

  it("has one answer, however it is spelled", async () => {
    await fc.assert(
      fc.asyncProperty(
        v4,
        fc.constantFrom("public", "private", "loopback", "10.0.0.0/8"),
        async (bytes, rules) => {
          const [a, b, c, d] = bytes;
          const value = ((a * 256 + b) * 256 + c) * 256 + d;
          const hex = (n: number): string => n.toString(16);
          const mapped = `${hex(a * 256 + b)}:${hex(c * 256 + d)}`;
          const spellings = [
            `${a}.${b}.${c}.${d}`,
            `${a}.${b}.${c}.${d}.`,
            String(value),
            `0x${hex(value)}`,
            `0${a.toString(8)}.0x${hex(b)}.${c * 256 + d}`,
            `[::ffff:${a}.${b}.${c}.${d}]`,
            `[0:0:0:0:0:FFFF:${mapped}]`,
            `[64:ff9b::${mapped}]`,
          ];
          const results = await Promise.all(spellings.map(async (host) => allows(rules, `http://${host}/`)));
          expect(new Set(results).size, spellings[0]).toBe(1);
        },
      ),
      { numRuns: 300 },
    );
  });

  it("is allowed by name of a range exactly when it lies in it", async () => {
    await fc.assert(
      fc.asyncProperty(v4, fc.integer({ min: 8, max: 32 }), v4, async (base, prefix, other) => {
        const number = (bytes: readonly number[]): number => bytes.reduce((sum, byte) => sum * 256 + byte, 0);
        const size = 2 ** (32 - prefix);
        const start = Math.floor(number(base) / size) * size;
        const text = (value: number): string =>
          [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
        const inside = start + (number(other) % size);
        const rules = `${text(start)}/${prefix}`;
        const isIn = (value: number): boolean => value >= start && value < start + size;
        fc.pre(!/^(?:169\.254|168\.63|100\.100|192\.0\.0)\./.test(text(inside)));
        expect(await allows(rules, `http://${text(inside)}/`)).toBe(true);
        const outside = number(other);
        if (!isIn(outside)) expect(await allows(rules, `http://${text(outside)}/`)).toBe(false);
      }),
      { numRuns: 300 },
    );
  });

  it("is of one keyword at most, and link-local and metadata of none", async () => {
    const host = fc.oneof(
      v4.map((bytes) => bytes.join(".")),
      v6.map((groups) => `[${groups.map((each) => each.toString(16)).join(":")}]`),
      fc.tuple(octet, octet).map(([c, d]) => `169.254.${c}.${d}`),
      group.map((low) => `[fd00:ec2::${low.toString(16)}]`),
      group.map((low) => `[fe80::${low.toString(16)}]`),
    );
    await fc.assert(
      fc.asyncProperty(host, async (address) => {
        const url = `http://${address}/`;
        const by = await Promise.all(
          ["public", "private", "loopback"].map(async (rule) => allows(rule, url)),
        );
        const count = by.filter(Boolean).length;
        expect(count).toBeLessThanOrEqual(1);
        if (/^(?:169\.254\.|\[fd00:ec2:|\[fe80:)/.test(address)) {
          expect(count).toBe(0);
          expect(await allows("0.0.0.0/0,::/0,public,private,loopback", url)).toBe(false);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("behind a name that is allowed by where it leads must be allowed, each of them", async () => {
    const pool = [
      "93.184.216.34",
      "2606:2800:220:1::1",
      "10.0.0.7",
      "127.0.0.1",
      "169.254.169.254",
      "::1",
      "fd12::1",
    ];
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(fc.constantFrom(...pool), { minLength: 1 }), async (addresses) => {
        const leads = targetPolicy("public", "S", {
          resolve: async () =>
            addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
        });
        const isPublic = addresses.every((address) => pool.indexOf(address) < 2);
        const allowed = await leads.check("http://name.example/").then(
          () => true,
          () => false,
        );
        expect(allowed).toBe(isPublic);
      }),
    );
  });

  it("makes no text of an address, or of rules, throw anything else", async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.string(), fc.webUrl(), fc.string({ unit: "binary" })), async (text) => {
        await policy("10.0.0.0/8")
          .check(text)
          .catch((error: { code?: string }) => {
            expect(error.code).toBe("target_refused");
          });
        try {
          policy(text);
        } catch (error) {
          expect((error as Error).name).toBe("TargetRuleError");
        }
      }),
      { numRuns: 500 },
    );
  });
});
