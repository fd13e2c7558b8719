/** Viewers that stop, start again or lose their sandbox while a frame is on its way. */
import { describe, expect, it, onTestFinished } from "vitest";
import { FakeBrowserProvider } from "../../src/browser/fake.ts";
import { Metrics } from "../../src/ops/metrics.ts";
import { Preview, type FrameSink } from "../../src/room/preview.ts";
import { startLoggedGateway } from "../support/logged-gateway.ts";

/** A socket whose frames leave when the test says so. */
class SlowSink implements FrameSink {
  frames = 0;
  readonly #flushes: (() => void)[] = [];
  sendBinary(_bytes: Uint8Array, flushed: () => void): void {
    this.frames += 1;
    this.#flushes.push(flushed);
  }
  flush(): void {
    this.#flushes.shift()?.();
  }
}

async function projector() {
  const provider = new FakeBrowserProvider();
  const link = provider.attach({ endpoint: async () => "ws://fake.invalid/" });
  await link.ready();
  const preview = new Preview(1, {
    metrics: new Metrics(),
    aliveMs: 60_000,
    tabNumber: () => 1,
    sees: () => true,
    alive: () => {},
  });
  preview.use(link);
  onTestFinished(() => preview.close());
  return { preview, browser: provider.browser };
}

const AS_IT_COMES = { pacing: "none", maxFps: 1_000_000 } as const;

describe("a viewer", () => {
  it("that stopped while its frame was on its way gets no more", async () => {
    const { preview, browser } = await projector();
    const [leaving, staying] = [new SlowSink(), new SlowSink()];
    preview.start("leaving", leaving, AS_IT_COMES);
    preview.start("staying", staying, AS_IT_COMES);
    expect(leaving.frames).toBe(1);
    staying.flush();
    browser.paint();
    preview.stop("leaving");
    leaving.flush();
    expect(leaving.frames).toBe(1);
  });

  it("that changed its options while a frame was on its way has one under way at a time", async () => {
    const { preview, browser } = await projector();
    const [sink, other] = [new SlowSink(), new SlowSink()];
    preview.start("viewer", sink, AS_IT_COMES);
    preview.start("other", other, AS_IT_COMES);
    preview.start("viewer", sink, { ...AS_IT_COMES, quality: 50 });
    other.flush();
    browser.paint();
    expect(sink.frames).toBe(1);
    sink.flush();
    expect(sink.frames).toBe(2);
    sink.flush();
    browser.paint();
    expect(sink.frames).toBe(3);
  });
});

describe("a removed sandbox", () => {
  it("has no preview to start, and no place among those that a socket follows", async () => {
    const test = await startLoggedGateway();
    await test.create("s");
    const client = await test.raw({ role: "admin", name: "ann" });
    await client.done("sandbox.joined", { type: "sandbox.join", sandboxId: "s" });
    await test.http("/v1/sandboxes/s", { method: "DELETE" });
    await client.next("sandbox.left");
    await client.refused({ type: "preview.start", sandboxId: "s" }, "not_joined");
  });

  it("does not count against the sandboxes that one socket may follow", { timeout: 30_000 }, async () => {
    const test = await startLoggedGateway();
    const { rooms } = test.gateway;
    const client = await test.raw({ role: "admin", name: "ann" });
    for (let number = 0; number <= 1_000; number += 1) {
      const sandboxId = `s-${number}`;
      await rooms.create(sandboxId, null, { name: "ann", role: "admin" }, AbortSignal.timeout(30_000));
      await client.done("sandbox.joined", { type: "sandbox.join", sandboxId });
      await rooms.remove(sandboxId);
      await client.next("sandbox.left");
    }
  });
});
