import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Identity } from "../../../src/auth/identity.ts";
import { Revocations, type TokenEnd } from "../../../src/auth/revocations.ts";
import { silentLogger } from "../../../src/ops/log.ts";
import { MemoryStore } from "../../../src/store/memory.ts";
import { CutOffStore } from "../../support/cut-off-store.ts";

const DAY_MS = 24 * 60 * 60 * 1_000;
const identity = (fields: Partial<Identity> = {}): Identity => ({
  subject: "ada",
  role: "operator",
  grant: { sandboxes: ["*"], actFor: false },
  tokenId: "t1",
  expiresAt: Date.now() + 60_000,
  ...fields,
});

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

async function started(store = new CutOffStore(new MemoryStore())) {
  const revocations = new Revocations(store, silentLogger);
  await revocations.start();
  const ends: TokenEnd[] = [];
  return { store, revocations, ends, ended: (how: TokenEnd) => void ends.push(how) };
}

describe("a watched token", () => {
  it("ends at its time, to the moment, and once", async () => {
    const { revocations, ends, ended } = await started();
    revocations.watch(identity({ expiresAt: Date.now() + 1_234 }), ended);
    await vi.advanceTimersByTimeAsync(1_233);
    expect(ends).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(ends).toEqual(["token_expired"]);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(ends).toHaveLength(1);
    await revocations.close();
  });

  it("that lasts longer than a timer can wait does not end early", async () => {
    const { revocations, ends, ended } = await started();
    revocations.watch(identity({ expiresAt: Date.now() + 40 * DAY_MS }), ended);
    revocations.watch(identity({ expiresAt: Date.now() + 1_000 }), () => {});
    await vi.advanceTimersByTimeAsync(2_000);
    expect(ends).toEqual([]);
    await revocations.close();
  });

  it("lives as long as the one that takes its place", async () => {
    const { revocations, ends, ended } = await started();
    const watch = revocations.watch(identity({ expiresAt: Date.now() + 1_000 }), ended);
    watch.update(identity({ tokenId: "t2", expiresAt: Date.now() + 3_000 }));
    await vi.advanceTimersByTimeAsync(2_999);
    expect(ends).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(ends).toEqual(["token_expired"]);
    await revocations.close();
  });

  it("is let go of", async () => {
    const { revocations, ends, ended } = await started();
    revocations.watch(identity({ expiresAt: Date.now() + 1_000 }), ended).stop();
    await vi.advanceTimersByTimeAsync(2_000);
    expect(ends).toEqual([]);
    await revocations.close();
  });
});

describe("a revocation", () => {
  it("reaches this node at once, and others within a second, by the token's id or its link's", async () => {
    const shared = new MemoryStore();
    const [one, two] = [await started(new CutOffStore(shared)), await started(new CutOffStore(shared))];
    one.revocations.watch(identity({ tokenId: "t1" }), one.ended);
    two.revocations.watch(identity({ tokenId: "s1", linkId: "box.l1" }), two.ended);
    two.revocations.watch(identity({ tokenId: "innocent" }), two.ended);
    await one.revocations.revoke("t1", Date.now() + DAY_MS);
    expect(one.ends).toEqual(["token_revoked"]);
    await one.revocations.revoke("box.l1", Date.now() + DAY_MS);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(two.ends).toEqual(["token_revoked"]);
    expect(two.revocations.isRevoked(identity({ tokenId: "t1" }))).toBe(true);
    expect(two.revocations.isRevoked(identity({ tokenId: "other" }))).toBe(false);
    await Promise.all([one.revocations.close(), two.revocations.close()]);
  });

  it("is forgotten once the token would have ended by itself", async () => {
    const { revocations } = await started();
    await revocations.revoke("t1", Date.now() + 2_000);
    expect(revocations.isRevoked(identity())).toBe(true);
    await vi.advanceTimersByTimeAsync(12_000);
    expect(revocations.isRevoked(identity())).toBe(false);
    await revocations.close();
  });

  it("is known to a node that starts later", async () => {
    const shared = new MemoryStore();
    const first = await started(new CutOffStore(shared));
    await first.revocations.revoke("t1", Date.now() + DAY_MS);
    const second = await started(new CutOffStore(shared));
    expect(second.revocations.isRevoked(identity())).toBe(true);
    await Promise.all([first.revocations.close(), second.revocations.close()]);
  });

  it("is told again to a store that lost it, also when the first attempt fails", async () => {
    const { store, revocations } = await started();
    await revocations.revoke("t1", Date.now() + DAY_MS);
    const mark = vi.spyOn(store, "mark").mockRejectedValueOnce(new Error("lost again"));
    vi.spyOn(store, "marksSince").mockImplementation(async (version) => ({
      version: 1,
      reset: version !== 1,
      marks: [],
    }));
    await vi.advanceTimersByTimeAsync(2_000);
    expect(mark.mock.calls.map(([id]) => id)).toEqual(["revoked:t1", "revoked:t1"]);
    expect(revocations.isRevoked(identity())).toBe(true);
    await revocations.close();
  });
});

describe("while the store is away", () => {
  it("no token is taken once ten seconds have passed, and sockets stay until their time", async () => {
    const { store, revocations, ends, ended } = await started();
    revocations.watch(identity({ expiresAt: Date.now() + 30_000 }), ended);
    store.cut();
    await vi.advanceTimersByTimeAsync(9_000);
    expect(revocations.isRevoked(identity())).toBe(false);
    await vi.advanceTimersByTimeAsync(2_500);
    expect(() => revocations.isRevoked(identity())).toThrow("cannot find out which tokens were revoked");
    expect(ends).toEqual([]);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(ends).toEqual(["token_expired"]);
    store.restore();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(revocations.isRevoked(identity())).toBe(false);
    await revocations.close();
  });

  it("from the start, nobody is let in before it was asked", async () => {
    const store = new CutOffStore(new MemoryStore());
    store.cut();
    const { revocations } = await started(store);
    expect(() => revocations.isRevoked(identity())).toThrow("cannot find out");
    await revocations.close();
  });
});
