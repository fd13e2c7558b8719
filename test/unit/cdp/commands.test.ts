import { describe, expect, it } from "vitest";
import { Commands, MAX_WAITING, understood, type Command } from "../../../src/cdp/commands.ts";
import type { Refusal } from "../../../src/cdp/messages.ts";
import { scanCommand } from "../../../src/cdp/scan.ts";
import { SessionState } from "../../../src/cdp/session-state.ts";

const MIB = 2 ** 20;

/** A queue, and what became of each command, by its id. */
function queue() {
  const log: string[] = [];
  const counts: number[] = [];
  const stuck = new Set<SessionState>();
  const commands = new Commands({
    fits: ({ session }) => !stuck.has(session),
    send: ({ id }) => void log.push(`sent ${id}`),
    refuse: ({ id }, { code }) => void log.push(`refused ${id} ${code}`),
    changed: (count) => void counts.push(count),
  });
  let lastId = 0;
  const command = (session: SessionState, given: Partial<Command> = {}): Command => {
    lastId += 1;
    const bytes = Buffer.from(`{"id":${lastId}}`);
    const method = "Runtime.evaluate";
    return {
      id: lastId,
      bytes,
      envelope: {},
      method,
      params: undefined,
      session,
      drives: true,
      dialog: 0,
      ...given,
    };
  };
  const one = new SessionState("ONE", "page", "T1");
  const two = new SessionState("TWO", "page", "T2");
  return { commands, command, log, counts, stuck, one, two };
}

const GONE: Refusal = { code: -32_001, message: "gone" };

