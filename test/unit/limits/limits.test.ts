import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BatonError } from "../../../protocol/errors.ts";
import { parseTrusted } from "../../../src/limits/client-address.ts";
import { Limits, type LimitsOptions } from "../../../src/limits/limits.ts";
import { type LimitSettings } from "../../../src/limits/settings.ts";

const ADDRESS = "192.0.2.1";
const OTHER = "192.0.2.2";

/** Limits whose clock the test turns. */
function limits(settings: Partial<LimitSettings> = {}, over: LimitsOptions = {}) {
  let now = 0;
  return {
    limits: new Limits({ settings, now: () => now, ...over }),
    pass: (ms: number) => {
      now += ms;
    },
  };
}

function refusal(act: () => unknown): BatonError {
  try {
    act();
  } catch (error) {
    if (error instanceof BatonError) return error;
    throw error;
  }
  throw new Error("it was not refused");
}

type Act = (limits: Limits, address: string, subject: string) => void;
const RATES: [string, keyof LimitSettings, "address" | "subject", Act][] = [
  ["handshakes", "handshakesPerMinute", "address", (limits, address) => limits.handshake(address)],
  ["requests", "requestsPerMinute", "address", (limits, address) => limits.request(address)],
  ["calls", "callsPerMinute", "subject", (limits, _, subject) => limits.call(subject)],
  [
    "handoff_requests",
    "handoffRequestsPerMinute",
    "subject",
    (limits, _, subject) => limits.kind(subject, "handoff.request"),
  ],
  [
    "sandboxes",
    "sandboxesPerMinute",
    "subject",
    (limits, _, subject) => limits.kind(subject, "sandbox.create"),
  ],
  ["links", "linksPerMinute", "subject", (limits, _, subject) => limits.kind(subject, "link.create")],
  [
    "cdp_connects",
    "cdpConnectsPerMinute",
    "subject",
    (limits, _, subject) => limits.kind(subject, "cdp.connect"),
  ],
];

describe("limits by rate", () => {
  it.each(RATES)(
    "of %s let a minute's number through at once, then a sixtieth each second",
    (limit, setting, by, act) => {
      const { limits: held, pass } = limits({ [setting]: 60 });
      for (let use = 0; use < 60; use += 1) act(held, ADDRESS, "ann");
      const error = refusal(() => act(held, ADDRESS, "ann"));
      expect(error).toMatchObject({ code: "rate_limited", details: { limit, retryAfterMs: 1_000 } });
      expect(error.message).toContain(setting);
      // The other half of the pair does not matter, and nobody else is held.
      if (by === "address") expect(refusal(() => act(held, ADDRESS, "bob")).code).toBe("rate_limited");
      else expect(refusal(() => act(held, OTHER, "ann")).code).toBe("rate_limited");
      act(held, OTHER, "bob");
      pass(1_000);
      act(held, ADDRESS, "ann");
      expect(refusal(() => act(held, ADDRESS, "ann")).code).toBe("rate_limited");
    },
  );

  it("hold each kind of operation apart, and no other operation", () => {
    const { limits: held } = limits({ linksPerMinute: 1, callsPerMinute: 1 });
    held.kind("ann", "link.create");
    expect(refusal(() => held.kind("ann", "link.create")).details).toMatchObject({ limit: "links" });
    held.kind("ann", "cdp.connect");
    for (let use = 0; use < 100_000; use += 1) held.kind("ann", "sandbox.join");
    held.call("ann");
  });

  it.each(RATES)("of %s are none when set to 0", (_, setting, _by, act) => {
    const { limits: held } = limits({ [setting]: 0 });
    for (let use = 0; use < 100_000; use += 1) act(held, ADDRESS, "ann");
  });

  it("stop whoever sends tokens that are not valid, and let in again in time", () => {
    const { limits: held, pass } = limits({ failedTokensPerMinute: 60 });
    for (let use = 0; use < 60; use += 1) {
      held.mayTry(ADDRESS);
      held.refusedToken(ADDRESS);
    }
    expect(refusal(() => held.mayTry(ADDRESS))).toMatchObject({
      code: "rate_limited",
      details: { limit: "failed_tokens", retryAfterMs: 1_000 },
    });
    held.mayTry(OTHER);
    pass(1_000);
    held.mayTry(ADDRESS);
    // Valid ones cost nothing.
    for (let use = 0; use < 1_000; use += 1) held.mayTry(ADDRESS);
  });

  it("count the tokens that were tried at the same time", () => {
    const { limits: held, pass } = limits({ failedTokensPerMinute: 60 });
    for (let use = 0; use < 100; use += 1) held.mayTry(ADDRESS);
    for (let use = 0; use < 100; use += 1) held.refusedToken(ADDRESS);
    pass(40_000);
    expect(refusal(() => held.mayTry(ADDRESS)).details).toEqual({
      limit: "failed_tokens",
      retryAfterMs: 1_000,
    });
  });

  it("count the addresses of one IPv6 network as one", () => {
    const { limits: held } = limits({ handshakesPerMinute: 2 });
    held.handshake("2001:db8:1:2::1");
    held.handshake("2001:db8:1:2:ffff::9");
    expect(refusal(() => held.handshake("2001:db8:1:2:3:4:5:6")).code).toBe("rate_limited");
    held.handshake("2001:db8:1:3::1");
    held.handshake("::ffff:192.0.2.1");
    held.handshake("192.0.2.1");
    expect(refusal(() => held.handshake("192.0.2.1")).code).toBe("rate_limited");
  });
});

