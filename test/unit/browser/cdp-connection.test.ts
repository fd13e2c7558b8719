import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WebSocketServer, type WebSocket } from "ws";
import { CdpConnection, CdpError } from "../../../src/browser/cdp-connection.ts";
import { silent } from "../../../src/browser/logger.ts";
import { PageTab } from "../../../src/browser/page-tab.ts";
import { Screencast } from "../../../src/browser/screencast.ts";

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

  it("tells of a dispatched command's refusal, and of its end, as of any other's", async () => {
    const session = await connection.attach("T");
    const command = arrived("Input.insertText");
    const refused = errorOf(session.dispatch("Input.insertText", { text: "a" }));
    say({ id: (await command).id, error: { code: -32_000, message: "no such thing" } });
    expect(await refused).toMatchObject({
      reason: "protocol",
      message: "Input.insertText: no such thing [-32000]",
    });
    const unanswered = arrived("Input.insertText");
    const lost = errorOf(session.dispatch("Input.insertText", { text: "b" }));
    await unanswered;
    say({ method: "Inspector.targetCrashed", sessionId: "S", params: {} });
    expect(await lost).toMatchObject({ reason: "crashed", message: "Input.insertText: the page crashed" });
    const answered = arrived("Input.insertText");
    const done = session.dispatch("Input.insertText", { text: "c" });
    say({ id: (await answered).id, result: {} });
    expect(await done).toEqual({});
    const cut = errorOf(session.dispatch("Input.insertText", { text: "d" }));
    say({ method: "Target.detachedFromTarget", params: { sessionId: "S" } });
    expect((await cut).reason).toBe("closed");
    expect((await errorOf(session.dispatch("Input.insertText", { text: "e" }))).reason).toBe("closed");
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

  it("gives a frame's picture as it came, unread, and as text when the message has another shape", async () => {
    const session = await connection.attach("T");
    const pictures: (Buffer | string)[] = [];
    const both = new Promise<void>((resolve) => {
      session.on("Page.screencastFrame", ({ data, sessionId }) => {
        expect(sessionId).toBe(7);
        if (pictures.push(data) === 2) resolve();
      });
    });
    const params = { data: "/9j/2Q==", metadata: {}, sessionId: 7 };
    say({ method: "Page.screencastFrame", params, sessionId: "S" });
    say({ sessionId: "S", method: "Page.screencastFrame", params });
    await both;
    expect(pictures).toEqual([Buffer.from("/9j/2Q=="), "/9j/2Q=="]);
  });

  it("ends when a frame's message is cut off behind its picture", async () => {
    peer.send('{"method":"Page.screencastFrame","params":{"data":"/9j/2Q==","metadata":');
    expect(await connection.closed).toMatch(/not a browser/);
  });

  it.each([
    ["no picture", { metadata: {}, sessionId: 7 }],
    ["a picture that is no text", { data: 5, metadata: {}, sessionId: 7 }],
    ["no metadata", { data: "/9j/2Q==", sessionId: 7 }],
  ])("ends when a frame that is awaited has %s", async (_, params) => {
    const session = await connection.attach("T");
    const screencast = new Screencast(() => {}, silent);
    screencast.setTab(new PageTab("T", session, undefined));
    screencast.setOptions({ quality: 60 });
    say({ method: "Page.screencastFrame", params, sessionId: "S" });
    expect(await connection.closed).toMatch(/what no browser sends/);
  });

  it("reads bytes that are no UTF-8 as the characters that stand for such, and goes on", async () => {
    const command = arrived("Browser.getVersion");
    const version = connection.browser.send("Browser.getVersion");
    const { id } = await command;
    const [before, after] = JSON.stringify({ id, result: { product: "|" } }).split("|");
    peer.send(Buffer.concat([Buffer.from(before ?? ""), Buffer.of(0xff), Buffer.from(after ?? "")]), {
      binary: false,
    });
    expect(await version).toEqual({ product: "\ufffd" });
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
