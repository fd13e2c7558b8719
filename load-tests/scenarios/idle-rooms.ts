/** What open sandboxes cost in which nothing happens, and whether they make an event in another one dearer. */
import { setTimeout as delay } from "node:timers/promises";
import { Client, createSandbox, SANDBOX_ID } from "../lib/client.ts";
import { controllerOf } from "../lib/numbered-event.ts";
import { startWorker } from "../lib/processes.ts";
import type { Resources } from "../lib/resources.ts";
import { openRooms } from "../lib/room-members.ts";
import type { RoomsQuestion } from "../lib/rooms-gateway-process.ts";
import {
  takeStepTurns,
  type Context,
  type Goal,
  type Scenario,
  type StepPath,
  type Steps,
} from "../lib/scenario.ts";
import type { UsageQuestion } from "../lib/usage.ts";

const ROUNDS = 3;
const EVENTS = 100;
/** Of all rooms. */
const FEW = 0.1;

interface Path extends StepPath {
  readonly rooms: number;
  /** Bytes that the process occupies more than before they were made, with the garbage collected. */
  readonly memory: number;
  readonly resources: Readonly<Record<string, number>>;
}

export const idleRooms: Scenario = {
  id: "idle-rooms",
  async run(context) {
    const { idleRooms: many, rounds, idleMs } = context.plan;
    const title = `${many.toLocaleString("en")} idle rooms`;
    const paths: Path[] = [];
    const counts = [
      { rooms: 0, kind: "reference", name: "no other room" },
      { rooms: many * FEW, kind: "gateway", name: `${(many * FEW).toLocaleString("en")} others` },
      { rooms: many, kind: "gateway", name: `${many.toLocaleString("en")} others` },
      { rooms: 0, kind: "control", name: "no other room again" },
    ] as const;
    context.say(`${title}: opening them`);
    for (const each of counts) paths.push(await startPath(context, each));
    const results = await takeStepTurns(context, title, paths, { rounds: Math.min(ROUNDS, rounds) });
    const isEvent = ({ name }: { readonly name: string }): boolean => name.startsWith("event");
    return [
      {
        id: "idle-rooms-event",
        title: `An event beside ${title}`,
        measured: "from a call in one room until its member has the event",
        cpuOf: "the gateway process's, for each event, with what it does all the time",
        paths: results.filter(isEvent),
      },
      {
        id: "idle-rooms",
        title,
        unit: "MB",
        measured: "that the gateway occupies, with the garbage collected",
        cpuOf: `the gateway process's, for each second in which nothing happens (${idleMs} ms at a time)`,
        paths: results.filter((result) => !isEvent(result)),
        notes: [...paths.map(noteOf), memoryNote(paths)],
        goals: [timersGoal(paths)],
      },
    ];
  },
};

async function startPath(
  { plan, resources }: Context,
  { rooms, name, kind }: { readonly rooms: number; readonly name: string; readonly kind: StepPath["kind"] },
): Promise<Path> {
  const gateway = await startWorker(resources, "rooms-gateway-process.ts");
  const { url = "" } = gateway.info;
  const ask = <T>(question: RoomsQuestion): Promise<T> => gateway.ask<T>(question);
  const usage = (of: UsageQuestion["of"]): Promise<number> => gateway.ask({ of });
  const driver = await startDriver(resources, url);
  const before = await usage("memory");
  await ask({ of: "make", rooms });
  await openRooms(resources, `${url.replace(/^http/, "ws")}/v1/connect`, rooms);

  let changes = 0;
  const measure = async (): Promise<Steps> => {
    const beforeIdle = await usage("cpu");
    await delay(plan.idleMs);
    const beforeEvents = await usage("cpu");
    const values: number[] = [];
    for (let event = 0; event < EVENTS; event += 1) {
      changes += 1;
      values.push(await driver(controllerOf(changes)));
    }
    const after = await usage("cpu");
    return {
      event: { values, cpuMicros: (after - beforeEvents) / EVENTS },
      idle: {
        values: [(await usage("memory")) / 1e6],
        unit: "MB",
        cpuMicros: (beforeEvents - beforeIdle) / (plan.idleMs / 1_000),
      },
    };
  };
  const [memory, active] = [
    (await usage("memory")) - before,
    await ask<Path["resources"]>({ of: "resources" }),
  ];
  return { name, kind, rooms, measure, memory, resources: active };
}

/** Gives the browser of the one room in which something happens to somebody else; resolves to the milliseconds it took. */
async function startDriver(
  resources: Resources,
  url: string,
): Promise<(controller: string) => Promise<number>> {
  await createSandbox(url);
  const client = await Client.join(resources, url);
  return async (controller) => {
    const taken = client.next("control.taken", ({ type }) => type === "control.taken");
    const from = performance.now();
    const answered = client.call({ type: "control.take", sandboxId: SANDBOX_ID, controller, force: true });
    const { at } = await taken;
    await answered;
    return at - from;
  };
}

function timersGoal(paths: readonly Path[]): Goal {
  const timersOf = (rooms: number): number =>
    Math.max(
      ...paths.filter((path) => path.rooms === rooms).map(({ resources }) => resources["Timeout"] ?? 0),
    );
  const most = Math.max(...paths.map(({ rooms }) => rooms));
  const own = timersOf(most) - timersOf(0);
  return {
    what: `timers of ${most.toLocaleString("en")} idle rooms`,
    limit: "none",
    measured: String(own),
    verdict: own <= 0 ? "met" : "missed",
  };
}

function noteOf({ name, resources }: Path): string {
  const { Timeout: timers = 0, ...others } = resources;
  const rest = Object.entries(others).map(([kind, count]) => `${count} ${kind}`);
  return `${name}: ${timers} timers; beside them ${rest.join(", ")}.`;
}

/** Where there are few, the process's own ups and downs are larger. */
function memoryNote(paths: readonly Path[]): string {
  const { rooms, memory } = paths.reduce((most, each) => (each.rooms > most.rooms ? each : most));
  const kilobytes = (memory / rooms / 1024).toFixed(1);
  return `Memory for each of the ${rooms.toLocaleString("en")} rooms with its member, and its sandbox in the memory store: ${kilobytes} KB.`;
}
