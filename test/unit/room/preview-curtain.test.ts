/** G3: pictures behind the curtain. Who may not see gets none, and none of that time comes later. */
import { describe, expect, it, onTestFinished } from "vitest";
import { FakeBrowserProvider } from "../../../src/browser/fake.ts";
import { decodeFrame } from "../../../protocol/frame.ts";
import { Metrics } from "../../../src/ops/metrics.ts";
import { Preview, type FrameSink } from "../../../src/room/preview.ts";
import { within } from "../../support/inbox.ts";

/** A socket that takes every frame at once, and says what each one shows. */
class Screen implements FrameSink {
  readonly pictures: string[] = [];
  sendBinary(bytes: Uint8Array, flushed: () => void): void {
    const frame = decodeFrame(bytes);
    this.pictures.push(Buffer.from(frame?.jpeg ?? []).toString("latin1"));
    flushed();
  }
}

interface Beat {
  readonly alive: boolean;
  readonly seq: number;
}

async function cinema(aliveMs = 60_000) {
  const provider = new FakeBrowserProvider();
  const link = provider.attach({ endpoint: async () => "ws://fake.invalid/" });
  await link.ready();
  const hidden = new Set<string>();
  const beats = new Map<string, Beat>();
  let wake = (): void => {};
  const preview = new Preview(1, {
    metrics: new Metrics(),
    aliveMs,
    tabNumber: () => 1,
    sees: (viewerId) => !hidden.has(viewerId),
    alive: (viewerIds, alive, seq) => {
      for (const viewerId of viewerIds) beats.set(viewerId, { alive, seq });
      wake();
    },
  });
  preview.use(link);
  onTestFinished(() => preview.close());
  const screens = { ann: new Screen(), ben: new Screen() };
  const options = { pacing: "none", maxFps: 1_000_000 } as const;
  for (const [name, screen] of Object.entries(screens)) preview.start(name, screen, options);
  const paint = (picture: string): void => provider.browser.paint(Buffer.from(picture, "latin1"));
  return {
    ...screens,
    preview,
    link,
    paint,
    options,
    browser: provider.browser,
    hide: (...names: string[]) => {
      for (const name of names) hidden.add(name);
      preview.conceal();
    },
    show: () => {
      hidden.clear();
      preview.reveal();
    },
    /** Resolves when the capture runs again. */
    captures: () =>
      within(
        (async () => {
          while (!link.capture) await new Promise((resolve) => setImmediate(resolve));
        })(),
        "the capture",
      ),
    /** The next word to this viewer of what is the newest. */
    beat: async (name: string): Promise<Beat> => {
      beats.delete(name);
      await within(
        new Promise<void>((resolve) => (wake = () => beats.has(name) && resolve())),
        `a beat for ${name}`,
      );
      return beats.get(name) as Beat;
    },
  };
}

describe("the preview behind the curtain", () => {
  it("G3: only who may see gets pictures; the others get the first that is captured after it, none from before", async () => {
    const { ann, ben, paint, hide, show, captures } = await cinema();
    paint("before");
    hide("ben");
    paint("secret 1");
    paint("secret 2");
    expect(ann.pictures.slice(-2)).toEqual(["secret 1", "secret 2"]);
    show();
    await captures();
    paint("after");
    expect(ben.pictures.filter((picture) => picture.startsWith("secret"))).toEqual([]);
    expect(ben.pictures).toContain("before");
    expect([ann.pictures.at(-1), ben.pictures.at(-1)]).toEqual(["after", "after"]);
  });

  it("G3: who begins or begins again to watch behind the curtain gets nothing, and the newest of after it", async () => {
    const { preview, paint, hide, show, captures, options, ben } = await cinema();
    const cleo = new Screen();
    hide("ben", "cleo");
    paint("secret");
    const before = ben.pictures.length;
    preview.start("cleo", cleo, options);
    preview.start("ben", ben, { ...options, quality: 90 });
    preview.shown("ben", 99);
    expect([cleo.pictures, ben.pictures.length]).toEqual([[], before]);
    show();
    await captures();
    expect(cleo.pictures).toHaveLength(1);
    expect(cleo.pictures).not.toContain("secret");
  });

  it("G3: nothing is shown until the browser has answered that all it sent before has arrived", async () => {
    const { ann, ben, paint, hide, show, captures, browser, preview, link, beat } = await cinema(5);
    hide("ben");
    paint("secret");
    browser.hang();
    show();
    expect(link.capture).toBeUndefined();
    const before = [ann.pictures.length, ben.pictures.length];
    // A new viewer does not start it early, nor gets what was there, and a beat without an answer does not either.
    const cleo = new Screen();
    preview.start("cleo", cleo, {});
    preview.shown("ben", 99);
    expect(cleo.pictures).toEqual([]);
    expect(await beat("ben")).toMatchObject({ alive: false });
    paint("late");
    expect(link.capture).toBeUndefined();
    expect([ann.pictures.length, ben.pictures.length]).toEqual(before);
    browser.recover();
    await captures();
    paint("after");
    expect([ann.pictures.at(-1), ben.pictures.at(-1)]).toEqual(["after", "after"]);
  });

  it("G3, P2: who may not see hears that the browser lives and that there is something newer, and not how often it changes", async () => {
    const { paint, hide, beat } = await cinema(5);
    paint("before");
    const { seq: shown } = await beat("ben");
    hide("ben");
    const behind = await beat("ben");
    expect(behind).toEqual({ alive: true, seq: shown + 1 });
    for (const key of ["p", "a", "s", "s"]) paint(key);
    expect(await beat("ann")).toEqual({ alive: true, seq: shown + 4 });
    expect(await beat("ben")).toEqual(behind);
    // Whoever loses it later has seen more, and hears of something newer still.
    hide("ann", "ben");
    expect(await beat("ann")).toEqual({ alive: true, seq: shown + 5 });
  });

  it("P1, G3: nothing is captured while nobody who watches may see", async () => {
    const { link, hide, show, captures, paint } = await cinema();
    hide("ben");
    expect(link.capture).toBeDefined();
    hide("ann", "ben");
    expect(link.capture).toBeUndefined();
    paint("secret");
    show();
    await captures();
  });
});