describe("limits by number", () => {
  it("of sockets hold an address and a subject, and free what is released", () => {
    const { limits: held } = limits({ socketsPerAddress: 3, socketsPerSubject: 2 });
    const first = held.socket(ADDRESS, "ann");
    held.socket(OTHER, "ann");
    expect(refusal(() => held.socket(ADDRESS, "ann"))).toMatchObject({
      code: "too_many",
      details: { limit: "sockets_per_subject", retryAfterMs: 5_000 },
    });
    held.socket(ADDRESS, "bob");
    held.socket(ADDRESS, "bob");
    expect(refusal(() => held.socket(ADDRESS, "cid"))).toMatchObject({
      code: "too_many",
      details: { limit: "sockets_per_address", retryAfterMs: 5_000 },
    });
    first();
    held.socket(ADDRESS, "ann");
    expect(refusal(() => held.socket(ADDRESS, "cid")).code).toBe("too_many");
  });

  it("count a release once, however often it is called", () => {
    const { limits: held } = limits({ socketsPerAddress: 2, socketsPerSubject: 2, waitsPerSubject: 2 });
    for (const [act, free] of [
      [() => held.socket(ADDRESS, "ann"), () => held.socket(OTHER, "ann")],
      [() => held.socket(ADDRESS, "bob"), () => held.socket(ADDRESS, "cid")],
      [() => held.wait("ann"), () => held.wait("ann")],
    ] as const) {
      const [first, second] = [act(), act()];
      for (let time = 0; time < 5; time += 1) first();
      const third = free();
      expect(refusal(free).code).toBe("too_many");
      for (const release of [second, third]) release();
    }
  });

  it("count nothing of what they refuse", () => {
    const { limits: held } = limits({ socketsPerAddress: 2, socketsPerSubject: 1 });
    held.socket(ADDRESS, "ann");
    for (let use = 0; use < 10; use += 1) refusal(() => held.socket(ADDRESS, "ann"));
    held.socket(ADDRESS, "bob");
  });

  it("of waiting calls hold a subject", () => {
    const { limits: held } = limits({ waitsPerSubject: 1 });
    const release = held.wait("ann");
    expect(refusal(() => held.wait("ann"))).toMatchObject({
      code: "too_many",
      details: { limit: "waits_per_subject", retryAfterMs: 5_000 },
    });
    held.wait("bob");
    release();
    held.wait("ann");
  });

  it("of connections drop those beyond, and count none of the dropped", () => {
    const { limits: held } = limits({ connectionsPerAddress: 2 });
    expect([1, 2, 3, 4].map(() => held.connection(ADDRESS))).toEqual([true, true, false, false]);
    expect(held.connection(OTHER)).toBe(true);
    held.connectionClosed(ADDRESS);
    expect([1, 2].map(() => held.connection(ADDRESS))).toEqual([true, false]);
  });

  it("are none when set to 0", () => {
    const none = { connectionsPerAddress: 0, socketsPerAddress: 0, socketsPerSubject: 0, waitsPerSubject: 0 };
    const { limits: held } = limits(none);
    for (let use = 0; use < 10_000; use += 1) {
      if (!held.connection(ADDRESS)) expect.unreachable();
      held.socket(ADDRESS, "ann");
      held.wait("ann");
    }
  });

  it("are as they were once everything is released, each once or more often", () => {
    const max = 3;
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(2), fc.nat(9), fc.nat(3)), { maxLength: 100 }), (acts) => {
        const { limits: held } = limits({
          socketsPerAddress: max,
          socketsPerSubject: max,
          waitsPerSubject: max,
        });
        const open: { release: () => void; times: number; of: string }[] = [];
        for (const [kind, who, again] of acts) {
          if (kind === 2) {
            const one = open[who % Math.max(1, open.length)];
            for (let time = 0; time <= again; time += 1) one?.release();
            if (one) one.times += 1;
            continue;
          }
          const of = `${kind === 0 ? "socket" : "wait"} of subject ${who % 3}`;
          const living = open.filter((one) => one.times === 0 && one.of === of).length;
          const act = () =>
            kind === 0
              ? held.socket(`192.0.2.${who % 3}`, `subject ${who % 3}`)
              : held.wait(`subject ${who % 3}`);
          if (living >= max) expect(refusal(act).code).toBe("too_many");
          else open.push({ release: act(), times: 0, of });
        }
        for (const { release } of open) release();
        for (let who = 0; who < 3; who += 1) {
          for (let use = 0; use < max; use += 1) {
            held.socket(`192.0.2.${who}`, `subject ${who}`);
            held.wait(`subject ${who}`);
          }
        }
      }),
    );
  });
});

