/** Several processes on one machine (`BATON_WORKERS`): one port, one store, and each of them may die. */
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { CLOSE } from "../../protocol/errors.ts";
import { Baton, type Ended } from "../support/baton-process.ts";
import { within } from "../support/inbox.ts";
import { RawClient } from "../support/raw-client.ts";
import { RedisServer } from "../support/redis.ts";
import { clientOn, rawOn, spread, workersOf } from "../support/workers.ts";
import { until } from "../support/gateway.ts";

/** Three processes compile their sources. */
const TEST_MS = 60_000;

const TRANSPORTS = ["ws", "uws"];

async function start(env: Record<string, string> = {}, args: readonly string[] = []) {
  const baton = new Baton(args, { BATON_WORKERS: "2", BATON_STORE: "memory", ...env });
  const url = await baton.url();
  const [one = 0, two = 0, ...more] = await workersOf(baton);
  expect([one > 0, two > 0, more.length]).toEqual([true, true, 0]);
  return { baton, url, one, two };
}

function gone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    return true;
  }
}

async function create(url: string, sandboxId: string): Promise<void> {
  const response = await fetch(`${url}/v1/sandboxes`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-baton-role": "worker" },
    body: JSON.stringify({ sandboxId }),
  });
  expect(response.status, await response.text()).toBe(200);
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function metric(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
}

