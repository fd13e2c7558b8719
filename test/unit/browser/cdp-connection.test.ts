import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WebSocketServer, type WebSocket } from "ws";
import { CdpConnection, CdpError } from "../../../src/browser/cdp-connection.ts";

interface Command {
  readonly id: number;
  readonly method: string;
  readonly sessionId?: string;
}

let server: WebSocketServer;
let connection: CdpConnection;
let peer: WebSocket;
let commands: Command[];
let onCommand: (command: Command) => void;

beforeEach(async () => {
  server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  await new Promise((resolve) => server.once("listening", resolve));
  const connected = new Promise<WebSocket>((resolve) => server.once("connection", resolve));
  const { port } = server.address() as AddressInfo;
  connection = await CdpConnection.connect(`ws://127.0.0.1:${port}/`, AbortSignal.timeout(5_000));
  peer = await connected;
  commands = [];
  onCommand = () => {};
  peer.on("message", (data: Buffer) => {
    const command = JSON.parse(data.toString()) as Command;
    commands.push(command);
    if (command.method === "Target.attachToTarget") attach(command.id);
    onCommand(command);
  });
});
afterEach(async () => {
  connection.close();
  for (const client of server.clients) client.terminate();
  await new Promise((resolve) => server.close(resolve));
});

function say(message: unknown): void {
  peer.send(JSON.stringify(message));
}

function attach(id: number): void {
  say({
    method: "Target.attachedToTarget",
    params: { sessionId: "S", targetInfo: {}, waitingForDebugger: false },
  });
  say({ method: "Page.frameResized", sessionId: "S", params: {} });
  say({ id, result: { sessionId: "S" } });
}

function arrived(method: string): Promise<Command> {
  return new Promise((resolve) => {
    onCommand = (command) => void (command.method === method && resolve(command));
  });
}

async function errorOf(promise: Promise<unknown>): Promise<CdpError> {
  const error = await promise.then(() => undefined).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(CdpError);
  return error as CdpError;
}

describe("CdpConnection", () => {
  it("matches answers to commands, whatever their order", async () => {
    const both = arrived("Browser.getVersion");
    const targets = connection.browser.send("Target.getTargets", {});
    const version = connection.browser.send("Browser.getVersion");
    const { id } = await both;
    say({ id, result: { product: "second" } });
    say({ id: id - 1, result: { targetInfos: [] } });
    expect(await version).toEqual({ product: "second" });
    expect(await targets).toEqual({ targetInfos: [] });
  });

  it("tells a refusal, whose stack leads to the caller", async () => {
    const command = arrived("Page.enable");
    async function theCaller(): Promise<void> {
      await connection.browser.send("Page.enable");
    }
    const refused = errorOf(theCaller());
    say({ id: (await command).id, error: { code: -32_000, message: "no such thing" } });
    const error = await refused;
    expect(error).toMatchObject({ reason: "protocol", message: "Page.enable: no such thing [-32000]" });
    expect(error.stack).toContain("theCaller");
    expect(error.stack).toContain("no such thing");
  });

  it("sends a session's commands with its id, and gives it its events", async () => {
    const session = await connection.attach("T");
    const event = new Promise((resolve) => session.on("Page.frameStartedLoading", resolve));
    const command = arrived("Page.reload");
    session.post("Page.reload", {});
    expect(await command).toMatchObject({ sessionId: "S" });
    say({ method: "Page.frameStartedLoading", sessionId: "other", params: { frameId: "wrong" } });
    say({ method: "Page.frameStartedLoading", sessionId: "S", params: { frameId: "F" } });
    expect(await event).toEqual({ frameId: "F" });
  });

  it("rejects what is unanswered when the session ends, as closed; the browser's own goes on", async () => {
    const session = await connection.attach("T");
    const command = arrived("Browser.getVersion");
    const lost = errorOf(session.send("Page.enable"));
    const version = connection.browser.send("Browser.getVersion");
    const { id } = await command;
    say({ method: "Target.detachedFromTarget", params: { sessionId: "S" } });
    expect((await lost).reason).toBe("closed");
    expect((await errorOf(session.send("Page.enable"))).reason).toBe("closed");
    say({ id, result: { product: "alive" } });
    expect(await version).toEqual({ product: "alive" });
  });

  it("rejects what is unanswered when the page crashes, as crashed; the session goes on", async () => {
    const session = await connection.attach("T");
    const lost = errorOf(session.send("Page.enable"));
    say({ method: "Inspector.targetCrashed", sessionId: "S", params: {} });
    expect((await lost).reason).toBe("crashed");
    const command = arrived("Page.reload");
    const reloaded = session.send("Page.reload", {});
    say({ id: (await command).id, result: {} });
    await reloaded;
  });

  it("rejects everything when the socket ends, and says why", async () => {
    const session = await connection.attach("T");
    const lost = [
      errorOf(session.send("Page.enable")),
      errorOf(connection.browser.send("Browser.getVersion")),
    ];
    peer.terminate();
    for (const error of await Promise.all(lost)) expect(error.reason).toBe("closed");
    expect(await connection.closed).toMatch(/closed the connection/);
    expect((await errorOf(connection.browser.send("Browser.getVersion"))).reason).toBe("closed");
  });

  it("ends when the peer is no browser", async () => {
    const lost = errorOf(connection.browser.send("Browser.getVersion"));
    peer.send("hello");
    expect((await lost).reason).toBe("closed");
    expect(await connection.closed).toMatch(/not a browser/);
  });

  it("refuses more commands when ten thousand are unanswered", async () => {
    for (let sent = 0; sent < 10_000; sent++) connection.browser.post("Browser.getVersion");
    expect((await errorOf(connection.browser.send("Browser.getVersion"))).reason).toBe("overflow");
  });

  it("does not connect after the signal has aborted", async () => {
    const { port } = server.address() as AddressInfo;
    const abort = new AbortController();
    const connecting = CdpConnection.connect(`ws://127.0.0.1:${port}/`, abort.signal);
    abort.abort(new Error("enough"));
    await expect(connecting).rejects.toThrow("enough");
  });
});
