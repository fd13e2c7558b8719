import { describe, expect, it } from "vitest";
import { EventLog } from "../../examples/login-handoff/site/event-log.ts";
import type { EventBatch } from "../../examples/login-handoff/site/event-log.ts";

describe("the demo site's event log", () => {
  const batch = (pageId: string, first: number, keys: string, acked = 0): EventBatch => ({
    page: "/",
    pageId,
    acked,
    first,
    events: Array.from(keys, (key) => ({
      type: "keydown" as const,
      target: "body",
      isTrusted: true,
      at: 0,
      key,
    })),
  });
  const keys = (log: EventLog, pageId = "a"): string =>
    log
      .list()
      .filter((event) => event.pageId === pageId)
      .map((event) => event.key)
      .join("");

  it("puts late, repeated and interleaved batches of a document into its own order", () => {
    const log = new EventLog();
    log.accept(batch("a", 2, "cd"));
    log.accept(batch("b", 0, "xy"));
    expect(keys(log)).toBe("");
    log.accept(batch("a", 0, "ab"));
    log.accept(batch("a", 0, "abcde"));
    expect([keys(log), keys(log, "b")]).toEqual(["abcde", "xy"]);
    expect(log.list().map((event) => event.seq)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(log.list(5).map((event) => event.key)).toEqual(["d", "e"]);
  });

  it("drops repeats, however many", () => {
    const log = new EventLog();
    for (const first of [0, 1000, 0, 1000]) log.accept(batch("a", first, "x".repeat(1000)));
    expect(log.lastSeq).toBe(2000);
  });

  it("goes on with a document that another run of the site knew, and past an event that never comes", () => {
    const log = new EventLog();
    log.accept(batch("a", 57, "ab", 57));
    expect(keys(log)).toBe("ab");
    log.accept(batch("b", 1, "x".repeat(1000)));
    expect(keys(log, "b")).toBe("");
    log.accept(batch("b", 1001, "y"));
    expect(keys(log, "b")).toHaveLength(1001);
  });

  it("keeps the newest 20,000 events and numbers on after a clear", () => {
    const log = new EventLog();
    for (let first = 0; first < 21_000; first += 1000) log.accept(batch("a", first, "x".repeat(1000), first));
    expect([log.list().length, log.list()[0]?.seq, log.lastSeq]).toEqual([20_000, 1001, 21_000]);
    log.clear();
    log.accept(batch("a", 21_000, "z", 21_000));
    expect(log.list().map((event) => event.seq)).toEqual([21_001]);
  });

  it("finds past and future events, and rejects at an abort, a throwing predicate and the close", async () => {
    const log = new EventLog();
    const future = log.waitFor((event) => event.key === "b");
    log.accept(batch("a", 0, "abc"));
    expect((await future).seq).toBe(2);
    expect((await log.waitFor((event) => event.key === "a")).seq).toBe(1);

    const abort = new AbortController();
    const aborted = log.waitFor(() => false, abort.signal);
    abort.abort(new Error("enough"));
    await expect(aborted).rejects.toThrow("enough");
    await expect(log.waitFor(() => true, abort.signal)).rejects.toThrow("enough");

    const throwing = log.waitFor((event) => {
      if (event.key === "d") throw new Error("bad predicate");
      return false;
    });
    log.accept(batch("a", 3, "d"));
    await expect(throwing).rejects.toThrow("bad predicate");

    const closed = log.waitFor(() => false);
    log.close();
    await expect(closed).rejects.toThrow("closed before the event came");
    await expect(log.waitFor(() => false)).rejects.toThrow("is closed");
  });
});
