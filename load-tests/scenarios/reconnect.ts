/** All subscribers of a node lose their connection at once, and come back at once with their position. */
import { readFileSync } from "node:fs";
import { pinned } from "../lib/cores.ts";
import { watchMemory } from "../lib/memory-watch.ts";
import { startWorker, type Worker } from "../lib/processes.ts";
import { startRedis } from "../lib/redis.ts";
import { Resources } from "../lib/resources.ts";
import type { ClientsQuestion, Delivered, Resumed } from "../lib/resuming-clients-process.ts";
import type { RoomsQuestion } from "../lib/rooms-gateway-process.ts";
import {
  takeStepTurns,
  type Context,
  type Goal,
  type PathResult,
  type Scenario,
  type StepPath,
  type Steps,
} from "../lib/scenario.ts";
import type { UsageQuestion } from "../lib/usage.ts";

const ROUNDS = 3;
/** How many come in one go at first: each question has its time. */
const JOIN_COUNT = 1_000;
/** How often it is asked whether all are back; each question waits for 20 s. */
const MOST_ASKED = 5;
/** Subscribers of each sandbox, where they are spread. */
const SPREAD = 10;
/** Deliveries a second that events ask for while subscribers come back, whatever the number of sandboxes. */
const DELIVERIES_PER_SECOND = 4_000;
/** Events of each sandbox while nobody is there. */
const MISSED = 3;

interface Way {
  readonly name: string;
  readonly kind: StepPath["kind"];
  readonly rooms: number;
  readonly access: "tokens" | "open" | "plain";
  readonly redisUrl?: string;
}

/** What one turn found beside its measurements. */
interface Found extends Delivered {
  readonly way: string;
  /** Handshakes that the system dropped because the server's queue was full; the client's system tries again after 1 s. */
  readonly dropped: number;
  readonly retries: number;
}

export const reconnect: Scenario = {
  id: "reconnect",
  async run(context) {
    const { subscribers, rounds } = context.plan;
    // It has time for one round, and not for every way.
    const quick = rounds < ROUNDS;
    const title = `Reconnect of ${subscribers.toLocaleString("en")} subscribers`;
    const { url: redisUrl } = await startRedis(context, "everysec");
    const rooms = Math.ceil(subscribers / SPREAD);
    const spread = `${rooms.toLocaleString("en")} sandboxes`;
    const ways: readonly Way[] = [
      { name: "plain ws server", kind: "reference", access: "plain", rooms: 1 },
      { name: `gateway, ${spread}`, kind: "gateway", access: "tokens", rooms },
      { name: `gateway, ${spread}, Redis`, kind: "gateway", access: "tokens", rooms, redisUrl },
      ...(quick
        ? []
        : [{ name: `gateway, ${spread}, no tokens`, kind: "gateway", access: "open", rooms } as const]),
      { name: "gateway, one sandbox", kind: "gateway", access: "tokens", rooms: 1 },
      { name: "plain ws server again", kind: "control", access: "plain", rooms: 1 },
    ];
    const found: Found[] = [];
    const paths = await takeStepTurns(
      context,
      title,
      ways.map((way) => ({ name: way.name, kind: way.kind, measure: () => measure(context, way, found) })),
      { rounds: quick ? 1 : ROUNDS, warmUp: false },
    );
    return [
      {
        id: "reconnect",
        title,
        measured:
          "from the first attempt until the last handshake is done, and until half and all of the subscribers are up to date",
        cpuOf: "the server process's, for each subscriber",
        paths: paths.filter((path) => !isMemory(path)),
        notes: notesOf(found, subscribers),
        goals: [goalOf(found, subscribers)],
      },
      {
        id: "reconnect-memory",
        title: `Memory of a reconnect of ${subscribers.toLocaleString("en")} subscribers`,
        unit: "MB",
        measured:
          "that the server process occupies before anybody came, with all subscribers idle, and at most while they come back",
        paths: paths.filter(isMemory),
      },
    ];
  },
};

const MEMORY = "memory";

function isMemory({ name }: PathResult): boolean {
  return name.startsWith(MEMORY);
}