describe("exempt addresses", () => {
  const exempt = parseTrusted("127.0.0.0/8, ::1").trusted;
  const one: Partial<LimitSettings> = {
    connectionsPerAddress: 1,
    socketsPerAddress: 1,
    handshakesPerMinute: 1,
    requestsPerMinute: 1,
    failedTokensPerMinute: 1,
  };

  it.each(["127.0.0.1", "::1", "::ffff:127.0.0.1"])("are held to no limit by address: %s", (address) => {
    const { limits: held } = limits(one, { exempt });
    for (let use = 0; use < 10; use += 1) {
      expect(held.connection(address)).toBe(true);
      held.handshake(address);
      held.request(address);
      held.refusedToken(address);
      held.mayTry(address);
      held.socket(address, `subject ${use}`);
    }
  });

  it("are held to those by subject, and others to all", () => {
    const { limits: held } = limits({ ...one, socketsPerSubject: 1 }, { exempt });
    held.socket("127.0.0.1", "ann");
    expect(refusal(() => held.socket("127.0.0.1", "ann")).details).toMatchObject({
      limit: "sockets_per_subject",
    });
    held.handshake(ADDRESS);
    expect(refusal(() => held.handshake(ADDRESS)).code).toBe("rate_limited");
  });
});

describe("a socket's meter", () => {
  it.each([
    ["messages", { messagesPerSecond: 2 }, 20, 1, 0],
    ["bytes", { bytesPerSecond: 100 }, 10, 100, 0],
    ["input_events", { inputEventsPerSecond: 8 }, 10, 1, 8],
  ])(
    "lets ten seconds' %s through at once, and refuses what follows",
    (limit, settings, most, bytes, events) => {
      const { limits: held, pass } = limits(settings);
      const meter = held.meter();
      for (let use = 0; use < most; use += 1) expect(meter.take("input", bytes, events)).toBeUndefined();
      const error = meter.take("input", bytes, events);
      expect(error).toMatchObject({ code: "rate_limited", details: { limit } });
      expect(meter.tooMuch).toBe(false);
      expect(held.meter().take("input", bytes, events)).toBeUndefined();
      pass(Number(error?.details?.["retryAfterMs"]));
      expect(meter.take("input", bytes, events)).toBeUndefined();
    },
  );

  it("asks nothing of a message without input when there was too much input", () => {
    const { limits: held } = limits({ inputEventsPerSecond: 1 });
    const meter = held.meter();
    expect(meter.take("input", 10, 10)).toBeUndefined();
    expect(meter.take("input", 10, 1)).toBeDefined();
    expect(meter.take("control.release", 10, 0)).toBeUndefined();
  });

  it("takes one message that is larger than its bucket, and lets the next wait for it", () => {
    const meter = limits({ bytesPerSecond: 10 }).limits.meter();
    expect(meter.take("input", 1_000, 0)).toBeUndefined();
    expect(meter.take("input", 1, 0)?.details).toMatchObject({ limit: "bytes" });
  });

  it("is 0 for unlimited", () => {
    const { limits: held } = limits({ messagesPerSecond: 0, inputEventsPerSecond: 0, bytesPerSecond: 0 });
    const meter = held.meter();
    for (let use = 0; use < 50_000; use += 1) if (meter.take("input", 1_000_000, 64)) expect.unreachable();
  });

  it("says that it is too much when a peer goes on for long although it is refused", () => {
    const { limits: held, pass } = limits({ messagesPerSecond: 10 });
    const meter = held.meter();
    let sent = 0;
    for (; !meter.tooMuch; sent += 1) {
      expect(sent, "a hundred a second for ten seconds, and the burst before").toBeLessThan(1_300);
      meter.take("ping", 10, 0);
      pass(10);
    }
    expect(sent).toBeGreaterThan(1_000);
  });

  it("says so at once of a flood that costs more than to wait", () => {
    const meter = limits({ messagesPerSecond: 10 }).limits.meter();
    let sent = 0;
    for (; !meter.tooMuch && sent < 20_000; sent += 1) meter.take("ping", 10, 0);
    expect(sent).toBeGreaterThan(5_000);
    expect(sent).toBeLessThan(15_000);
  });

  it("does not say so of a peer that waits when it is told to, however often", () => {
    const { limits: held, pass } = limits({ messagesPerSecond: 10 });
    const meter = held.meter();
    for (let round = 0; round < 200; round += 1) {
      for (let use = 0; use < 150; use += 1) meter.take("sandbox.join", 100, 0);
      pass(2_000);
      expect(meter.tooMuch).toBe(false);
    }
  });

  it("does not say so of a peer a little over its limit", () => {
    const { limits: held, pass } = limits({ messagesPerSecond: 100 });
    const meter = held.meter();
    for (let use = 0; use < 1_000; use += 1) meter.take("ping", 10, 0);
    let refused = 0;
    for (let use = 0; use < 3_000; use += 1) {
      if (meter.take("ping", 10, 0)) refused += 1;
      pass(9.8);
    }
    expect(refused).toBeGreaterThan(30);
    expect(meter.tooMuch).toBe(false);
  });
});

