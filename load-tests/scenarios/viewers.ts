/** Hundreds of viewers of one picture, some of which stop to read: what the others get, and what it costs in memory. */
import { FRAME_HEADER_BYTES } from "../../protocol/frame.ts";
import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { CdpStub } from "../lib/cdp-stub.ts";
import { createSandbox } from "../lib/client.ts";
import { sharedNow } from "../lib/clock.ts";
import { pinned } from "../lib/cores.ts";
import { watchMemory } from "../lib/memory-watch.ts";
import { startWorker } from "../lib/processes.ts";
import { Resources, within } from "../lib/resources.ts";
import {
  takeStepTurns,
  type Context,
  type Goal,
  type Scenario,
  type StepPath,
  type Steps,
} from "../lib/scenario.ts";
import type { UsageQuestion } from "../lib/usage.ts";
import type { Seen, ViewersQuestion } from "../lib/viewers-process.ts";

const TITLE = "Viewers that stall";
const ROUNDS = 3;
/** Of all viewers. */
const STALLED_SHARE = 0.1;
const PICTURE_BYTES = 60 * 1024;
const PICTURES = 8;
/** Below the limit that a viewer has who asks for none. */
const FPS = 20;
/**
 * Pictures before the count begins. The system's own buffers hold some seventy for a viewer that reads nothing, and each
 * of those who stall stops at another picture: by then all their sockets are full. A quick run does not wait for that.
 */
const SETTLE_PICTURES = 130;
const SETTLE_QUICK_PICTURES = 20;
const SETTLE_MS = 20_000;
const LOOK_MS = 20;
/** How long the last pictures that count may take to arrive. */
const ON_THEIR_WAY_MS = 500;

interface Way {
  readonly name: string;
  readonly kind: StepPath["kind"];
  readonly stalled: number;
  readonly pacing: "ack" | "none";
}

interface Found {
  readonly way: string;
  /** Pictures a second that the capture gave, and that the slowest viewer got. */
  readonly given: number;
  readonly slowest: number;
  /** Bytes of buffers that the process holds on to while pictures come. */
  readonly held: number;
  readonly stalled: number;
}

export const viewers: Scenario = {
  id: "viewers",
  async run(context) {
    const { plan } = context;
    const stalled = Math.round(plan.viewers * STALLED_SHARE);
    const reading = plan.viewers - stalled;
    const ways: readonly Way[] = [
      { name: `${reading} viewers`, kind: "reference", stalled: 0, pacing: "ack" },
      { name: `and ${stalled} that stall`, kind: "gateway", stalled, pacing: "ack" },
      { name: `and ${stalled} that stall, no acks`, kind: "gateway", stalled, pacing: "none" },
      { name: `${reading} viewers again`, kind: "control", stalled: 0, pacing: "ack" },
    ];
    const found: Found[] = [];
    const paths = await takeStepTurns(
      context,
      TITLE,
      ways.map((way) => ({
        name: way.name,
        kind: way.kind,
        measure: () => measure(context, way, reading, found),
      })),
      { rounds: plan.rounds < ROUNDS ? 1 : ROUNDS, warmUp: false },
    );
    const isTime = ({ name }: { readonly name: string }): boolean => name.startsWith("picture");
    return [
      {
        id: "viewers",
        title: TITLE,
        measured: "from the browser's send of a picture to its arrival at each viewer that reads",
        counted: "pictures that the slowest of them got",
        cpuOf: "the gateway process's, for each picture at each viewer",
        paths: paths.filter(isTime),
        notes: ways.map((way) => noteOf(way, found, reading)),
        goals: ways.filter(({ stalled }) => stalled > 0).flatMap((way) => goalsOf(way, found, reading)),
      },
      {
        id: "viewers-memory",
        title: "Memory of viewers that stall",
        unit: "MB",
        measured:
          "that the gateway occupies before anybody watched, and at most while pictures come; and of buffers that it still refers to then, with the garbage collected",
        paths: paths.filter((path) => !isTime(path)),
      },
    ];
  },
};

