import { describe, expect, it } from "vitest";
import {
  BEHIND_MS,
  SILENT_MS,
  frameRate,
  pictureState,
  type PictureFacts,
} from "../../../src/dashboard/lib/picture-health.ts";

const live: PictureFacts = {
  startedAt: 0,
  heardAt: 10_000,
  alive: true,
  shownSeq: 7,
  behindSince: undefined,
};

describe("P2: a picture that has stopped is never shown as live", () => {
  it("calls a static page live as long as its browser answers", () => {
    expect(pictureState(live, "live", true, 10_000 + SILENT_MS)).toBe("live");
  });

  it("stalls when nothing was heard for too long", () => {
    expect(pictureState(live, "live", true, 10_001 + SILENT_MS)).toBe("stalled");
  });

  it("stalls at once when the browser does not answer", () => {
    expect(pictureState({ ...live, alive: false }, "live", true, 10_000)).toBe("stalled");
  });

  it("stalls when newer frames exist for too long", () => {
    const behind = { ...live, heardAt: 20_000, behindSince: 18_000 };
    expect(pictureState(behind, "live", true, 18_000 + BEHIND_MS)).toBe("live");
    expect(pictureState(behind, "live", true, 18_001 + BEHIND_MS)).toBe("stalled");
  });

  it("waits for the first picture, but not for ever", () => {
    const fresh = { ...live, heardAt: undefined, shownSeq: undefined };
    expect(pictureState(fresh, "live", true, 500)).toBe("waiting");
    expect(pictureState(fresh, "idle", true, SILENT_MS + 1)).toBe("stalled");
  });

  it("says what is wrong with the browser or the connection before anything else", () => {
    expect(pictureState(live, "reconnecting", true, 10_000)).toBe("reconnecting");
    expect(pictureState(live, "gone", true, 10_000)).toBe("gone");
    expect(pictureState(live, undefined, true, 10_000)).toBe("none");
    expect(pictureState(live, "gone", false, 10_000)).toBe("offline");
  });

  it("G3: calls a hidden picture hidden, whatever came of it before, unless there is no browser or no gateway", () => {
    for (const facts of [live, { ...live, alive: false }, { ...live, shownSeq: undefined }]) {
      expect(pictureState(facts, "live", true, 10_000, true)).toBe("hidden");
      expect(pictureState(facts, "reconnecting", true, 10_000, true)).toBe("hidden");
      expect(pictureState(facts, "gone", true, 10_000, true)).toBe("gone");
      expect(pictureState(facts, undefined, true, 10_000, true)).toBe("none");
      expect(pictureState(facts, "live", false, 10_000, true)).toBe("offline");
    }
  });
});

describe("frame rate", () => {
  it("counts the frames of the newest two seconds and forgets older ones", () => {
    const drawnAt = [0, 1_000, 2_100, 2_200, 3_000, 3_900];
    expect(frameRate(drawnAt, 4_000)).toBe(2);
    expect(drawnAt).toEqual([2_100, 2_200, 3_000, 3_900]);
    expect(frameRate(drawnAt, 9_000)).toBe(0);
  });
});