/** Each turn has processes of its own: memory that was used once is not all given back. */
async function measure({ plan, resources }: Context, way: Way, found: Found[]): Promise<Steps> {
  const own = new Resources();
  resources.onClose(() => own.close());
  try {
    // Ends after the clients, whose going then costs nothing any more.
    const starting = startServer(own, way);
    const settings = [way.access, String(way.rooms), String(plan.subscribers)];
    const [server, clients] = await Promise.all([
      starting,
      startWorker(own, "resuming-clients-process.ts", settings, pinned("load")),
    ]);
    const tell = <T>(question: ClientsQuestion): Promise<T> => clients.ask<T>(question);
    const before = await server.usage({ of: "memory" });
    const join: ClientsQuestion = { do: "join", url: server.address, count: JOIN_COUNT };
    for (let joined = 0; joined < plan.subscribers;) joined = await tell(join);
    const idle = await server.usage({ of: "memory" });

    await server.stream();
    await tell({ do: "cut" });
    await server.change();
    const droppedBefore = droppedHandshakes();
    const memory = watchMemory(own, server.pid);
    const cpuBefore = await server.usage({ of: "cpu" });
    await tell({ do: "return" });
    let resumed: Resumed | null = null;
    for (let asked = 0; !resumed && asked < MOST_ASKED; asked += 1) resumed = await tell({ do: "wait" });
    if (!resumed)
      throw new Error(`${way.name}: not all subscribers came back; look at what the processes printed`);
    const { half, all, open, retries } = resumed;
    const cpuMicros = ((await server.usage({ of: "cpu" })) - cpuBefore) / plan.subscribers;
    const most = memory.stop();
    const dropped = droppedHandshakes() - droppedBefore;
    const last = await server.rest();
    found.push({ way: way.name, dropped, retries, ...(await tell<Delivered>({ do: "check", last })) });

    const megabytes = (bytes: number) => ({ values: [bytes / 1e6], unit: "MB" as const });
    return {
      "all up to date": { values: [all], cpuMicros },
      "half up to date": { values: [half] },
      "last handshake": { values: [open] },
      [`${MEMORY} before`]: megabytes(before),
      [`${MEMORY} idle`]: megabytes(idle),
      [`${MEMORY} at most`]: megabytes(most),
    };
  } finally {
    await own.close();
  }
}

interface Server {
  /** For WebSockets. */
  readonly address: string;
  readonly pid: number;
  readonly usage: (question: UsageQuestion) => Promise<number>;
  /** Events begin to come, and go on until `rest`. */
  readonly stream: () => Promise<void>;
  /** Makes each sandbox's events that nobody is there for. */
  readonly change: () => Promise<void>;
  /** Resolves to each sandbox's last event. */
  readonly rest: () => Promise<number[]>;
}

async function startServer(resources: Resources, { access, rooms, redisUrl }: Way): Promise<Server> {
  const plain = access === "plain";
  const worker: Worker = plain
    ? await startWorker(resources, "plain-server-process.ts", [], pinned("server"))
    : await startWorker(resources, "rooms-gateway-process.ts", [redisUrl ?? "-", access], pinned("server"));
  const { url = "" } = worker.info;
  const ask = async <T>(question: RoomsQuestion, none: T): Promise<T> =>
    plain ? none : worker.ask<T>(question);
  await ask({ of: "make", rooms }, 0);
  return {
    address: plain ? url : `${url.replace(/^http/, "ws")}/v1/connect`,
    pid: worker.pid,
    usage: (question) => worker.ask<number>(question),
    stream: async () => {
      const perSecond = rooms === 1 ? 2 : DELIVERIES_PER_SECOND / SPREAD;
      await ask({ of: "stream", rooms, perSecond }, true);
    },
    change: async () => void (await ask({ of: "events", rooms, each: MISSED }, 0)),
    rest: () => ask<number[]>({ of: "rest", rooms }, []),
  };
}

/** Of all the machine's listeners, since it was started. */
function droppedHandshakes(): number {
  const [names = "", values = ""] = readFileSync("/proc/net/netstat", "utf8")
    .split("\n")
    .filter((line) => line.startsWith("TcpExt:"));
  const column = names.split(" ").indexOf("ListenDrops");
  return Number(values.split(" ")[column]);
}

function goalOf(found: readonly Found[], subscribers: number): Goal {
  const wrong = found.reduce((sum, each) => sum + each.snapshots + each.gaps + each.twice + each.behind, 0);
  const returns = (found.length * subscribers).toLocaleString("en");
  return {
    what: `${subscribers.toLocaleString("en")} who come back at once: not resumed, with a gap, or an event twice`,
    limit: "none",
    measured: `${wrong} of ${returns}`,
    verdict: wrong === 0 ? "met" : "missed",
  };
}

function notesOf(found: readonly Found[], subscribers: number): string[] {
  const sum = (of: (each: Found) => number): number => found.reduce((total, each) => total + of(each), 0);
  const wrong = {
    snapshots: "a snapshot instead",
    gaps: "a gap",
    twice: "an event twice",
    behind: "not all events",
  };
  const errors = (Object.keys(wrong) as (keyof typeof wrong)[]).map(
    (kind) => `${sum((each) => each[kind])} with ${wrong[kind]}`,
  );
  const drops = [...new Set(found.map(({ way }) => way))].map(
    (way) =>
      `${way} ${found
        .filter((each) => each.way === way)
        .map(({ dropped }) => dropped)
        .join(", ")}`,
  );
  return [
    `Of ${(found.length * subscribers).toLocaleString("en")} returns: ${errors.join(", ")}.`,
    `Connections that ended before their handshake was done, and were tried again: ${sum(({ retries }) => retries)}.`,
    `Handshakes that the system dropped because a listener's queue was full, in each round: ${drops.join("; ")}. Each waits a second or more.`,
  ];
}
