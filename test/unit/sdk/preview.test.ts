import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { PreviewFrame } from "../../../src/sdk/api.ts";
import { encodeFrame } from "../../support/frames.ts";
import { recorder, sandboxOf } from "./fixtures.ts";
import { type Peer, ScriptedGateway } from "./scripted-gateway.ts";

let gateway: ScriptedGateway;
beforeEach(async () => {
  gateway = await ScriptedGateway.start();
});
afterEach(() => gateway.stop());

function frame(peer: Peer, stream: number, seq: number): void {
  const header = { stream, seq, capturedAt: 1_000.5 + seq, viewportWidth: 1280, viewportHeight: 800, tab: 1 };
  peer.raw(encodeFrame(header, new Uint8Array([0xff, 0xd8, seq])));
}

/** Answers the next `preview.start`. */
async function start(peer: Peer, stream: number) {
  const message = await peer.next("preview.start");
  peer.send({ type: "preview.started", id: message.id, sandboxId: "box", stream });
  return message;
}

async function opened() {
  const client = gateway.client();
  const box = client.sandbox("box");
  const peer = await gateway.peer();
  return { client, box, peer };
}

describe("frames", () => {
  it("joins, starts a paced stream, and acknowledges a frame when it is taken", async () => {
    const { box, peer } = await opened();
    const frames = box.frames({ maxFps: 10, quality: 50 });
    await peer.acceptJoin(sandboxOf());
    expect(await start(peer, 7)).toMatchObject({ maxFps: 10, quality: 50, pacing: "ack" });
    frame(peer, 7, 1);
    expect((await frames.next()).value).toEqual({
      jpeg: new Uint8Array([0xff, 0xd8, 1]),
      seq: 1,
      capturedAt: 1_001.5,
      viewportWidth: 1280,
      viewportHeight: 800,
      tab: 1,
    });
    expect(await peer.next("preview.ack")).toEqual({ type: "preview.ack", sandboxId: "box", seq: 1 });
  });

  it("P2: keeps only the newest frame for a slow consumer", async () => {
    const { box, peer } = await opened();
    const frames = box.frames();
    await peer.acceptJoin(sandboxOf());
    await start(peer, 1);
    for (const seq of [1, 2, 5]) frame(peer, 1, seq);
    await peer.handledBy(box);
    expect((await frames.next()).value?.seq).toBe(5);
    expect((await peer.next("preview.ack")).seq).toBe(5);
    expect(peer.types().filter((type) => type === "preview.ack")).toHaveLength(1);
  });

  it("ignores frames of other streams", async () => {
    const { box, peer } = await opened();
    const frames = box.frames();
    await peer.acceptJoin(sandboxOf());
    await start(peer, 2);
    frame(peer, 1, 8);
    frame(peer, 2, 9);
    expect((await frames.next()).value?.seq).toBe(9);
  });

  it("ends cleanly and stops the stream when the consumer stops, or at its signal", async () => {
    const { box, peer } = await opened();
    const frames = box.frames();
    await peer.acceptJoin(sandboxOf());
    await start(peer, 1);
    frame(peer, 1, 1);
    for await (const _ of frames) break;
    peer.done((await peer.next("preview.stop")).id);
    expect(await frames.next()).toEqual({ done: true, value: undefined });

    const controller = new AbortController();
    const aborted = box.frames({ signal: controller.signal });
    await start(peer, 2);
    const next = aborted.next();
    controller.abort();
    expect(await next).toEqual({ done: true, value: undefined });
    peer.done((await peer.next("preview.stop")).id);
    expect(await box.frames({ signal: controller.signal }).next()).toEqual({ done: true, value: undefined });
    await peer.handledBy(box);
    expect(peer.types().filter((type) => type === "preview.start")).toHaveLength(2);
  });

  it("P2: shows nothing of a stream that was stopped", async () => {
    const { box, peer } = await opened();
    const first = box.frames();
    await peer.acceptJoin(sandboxOf());
    await start(peer, 1);
    await peer.handledBy(box);
    await first.return?.();
    const next = box.frames().next();
    frame(peer, 1, 9);
    await start(peer, 2);
    frame(peer, 2, 1);
    expect((await next).value?.seq).toBe(1);
  });

  it("starts again on the next socket", async () => {
    const { box, peer } = await opened();
    const frames = box.frames({ quality: 50 });
    await peer.acceptJoin(sandboxOf());
    await start(peer, 1);
    frame(peer, 1, 40);
    expect((await frames.next()).value?.seq).toBe(40);
    peer.kill();
    const second = await gateway.peer();
    second.continues(await second.next("sandbox.join"), { epoch: 100, seq: 5 });
    expect(await start(second, 1)).toMatchObject({ quality: 50 });
    frame(second, 1, 1);
    expect((await frames.next()).value?.seq).toBe(1);
    // Acknowledgements begin anew with the stream.
    expect((await second.next("preview.ack")).seq).toBe(1);
  });

  it("tries again while the browser is away, and throws what is final", async () => {
    const { box, peer } = await opened();
    const frames = box.frames();
    await peer.acceptJoin(sandboxOf());
    peer.refuse((await peer.next("preview.start")).id, "browser_unavailable");
    peer.refuse((await peer.next("preview.start")).id, "forbidden");
    await expect(frames.next()).rejects.toMatchObject({ code: "forbidden" });
    expect(await frames.next()).toEqual({ done: true, value: undefined });
  });

  it("throws when the sandbox does not exist, and ends when it is removed", async () => {
    const { box, peer } = await opened();
    const frames = box.frames();
    peer.refuse((await peer.next("sandbox.join")).id, "sandbox_not_found");
    await expect(frames.next()).rejects.toMatchObject({ code: "sandbox_not_found" });
    const again = box.frames();
    await peer.acceptJoin(sandboxOf());
    await start(peer, 1);
    peer.send({ type: "sandbox.left", sandboxId: "box", reason: "removed" });
    expect(await again.next()).toEqual({ done: true, value: undefined });
  });
});

