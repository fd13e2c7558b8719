import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { resultOf } from "./fixtures.ts";
import { ScriptedGateway } from "./scripted-gateway.ts";

let gateway: ScriptedGateway;
beforeEach(async () => {
  gateway = await ScriptedGateway.start();
});
afterEach(() => gateway.stop());

describe("what is not of the protocol", () => {
  it("is ignored", async () => {
    const client = gateway.client();
    const box = client.sandbox("box");
    const peer = await gateway.peer();
    await client.ready();
    for (const text of [
      "",
      "not json",
      "null",
      "[]",
      '{"type":"event"}',
      '{"type":"event","event":{"sandboxId":"box","seq":-1}}',
      '{"type":"a.later.one","sandboxId":"box"}',
      '{"type":"result","id":"nobody-asked","result":{"ok":true,"handoff":null,"preview":null}}',
      '{"type":"sandbox.left","sandboxId":"never-opened","reason":"removed"}',
    ]) {
      peer.raw(text);
    }
    peer.raw(new Uint8Array([1, 2, 3]));
    peer.raw(new Uint8Array(64));
    const call = box.getHandoff();
    const get = await peer.next("handoff.get");
    peer.send({ type: "result", id: get.id, result: resultOf() });
    await call;
    expect(client.status).toBe("open");
    expect(gateway.hellos).toHaveLength(1);
  });

  it("rejects the call that it would have answered", async () => {
    const box = gateway.client().sandbox("box");
    const peer = await gateway.peer();
    const call = box.getHandoff();
    const { id } = await peer.next("handoff.get");
    peer.raw(
      JSON.stringify({ type: "error", id, code: "of_a_later_version", message: "", retryable: false }),
    );
    await expect(call).rejects.toMatchObject({ code: "internal" });
    const other = box.getHandoff();
    peer.done((await peer.next("handoff.get")).id);
    await expect(other).rejects.toMatchObject({ code: "internal" });
  });
});
