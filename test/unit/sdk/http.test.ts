import type { IncomingMessage, ServerResponse } from "node:http";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { sandboxOf } from "./fixtures.ts";
import { ScriptedGateway } from "./scripted-gateway.ts";

let gateway: ScriptedGateway;
beforeEach(async () => {
  gateway = await ScriptedGateway.start();
});
afterEach(() => gateway.stop());

interface Seen {
  method: string | undefined;
  url: string | undefined;
  headers: IncomingMessage["headers"];
  body: string;
}

/** Answers every request with `status` and `body`; returns what was asked. */
function answering(status: number, body: unknown): Seen[] {
  const seen: Seen[] = [];
  gateway.onRequest((request: IncomingMessage, response: ServerResponse) => {
    let text = "";
    request.on("data", (part) => (text += String(part)));
    request.on("end", () => {
      seen.push({ method: request.method, url: request.url, headers: request.headers, body: text });
      response.writeHead(status, { "content-type": "application/json" });
      response.end(body === undefined ? undefined : JSON.stringify(body));
    });
  });
  return seen;
}

describe("createSandbox and removeSandbox", () => {
  it("create with the body and who calls", async () => {
    const sandbox = sandboxOf();
    const seen = answering(201, { ok: true, sandbox, previewUrl: "/s/box" });
    const client = gateway.client({ role: "worker", name: "Builder" });
    const created = await client.createSandbox({ sandboxId: "box", browser: { launch: true } });
    expect(created).toEqual(sandbox);
    expect(seen[0]).toMatchObject({ method: "POST", url: "/v1/sandboxes" });
    expect(seen[0]?.headers).toMatchObject({
      "x-baton-name": "Builder",
      "x-baton-role": "worker",
      "content-type": "application/json",
    });
    expect(JSON.parse(seen[0]?.body ?? "")).toEqual({ sandboxId: "box", browser: { launch: true } });
  });

  it("remove by id", async () => {
    const seen = answering(204, undefined);
    await gateway.client().removeSandbox("box");
    expect(seen[0]).toMatchObject({ method: "DELETE", url: "/v1/sandboxes/box" });
  });

  it("percent-encode a name that no header can hold, and leave out one that gets too long", async () => {
    const seen = answering(204, undefined);
    await gateway.client({ name: "Zoë" }).removeSandbox("box");
    await gateway.client({ name: "漢".repeat(40) }).removeSandbox("box");
    expect(seen[0]?.headers["x-baton-name"]).toBe("Zo%C3%AB");
    expect(seen[1]?.headers).not.toHaveProperty("x-baton-name");
  });

  it("reject with the problem document's code", async () => {
    answering(409, {
      type: "about:blank",
      title: "Conflict",
      status: 409,
      detail: "There is one with another browser.",
      code: "sandbox_exists",
      retryable: false,
      details: { sandboxId: "box" },
    });
    await expect(gateway.client().createSandbox({ sandboxId: "box" })).rejects.toMatchObject({
      name: "BatonError",
      code: "sandbox_exists",
      message: "There is one with another browser.",
      details: { sandboxId: "box" },
    });
  });

  it("say so when it is not a gateway that answers", async () => {
    answering(502, "Bad gateway");
    const client = gateway.client();
    await expect(client.createSandbox()).rejects.toMatchObject({
      code: "internal",
      details: { status: 502 },
    });
    await expect(client.removeSandbox("box")).rejects.toMatchObject({ code: "internal" });
  });

  it("say so when nobody answers", async () => {
    const client = gateway.client();
    gateway.onRequest((request) => request.socket.destroy());
    await expect(client.createSandbox()).rejects.toMatchObject({ code: "unavailable" });
  });

  it("abort with the signal's reason", async () => {
    const controller = new AbortController();
    gateway.onRequest(() => controller.abort(new Error("enough")));
    const create = gateway.client().createSandbox({ signal: controller.signal });
    await expect(create).rejects.toThrow("enough");
  });
});