/** Each turn has processes of its own: memory that was used once is not all given back. */
async function measure(
  { plan, resources }: Context,
  way: Way,
  reading: number,
  found: Found[],
): Promise<Steps> {
  const own = new Resources();
  resources.onClose(() => own.close());
  try {
    const stub = await CdpStub.start(own);
    const settings = [String(reading), String(way.stalled), way.pacing];
    const [gateway, clients] = await Promise.all([
      startWorker(own, "rooms-gateway-process.ts", [], pinned("server")),
      startWorker(own, "viewers-process.ts", settings, pinned("load")),
    ]);
    const { url = "" } = gateway.info;
    const usage = (of: UsageQuestion["of"]): Promise<number> => gateway.ask({ of });
    const tell = <T>(question: ViewersQuestion): Promise<T> => clients.ask<T>(question);
    await createSandbox(url, stub.url);
    const before = await usage("memory");
    const casting = stub.next("Page.startScreencast");
    await tell({ do: "watch", url: `${url.replace(/^http/, "ws")}/v1/connect` });
    await within(casting, "the start of the screencast");

    const capture = startCapture(stub);
    own.onClose(() => capture.stop());
    const memory = watchMemory(own, gateway.pid);
    const settled = plan.rounds < ROUNDS ? SETTLE_QUICK_PICTURES : SETTLE_PICTURES;
    const until = performance.now() + SETTLE_MS;
    while (capture.sent() < settled && performance.now() < until) await delay(LOOK_MS);
    const cpuBefore = await usage("cpu");
    const [from, sentBefore] = [sharedNow(), capture.sent()];
    await delay(plan.viewersMs);
    const [to, sent] = [sharedNow(), capture.sent() - sentBefore];
    const cpu = (await usage("cpu")) - cpuBefore;
    await delay(ON_THEIR_WAY_MS);
    const { pictures, lateMs } = await tell<Seen>({ do: "tell", from, to });
    const seconds = (to - from) / 1_000;
    const most = memory.stop();
    const held = await usage("buffers");
    await capture.stop();

    const total = pictures.reduce((sum, each) => sum + each, 0);
    const slowest = Math.min(...pictures) / seconds;
    found.push({ way: way.name, given: sent / seconds, slowest, held, stalled: way.stalled });
    const megabytes = (bytes: number) => ({ values: [bytes / 1e6], unit: "MB" as const });
    return {
      picture: { values: lateMs, perSecond: slowest, cpuMicros: cpu / total },
      before: megabytes(before),
      "at most": megabytes(most),
      "held buffers": megabytes(held),
    };
  } finally {
    await own.close();
  }
}

interface Capture {
  readonly sent: () => number;
  /** Resolves when the last picture is sent. */
  readonly stop: () => Promise<void>;
}

/** Each picture leaves when the last one was acknowledged, and not before its time has come. */
function startCapture(stub: CdpStub): Capture {
  const pictures = Array.from({ length: PICTURES }, () => CdpStub.datedFrame(randomBytes(PICTURE_BYTES)));
  const stopping = new AbortController();
  const { signal } = stopping;
  const stopped = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
  let sent = 0;
  const run = async (): Promise<void> => {
    let due = performance.now();
    while (!signal.aborted) {
      const picture = pictures[sent % PICTURES];
      if (!picture) return;
      const acknowledged = stub.next("Page.screencastFrameAck");
      stub.sendFrame(picture(sharedNow()));
      sent += 1;
      await Promise.race([acknowledged, stopped]);
      due = Math.max(due + 1_000 / FPS, performance.now());
      await delay(due - performance.now());
    }
  };
  const running = run();
  return {
    sent: () => sent,
    stop: () => {
      stopping.abort();
      return running;
    },
  };
}

/** What a stopwatch cannot tell from "all of them". */
const ALL = 0.98;

function goalsOf({ name }: Way, all: readonly Found[], reading: number): Goal[] {
  const found = all.filter(({ way }) => way === name);
  const shares = found.map(({ slowest, given }) => slowest / given);
  const least = Math.min(...shares);
  const kept = Math.max(...found.map((each) => keptBytes(each, all)));
  const picture = FRAME_HEADER_BYTES + PICTURE_BYTES;
  return [
    {
      what: `pictures that the slowest of ${reading} viewers got, ${name}, against those that were captured`,
      limit: `at least ${ALL}`,
      measured: least.toFixed(3),
      verdict: least >= ALL ? "met" : "missed",
    },
    {
      what: `kept in memory for each viewer, ${name}`,
      limit: `at most a picture, ${(picture / 1024).toFixed(1)} KB`,
      measured: `${(kept / 1024).toFixed(1)} KB`,
      verdict: kept <= picture ? "met" : "missed",
    },
  ];
}

/** For each viewer that stalls, beyond what the others hold. */
function keptBytes({ held, stalled }: Found, all: readonly Found[]): number {
  const without = all.filter((each) => each.stalled === 0).map((each) => each.held);
  const base = without.reduce((sum, each) => sum + each, 0) / without.length;
  return (held - base) / stalled;
}

function noteOf(way: Way, all: readonly Found[], reading: number): string {
  const found = all.filter((each) => each.way === way.name);
  const given = found.map((each) => each.given.toFixed(1)).join(", ");
  const slowest = found.map((each) => each.slowest.toFixed(1)).join(", ");
  const line = `${way.name}: the capture gave ${given} pictures a second, and the slowest of the ${reading} got ${slowest}`;
  if (way.stalled === 0) return `${line}.`;
  const each = found.map((one) => (keptBytes(one, all) / 1024).toFixed(0)).join(", ");
  return `${line}; held for each stalled viewer beyond what the others hold: ${each} KB (a picture has ${PICTURE_BYTES / 1024}).`;
}