describe("several consumers", () => {
  it("P1: share one stream with the most that any asks for; the newcomer sees a picture at once", async () => {
    const { box, peer } = await opened();
    const slow = box.frames({ maxFps: 1, quality: 30 });
    await peer.acceptJoin(sandboxOf());
    expect(await start(peer, 1)).toMatchObject({ maxFps: 1, quality: 30 });
    frame(peer, 1, 1);
    await peer.handledBy(box);
    const shown = recorder<{ frame: PreviewFrame; shown: () => void }>();
    const stop = box.preview(
      { maxFps: 20, quality: 80 },
      { frame: (frame, shownIt) => shown.listener({ frame, shown: shownIt }) },
    );
    expect((await shown.next()).frame.seq).toBe(1);
    expect(await start(peer, 1)).toMatchObject({ maxFps: 20, quality: 80, pacing: "ack" });
    // The fastest paces the stream; the slow one adds no acknowledgement.
    frame(peer, 1, 2);
    const second = await shown.next();
    second.shown();
    second.shown();
    expect((await peer.next("preview.ack")).seq).toBe(2);
    expect((await slow.next()).value?.seq).toBe(2);
    await peer.handledBy(box);
    expect(peer.types().filter((type) => type === "preview.ack")).toHaveLength(1);
    stop();
    stop();
    expect(await start(peer, 1)).toMatchObject({ maxFps: 1, quality: 30 });
  });

  it("do not make an ordinary viewer look like a thumbnail", async () => {
    const { box, peer } = await opened();
    box.preview({ maxFps: 1, quality: 20, pacing: "none" }, { frame: () => {} });
    await peer.acceptJoin(sandboxOf());
    expect(await start(peer, 1)).toMatchObject({ maxFps: 1, quality: 20, pacing: "none" });
    box.preview({}, { frame: () => {} });
    expect(await start(peer, 1)).toMatchObject({ maxFps: 30, quality: 70, pacing: "ack" });
  });

  it("P2: hear whether the browser answers, and that a lost connection shows nothing new", async () => {
    const { box, peer } = await opened();
    const signs = recorder<[boolean, number]>();
    const alive = (isAlive: boolean, seq: number) => signs.listener([isAlive, seq]);
    box.preview({}, { frame: () => {}, alive });
    await peer.acceptJoin(sandboxOf());
    await start(peer, 1);
    frame(peer, 1, 3);
    peer.send({ type: "preview.alive", sandboxId: "box", alive: true, seq: 3, serverTime: 1 });
    expect(await signs.next()).toEqual([true, 3]);
    peer.kill();
    expect(await signs.next()).toEqual([false, 3]);
  });
});
