/** The proxy against a server that counts: what was executed, and who heard of it. */
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { describe, expect, it, onTestFinished } from "vitest";
import { CuttingProxy } from "../support/cutting-proxy.ts";
import { Inbox, within } from "../support/inbox.ts";

/** Answers each line with `done <line>`, and keeps what it has executed. */
async function bench(): Promise<{
  proxy: CuttingProxy;
  executed: Inbox<string>;
  client: () => Promise<Client>;
}> {
  const executed = new Inbox<string>();
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    createInterface({ input: socket })
      .on("error", () => {})
      .on("line", (line) => {
        executed.put(line);
        if (!socket.destroyed) socket.write(`done ${line}\n`);
      });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const proxy = await CuttingProxy.start({ host: "127.0.0.1", port });
  onTestFinished(async () => {
    await proxy.close();
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { proxy, executed, client: () => Client.open(proxy.port) };
}

class Client {
  readonly replies = new Inbox<string>();
  readonly closed: Promise<void>;
  readonly #socket: Socket;

  static async open(port: number): Promise<Client> {
    const socket = connect({ port, host: "127.0.0.1" });
    await once(socket, "connect");
    return new Client(socket);
  }

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("error", () => {});
    createInterface({ input: socket })
      .on("line", (line) => this.replies.put(line))
      .on("error", () => {});
    this.closed = new Promise<void>((resolve) => void socket.once("close", () => resolve()));
    onTestFinished(() => void socket.destroy());
  }

  send(line: string): void {
    this.write(`${line}\n`);
  }

  write(text: string): void {
    this.#socket.write(text);
  }

  async ask(line: string): Promise<string> {
    this.send(line);
    return this.replies.take(`the reply to ${line}`);
  }
}

describe("the cutting proxy", () => {
  it("passes requests and replies on", async () => {
    const { client } = await bench();
    const one = await client();
    expect(await one.ask("a")).toBe("done a");
    expect(await one.ask("b")).toBe("done b");
  });

  it("cuts after execution and before the reply, once, and only the connection that asked", async () => {
    const { proxy, executed, client } = await bench();
    const [struck, other] = [await client(), await client()];
    expect(await other.ask("x")).toBe("done x");
    const cut = proxy.cutNextReply();
    struck.send("write");
    await within(cut, "the cut");
    await within(struck.closed, "the close");
    expect(struck.replies.all).toEqual([]);
    expect(executed.all).toEqual(["x", "write"]);
    expect(await other.ask("y")).toBe("done y");
    expect(await (await client()).ask("again")).toBe("done again");
  });

  it("cuts only the reply to what matches", async () => {
    const { proxy, executed, client } = await bench();
    const one = await client();
    const cut = proxy.cutNextReply((request) => request.includes("EVALSHA"));
    expect(await one.ask("GET")).toBe("done GET");
    // In two parts, as a large request comes.
    one.write("EVAL");
    one.send("SHA commit");
    await within(cut, "the cut");
    await within(one.closed, "the close");
    expect(one.replies.all).toEqual(["done GET"]);
    expect(executed.all).toEqual(["GET", "EVALSHA commit"]);
  });

  it("cuts a share of the replies until it is told to pass", async () => {
    const { proxy, executed, client } = await bench();
    const decisions = [false, true];
    proxy.cutReplies(() => decisions.shift() ?? true);
    const one = await client();
    expect(await one.ask("kept")).toBe("done kept");
    one.send("lost");
    await within(one.closed, "the close");
    expect(executed.all).toEqual(["kept", "lost"]);
    proxy.pass();
    expect(await (await client()).ask("well")).toBe("done well");
  });

  it("cuts every open connection, and takes new ones", async () => {
    const { proxy, client } = await bench();
    const open = [await client(), await client()];
    for (const one of open) await one.ask("a");
    expect(proxy.links).toBe(2);
    proxy.cut();
    await within(Promise.all(open.map(({ closed }) => closed)), "the closes");
    expect(await (await client()).ask("b")).toBe("done b");
  });

  it("refuses connections while the target cannot be reached", async () => {
    const { proxy, client } = await bench();
    const one = await client();
    proxy.refuse();
    await within(one.closed, "the close");
    await within((await client()).closed, "the refusal");
    proxy.pass();
    expect(await (await client()).ask("a")).toBe("done a");
  });

  it.each([
    { directions: ["up"], executes: false },
    { directions: ["down"], executes: true },
    { directions: ["up", "down"], executes: false },
  ] as const)("swallows $directions silently on open connections only", async ({ directions, executes }) => {
    const { proxy, executed, client } = await bench();
    const deaf = await client();
    await deaf.ask("before");
    proxy.swallow(...directions);
    deaf.send("into the void");
    if (executes) await executed.take("the request", (line) => line === "into the void");
    const fresh = await client();
    expect(await fresh.ask("fresh")).toBe("done fresh");
    expect(deaf.replies.all).toEqual(["done before"]);
    expect(executed.all.includes("into the void")).toBe(executes);
    // Its stream has a hole: it must not go on.
    proxy.pass();
    await within(deaf.closed, "the close");
    expect(await fresh.ask("on")).toBe("done on");
  });

  it("delays in order, also when the delay ends meanwhile", async () => {
    const { proxy, executed, client } = await bench();
    const one = await client();
    proxy.delay(100);
    const sentAt = performance.now();
    one.send("first");
    await executed.take("the first", (line) => line === "first");
    expect(performance.now() - sentAt).toBeGreaterThan(90);
    one.send("second");
    await one.replies.take("the first reply");
    proxy.pass();
    one.send("third");
    await executed.take("the third", (line) => line === "third");
    expect(executed.all).toEqual(["first", "second", "third"]);
  });
});