describe("the defaults", () => {
  it("never refuse a person whose pointer moves at 125 Hz, with three sandboxes' previews, for ten minutes", () => {
    const { limits: held, pass } = limits();
    const meter = held.meter();
    for (let beat = 0; beat < 125 * 600; beat += 1) {
      if (meter.take("input", 220, 1)) expect.unreachable();
      if (beat % 4 === 0) for (let preview = 0; preview < 3; preview += 1) meter.take("preview.ack", 60, 0);
      pass(8);
    }
    // A network that stood still for five seconds, then everything at once; and a page of text to paste.
    for (let late = 0; late < 125 * 5; late += 1) expect(meter.take("input", 220, 1)).toBeUndefined();
    expect(meter.take("input", 200_000, 1)).toBeUndefined();
  });

  it("never refuse a program that comes back to a thousand sandboxes at once, three times in a row", () => {
    const { limits: held, pass } = limits();
    for (let time = 0; time < 3; time += 1) {
      held.mayTry(ADDRESS);
      held.handshake(ADDRESS);
      const release = held.socket(ADDRESS, "sdk");
      const meter = held.meter();
      for (let sandbox = 0; sandbox < 1_000; sandbox += 1) {
        for (const type of ["sandbox.join", "resume.claim", "handoff.get", "preview.start"]) {
          expect(meter.take(type, 200, 0)).toBeUndefined();
          held.call("sdk");
        }
      }
      release();
      pass(1_000);
    }
  });

  it("never refuse a thousand agents behind one address and one token that start, connect and ask at once", () => {
    const { limits: held } = limits();
    for (let agent = 0; agent < 1_000; agent += 1) {
      for (const operation of ["sandbox.create", "cdp.connect", "handoff.request", "link.create"] as const) {
        expect(held.connection(ADDRESS)).toBe(true);
        held.request(ADDRESS);
        held.call("fleet");
        held.kind("fleet", operation);
      }
      for (let socket = 0; socket < 2; socket += 1) {
        held.handshake(ADDRESS);
        held.socket(ADDRESS, "fleet");
      }
      for (let poll = 0; poll < 2; poll += 1) held.wait("fleet");
    }
  });

  it("never refuse an agent that makes two hundred calls a second, all day", () => {
    const { limits: held, pass } = limits();
    const meter = held.meter();
    for (let call = 0; call < 200 * 600; call += 1) {
      held.request(ADDRESS);
      held.call("agent");
      if (meter.take("handoff.get", 500, 0)) expect.unreachable();
      pass(5);
    }
  });
});
