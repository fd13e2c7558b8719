/**
 * What an event costs, counted: writes, encodings and objects, not time. A fall in these is a fall in deliveries per
 * second, as `npm run bench -- --only fan-out-cost` measures it.
 */
import { Socket as TcpSocket } from "node:net";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { SharedText } from "../../src/transport/shared-text.ts";
import type { Socket, TransportFactory } from "../../src/transport/transport.ts";
import { WsTransport } from "../../src/transport/ws.ts";
import { Client, starter, type Served } from "../contract/transport-bench.ts";
import { startGateway } from "../support/gateway.ts";
import { RawClient } from "../support/raw-client.ts";

const SOCKETS = 40;
const EVENTS = 25;

/** What is written to the server's ends of this port's connections from here on. */
function countWrites(port: number): () => (readonly [TcpSocket, unknown])[] {
  const spy = vi.spyOn(TcpSocket.prototype, "write");
  onTestFinished(() => spy.mockRestore());
  return () =>
    spy.mock.calls
      .map(([bytes], index) => [spy.mock.contexts[index] as TcpSocket, bytes] as const)
      .filter(([socket]) => socket.localPort === port);
}

describe("a fan-out on ws", () => {
  const start = starter((options) => new WsTransport(options));

  async function audience(): Promise<{ port: number; clients: Client[]; sockets: Socket[] }> {
    const { port, served } = await start({ echo: false });
    const clients: Client[] = [];
    const sockets: Socket[] = [];
    for (let index = 0; index < SOCKETS; index += 1) {
      clients.push(await new Client(port).open());
      const one: Served = await served.take("accepted socket");
      sockets.push(one.socket);
    }
    return { port, clients, sockets };
  }

  it("writes once per socket and turn, the same bytes to all, however many events there are", async () => {
    const { port, clients, sockets } = await audience();
    const events = Array.from({ length: EVENTS }, (_, index) => new SharedText(`event ${index}`));
    const written = countWrites(port);
    for (const event of events) for (const socket of sockets) socket.send(event);
    for (const { texts } of clients) {
      await texts.take("the last event", (text) => text === `event ${EVENTS - 1}`);
      expect(texts.all).toEqual(events.map(({ text }) => text));
    }
    const writes = written();
    expect(writes).toHaveLength(SOCKETS);
    expect(new Set(writes.map(([socket]) => socket)).size).toBe(SOCKETS);
    expect(new Set(writes.map(([, bytes]) => bytes)).size, "joined once, for all").toBe(1);
  });

  it("encodes an event once, whoever asks first", async () => {
    const { sockets, clients } = await audience();
    const encode = vi.spyOn(Buffer.prototype, "write");
    onTestFinished(() => encode.mockRestore());
    const event = new SharedText("one event for all");
    for (const socket of sockets) socket.send(event);
    for (const { texts } of clients) await texts.take("the event");
    const encodings = encode.mock.calls.filter(([text]) => text === event.text);
    expect(encodings).toHaveLength(1);
  });

  it("joins no more than leaves in one write, so that no socket's bytes are copied twice", async () => {
    const { port, sockets, clients } = await audience();
    const written = countWrites(port);
    const large = Array.from({ length: 8 }, (_, index) => new SharedText(`${index} ${"x".repeat(40_000)}`));
    const [socket] = sockets;
    for (const event of large) socket?.send(event);
    await clients[0]?.texts.take("the last event", (text) => text.startsWith("7 "));
    expect(written()).toHaveLength(large.length / 2);
  });
});

describe("an event of a room", () => {
  const MEMBERS = 30;

  it("is one message for all who follow it, and none for anybody else", async () => {
    const sent: (string | SharedText)[] = [];
    const { url, create, gateway } = await startGateway({ transport: recording(sent) });
    await create("busy");
    await create("quiet");
    const join = async (sandboxId: string, index: number): Promise<RawClient> => {
      const client = await RawClient.greeted(url, { role: "viewer", name: `${sandboxId}-${index}` });
      client.send({ type: "sandbox.join", id: "join", sandboxId });
      await client.next("sandbox.joined");
      onTestFinished(() => client.socket.terminate());
      return client;
    };
    const followers: RawClient[] = [];
    for (let index = 0; index < MEMBERS; index += 1) followers.push(await join("busy", index));
    for (let index = 0; index < 5; index += 1) await join("quiet", index);

    const { room, release } = await gateway.rooms.acquire("busy");
    onTestFinished(release);
    await room.until(({ browser }) => browser?.status === "live", 5_000);
    const { seq } = room.sandbox;
    const isNext = (text: string): boolean =>
      text.startsWith('{"type":"event"') && text.includes(`"seq":${seq + 1},`);
    const by = { name: "ada", role: "operator" } as const;
    await room.dispatch({ type: "control.take", controller: "ada", force: false, by });
    for (const follower of followers) await follower.next("event", ({ event }) => event.seq === seq + 1);
    const events = sent.filter(
      (message): message is SharedText => message instanceof SharedText && isNext(message.text),
    );
    expect(events).toHaveLength(MEMBERS);
    expect(new Set(events).size, "encoded once").toBe(1);
    expect(sent.filter((message) => typeof message === "string" && isNext(message))).toEqual([]);
  });

  it("has lists of its members that are bounded, however many come at once", async () => {
    const COME = 160;
    const { url, create } = await startGateway();
    await create("crowd");
    const clients = await Promise.all(
      Array.from({ length: COME }, (_, index) =>
        RawClient.greeted(url, { role: "viewer", name: `viewer-${index}` }),
      ),
    );
    onTestFinished(() => clients.forEach(({ socket }) => socket.terminate()));
    for (const client of clients) client.send({ type: "sandbox.join", id: "join", sandboxId: "crowd" });
    await Promise.all(clients.map((client) => client.next("sandbox.joined")));
    const [first] = clients;
    const last = await first?.next("presence", ({ members, more = 0 }) => members.length + more === COME);
    expect(last?.members).toHaveLength(100);
    expect(last?.more).toBe(COME - 100);
    const lists = first?.received.filter(({ type }) => type === "presence") ?? [];
    // One for each who comes would be as many as there are members, to as many as there are members.
    expect(lists.length).toBeLessThan(COME / 2);
  });
});

/** The real transport, with what the gateway gives it to send on record. */
function recording(sent: (string | SharedText)[]): TransportFactory {
  return (options) =>
    new WsTransport({
      ...options,
      onSocket: (socket, handshake) => {
        const send = socket.send.bind(socket);
        socket.send = (message) => {
          sent.push(message);
          send(message);
        };
        return options.onSocket(socket, handshake);
      },
    });
}