describe("commands that wait", () => {
  it("G2: leave in the order of their session; one that may not leave keeps those behind it, in its session only", () => {
    const { commands, command, log, stuck, one, two } = queue();
    for (const session of [one, two, one, two, one]) expect(commands.add(command(session))).toBeNull();
    stuck.add(one);
    commands.flush();
    expect(log).toEqual(["sent 2", "sent 4"]);
    expect([commands.count, one.waiting, two.waiting]).toEqual([3, 3, 0]);
    expect(commands.of(one).map(({ id }) => id)).toEqual([1, 3, 5]);
    stuck.clear();
    commands.flush();
    expect(log.slice(2)).toEqual(["sent 1", "sent 3", "sent 5"]);
    expect([commands.count, one.waiting]).toEqual([0, 0]);
  });

  it("G2: a session whose first commands are being looked at keeps all of its own", () => {
    const { commands, command, log, one, two } = queue();
    commands.add(command(one));
    commands.add(command(two));
    one.checking = true;
    commands.flush();
    expect(log).toEqual(["sent 2"]);
  });

  it("G2: are 1,000 at most; more are refused with the number that wait", () => {
    const { commands, command, counts, one, two } = queue();
    for (let n = 0; n < MAX_WAITING; n += 1) expect(commands.add(command(n % 2 ? one : two))).toBeNull();
    expect(commands.add(command(one))).toMatchObject({
      code: -32_000,
      data: { code: "too_many", waiting: 1_000 },
    });
    expect([commands.count, one.waiting, counts.at(-1)]).toEqual([1_000, 500, 1_000]);
    commands.flush();
    expect(commands.add(command(one))).toBeNull();
  });

  it("G2: are 128 MiB at most together; a larger one may wait alone", () => {
    const { commands, command, one } = queue();
    const large = (size: number): Command => command(one, { bytes: Buffer.alloc(size) });
    expect(commands.add(large(200 * MIB))).toBeNull();
    expect(commands.add(command(one))).not.toBeNull();
    commands.drop();
    expect(commands.add(large(64 * MIB))).toBeNull();
    expect(commands.add(large(64 * MIB))).toBeNull();
    expect(commands.add(large(1))).not.toBeNull();
    commands.flush();
    expect(commands.add(large(128 * MIB))).toBeNull();
  });

  it("do not keep the larger chunk alive that they came in", () => {
    const { commands, command, one } = queue();
    const chunk = Buffer.alloc(64 * 1024, "x");
    commands.add(command(one, { bytes: chunk.subarray(10, 20) }));
    const [kept] = commands.of(one);
    expect(kept?.bytes.toString()).toBe("xxxxxxxxxx");
    expect(kept?.bytes.buffer.byteLength).toBeLessThan(100);
  });

  it("G2: are dropped with their connection: nobody hears of them", () => {
    const { commands, command, log, counts, one } = queue();
    commands.add(command(one));
    commands.drop();
    expect([log, commands.count, one.waiting, counts]).toEqual([[], 0, 0, [1, 0]]);
    commands.flush();
    expect(log).toEqual([]);
  });

  it("are refused with their session, and those of other sessions are not", () => {
    const { commands, command, log, one, two } = queue();
    for (const session of [one, two, one]) commands.add(command(session));
    commands.refuseSession(one, GONE);
    expect(log).toEqual(["refused 1 -32001", "refused 3 -32001"]);
    expect([commands.count, one.waiting, two.waiting]).toEqual([1, 0, 1]);
  });

  it("are refused where there is a reason, and go on waiting where there is none", () => {
    const { commands, command, log, counts, one } = queue();
    for (let n = 0; n < 3; n += 1) commands.add(command(one));
    commands.sort(({ id }) => (id === 2 ? GONE : null));
    expect(log).toEqual(["refused 2 -32001"]);
    expect(commands.of(one).map(({ id }) => id)).toEqual([1, 3]);
    commands.sort(() => null);
    expect(counts).toEqual([1, 2, 3, 2]);
  });

  it("that answer a dialog are refused when another dialog has opened since", () => {
    const { commands, command, log, one } = queue();
    const method = "Page.handleJavaScriptDialog";
    one.dialogs = 1;
    commands.add(command(one, { method, dialog: 1 }));
    one.dialogs = 2;
    commands.add(command(one, { method, dialog: 2 }));
    commands.flush();
    expect(log).toEqual(["refused 1 -32602", "sent 2"]);
  });

  it("know their ids by session, so that none is used twice", () => {
    const { commands, command, one, two } = queue();
    commands.add(command(one, { id: 5 }));
    expect([commands.has(one, 5), commands.has(two, 5), commands.has(one, 6)]).toEqual([true, false, false]);
    commands.flush();
    expect(commands.has(one, 5)).toBe(false);
  });

  it("that come while others leave stand behind those that stay", () => {
    const one = new SessionState("ONE", "page", "T1");
    const sent: number[] = [];
    const add = (id: number, method: string): void =>
      void commands.add({
        id,
        bytes: Buffer.alloc(1),
        envelope: {},
        method,
        params: undefined,
        session: one,
        drives: true,
        dialog: 0,
      });
    const commands: Commands = new Commands({
      fits: ({ method }) => method !== "stays",
      send: ({ id }) => {
        sent.push(id);
        add(9, "late");
      },
      refuse: () => {},
      changed: () => {},
    });
    for (const [id, method] of [
      [1, "goes"],
      [2, "stays"],
    ] as const)
      add(id, method);
    commands.flush();
    expect([sent, commands.of(one).map(({ id }) => id), one.waiting]).toEqual([[1], [2, 9], 2]);
  });
});

describe("what a command carries", () => {
  const carried = (text: string): unknown => {
    const bytes = Buffer.from(text);
    const scanned = scanCommand(bytes);
    return scanned.ok ? understood(bytes, scanned.envelope) : "refused";
  };

  it("is parsed where the gate must understand it, and only there", () => {
    const params = '"params":{"type":"keyUp"}';
    expect(carried(`{"id":1,"method":"Input.dispatchKeyEvent",${params}}`)).toEqual({ type: "keyUp" });
    expect(carried(`{"id":1,"method":"Runtime.evaluate",${params}}`)).toBeUndefined();
    expect(carried('{"id":1,"method":"Input.dispatchKeyEvent"}')).toBeUndefined();
  });

  it("G1: is taken for unreadable, and not for nothing, when Chromium reads it and the gate cannot", () => {
    // Taken for nothing, each would pass as the harmless form of its method.
    for (const text of [
      '{"id":1,"method":"Target.attachToTarget","params":{"targetId":"T","x":"\n"}}',
      '{"id":1,"method":"Page.addScriptToEvaluateOnNewDocument","params":{"source":"act()\n"}}',
    ])
      expect(carried(text)).toBeNull();
  });
});