describe("two workers", () => {
  it.each(TRANSPORTS)(
    "%s: have one port, on which sockets spread over both, and any of them tells the metrics of all",
    async (transport) => {
      const { baton, url, one, two } = await start({ BATON_TRANSPORT: transport });
      const clients: RawClient[] = [];
      for (let index = 0; index < 20; index += 1) clients.push(await RawClient.greeted(url));
      onTestFinished(() => clients.forEach(({ socket }) => socket.terminate()));
      const counts = await spread(baton, clients);
      expect([...counts.keys()].sort((a, b) => a - b)).toEqual([one, two]);
      for (const count of counts.values()) expect(count).toBeGreaterThanOrEqual(2);
      // Requests go to both in turn.
      for (let index = 0; index < 4; index += 1) {
        expect(await metric(url, "baton_connections")).toBe(20);
        expect(await metric(url, 'baton_messages_total\\{type="hello"\\}')).toBe(20);
        expect(await metric(url, "baton_workers")).toBe(2);
        expect(await metric(url, "baton_nodes")).toBe(2);
      }
      const addresses = baton.log.all.filter(({ msg }) => msg.startsWith("dashboard: "));
      expect(addresses).toHaveLength(1);
    },
    TEST_MS,
  );

  it(
    "are told of each other's changes, and who is in a room is one list",
    async () => {
      const { baton, url, one, two } = await start();
      const bot = await clientOn(baton, url, one, { role: "agent", name: "bot" });
      const anna = await clientOn(baton, url, two, { role: "operator", name: "anna" });
      await create(url, "s");
      const [agent, person] = [bot.sandbox("s"), anna.sandbox("s")];
      agent.onResume(async ({ prompt }) => `did: ${prompt}`);
      await until(person, ({ members }) => members.length === 2);
      await agent.requestHumanHandoff({ reason: "mfa", message: "The code", resumePrompt: "Go on" });
      await until(person, ({ sandbox }) => sandbox.handoff?.status === "pending");
      await person.acceptHumanHandoff({ controller: "anna" });
      const done = await person.completeHumanHandoff({ controller: "anna", runResumePrompt: true });
      expect(done.resume).toMatchObject({ ok: true, response: "did: Go on" });
      await agent.waitForControl();
    },
    TEST_MS,
  );

  it.each(TRANSPORTS)(
    "%s: one that is killed is replaced: handoffs and the other's sockets stay, its clients come back",
    async (transport) => {
      const { baton, url, one, two } = await start({ BATON_TRANSPORT: transport });
      const bot = await clientOn(baton, url, one, { role: "agent", name: "bot" });
      const stays = await rawOn(baton, url, two, { role: "operator", name: "olga" });
      await create(url, "s");
      const agent = bot.sandbox("s");
      await agent.requestHumanHandoff({ reason: "mfa", message: "The code" });
      await stays.done("sandbox.joined", { type: "sandbox.join", sandboxId: "s" });
      process.kill(one, "SIGKILL");
      const { msg } = await baton.line("a worker ended with SIGKILL; it is replaced");
      expect(msg).not.toMatch(/undefined/);
      await baton.line("a worker serves again");
      const late = AbortSignal.timeout(10_000);
      for (let at: number | undefined = one; at === undefined || at === one; at = await bot.worker())
        late.throwIfAborted();
      await until(agent, ({ connected }) => connected);
      const [first, second, ...more] = await workersOf(baton);
      expect([first, more.length]).toEqual([two, 0]);
      expect(second).not.toBe(one);
      await stays.ping();
      // Both of them serve.
      for (const pid of [first ?? 0, second ?? 0]) {
        const client = await rawOn(baton, url, pid, { role: "operator", name: "anna" });
        const joined = await client.done("sandbox.joined", { type: "sandbox.join", sandboxId: "s" });
        expect(joined).toMatchObject({ snapshot: { handoff: { status: "pending", message: "The code" } } });
      }
      expect(await metric(url, "baton_workers")).toBe(2);
    },
    TEST_MS,
  );

  it(
    "H5: who was connected to the one that is killed is no longer in the room once the others have looked",
    async () => {
      const { baton, url, one, two } = await start();
      const names = (members: readonly { name: string }[]) =>
        members
          .map(({ name }) => name)
          .sort()
          .join();
      await create(url, "s");
      const dies = await rawOn(baton, url, one, { role: "operator", name: "dan" });
      await dies.done("sandbox.joined", { type: "sandbox.join", sandboxId: "s" });
      const stays = await rawOn(baton, url, two, { role: "operator", name: "olga" });
      const join = { type: "sandbox.join", sandboxId: "s" };
      await stays.done("sandbox.joined", join);
      await stays.next("presence", ({ members }) => names(members) === "dan,olga");
      const killedAt = performance.now();
      process.kill(one, "SIGKILL");
      await stays.next("presence", ({ members }) => names(members) === "olga");
      // Without the link's word its time would have to run out: ten seconds.
      expect(performance.now() - killedAt).toBeLessThan(6_000);
    },
    TEST_MS,
  );

  it(
    "close in order on SIGTERM, and when a terminal sends SIGINT to all of them",
    async () => {
      for (const how of ["SIGTERM", "group"] as const) {
        const { baton, url, one, two } = await start({ BATON_STORE: "local" });
        const clients = [await rawOn(baton, url, one), await rawOn(baton, url, two)];
        if (how === "SIGTERM") baton.child.kill("SIGTERM");
        else for (const pid of [one, two, baton.child.pid ?? 0]) process.kill(pid, "SIGINT");
        for (const client of clients) expect((await client.closing()).code).toBe(CLOSE.going_away.code);
        const end = await within(baton.ended, "the end of the process", 5_000);
        expect(end).toMatchObject({ code: 0, signal: null, errors: [] });
        expect(baton.log.all.filter(({ level }) => level >= 40).map(({ msg }) => msg)).toEqual([
          expect.stringMatching(/^BATON_SECRET is not set/),
        ]);
        expect(baton.log.all.filter(({ msg }) => msg.includes("telling clients"))).toHaveLength(1);
        expect([one, two].map(gone)).toEqual([true, true]);
      }
    },
    TEST_MS,
  );

  it(
    "end with their primary",
    async () => {
      const { baton, one, two } = await start();
      baton.child.kill("SIGKILL");
      const late = AbortSignal.timeout(5_000);
      while (!gone(one) || !gone(two)) {
        late.throwIfAborted();
        await turn();
      }
    },
    TEST_MS,
  );

  it(
    "C3: while their primary is paused changes are refused in time, and afterwards all goes on",
    async () => {
      const { baton, url, one, two } = await start();
      const client = await rawOn(baton, url, one, { role: "agent", name: "bot" });
      const other = await rawOn(baton, url, two, { role: "operator", name: "olga" });
      await create(url, "s");
      for (const each of [client, other])
        await each.done("sandbox.joined", { type: "sandbox.join", sandboxId: "s" });
      baton.child.kill("SIGSTOP");
      onTestFinished(() => void baton.child.kill("SIGCONT"));
      const since = performance.now();
      const asked = client.call({
        type: "handoff.request",
        sandboxId: "s",
        reason: "mfa",
        message: "The code",
      });
      expect(await asked).toMatchObject({ type: "error", code: "unavailable", retryable: true });
      expect(performance.now() - since).toBeLessThan(7_000);
      await other.next("gateway.status", ({ degraded }) => degraded);
      // It was not carried out, and is not later.
      const back = other.next("gateway.status", ({ degraded }) => !degraded);
      baton.child.kill("SIGCONT");
      await back;
      const read = (await (await fetch(`${url}/v1/sandboxes/s`)).json()) as {
        sandbox: { handoff: unknown };
      };
      expect(read.sandbox.handoff).toBeNull();
      await client.done("result", {
        type: "handoff.request",
        sandboxId: "s",
        reason: "mfa",
        message: "Again",
      });
      await other.next("event", ({ event }) => event.type === "handoff.requested");
    },
    TEST_MS,
  );

  it(
    "are joined by Redis when that is the store",
    async () => {
      const redis = await RedisServer.start();
      onTestFinished(() => redis.stop());
      const { baton, url, one, two } = await start({
        BATON_STORE: "redis",
        BATON_REDIS_URL: `redis://${redis.address}`,
      });
      const bot = await clientOn(baton, url, one, { role: "agent", name: "bot" });
      const anna = await clientOn(baton, url, two, { role: "operator", name: "anna" });
      await create(url, "s");
      await bot.sandbox("s").requestHumanHandoff({ reason: "mfa", message: "The code" });
      const { sandbox } = await until(anna.sandbox("s"), () => true);
      expect(sandbox.handoff?.status).toBe("pending");
      baton.child.kill("SIGTERM");
      expect(await baton.end()).toMatchObject({ code: 0, errors: [] });
    },
    TEST_MS,
  );
});

describe("workers that cannot start", () => {
  it(
    "end the whole with 1 and one clear line, as one process does",
    async () => {
      const taken = createServer().listen(0, "127.0.0.1");
      await once(taken, "listening");
      onTestFinished(() => void taken.close());
      const { port } = taken.address() as AddressInfo;
      const cases: [env: Record<string, string>, line: RegExp][] = [
        ...TRANSPORTS.map((transport): [Record<string, string>, RegExp] => [
          { BATON_PORT: String(port), BATON_TRANSPORT: transport },
          new RegExp(`^baton: port ${port} is in use\\. Set BATON_PORT`),
        ]),
        [{ BATON_DATA_DIR: "/dev/null" }, /^baton: .*\/dev\/null/],
        [{ BATON_WORKERS: "65" }, /^baton: BATON_WORKERS=65 cannot be used: .*1 to 64.*auto/],
        [
          { BATON_STORE: "redis", BATON_REDIS_URL: "mysql://localhost" },
          /^baton: BATON_REDIS_URL cannot be used/,
        ],
      ];
      const ended: Ended[] = [];
      for (const [env] of cases) ended.push(await new Baton([], { BATON_WORKERS: "2", ...env }).end());
      for (const [index, [env, line]] of cases.entries()) {
        const { code, errors } = ended[index] as Ended;
        expect(errors, JSON.stringify(env)).toEqual([expect.stringMatching(line)]);
        expect(code, JSON.stringify(env)).toBe(1);
      }
    },
    TEST_MS,
  );

  it("refuses to be a worker by hand", async () => {
    const { code, errors } = await new Baton(["worker"]).end();
    expect(code).toBe(1);
    expect(errors[0]).toMatch(/^baton: .*worker/);
  });
});
