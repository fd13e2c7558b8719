import { describe, expect, it } from "vitest";
import { WsTransport } from "../../../src/transport/ws.ts";
import { starter } from "../../contract/transport-bench.ts";
import { frame, startPipes } from "../../contract/transport-pipe-bench.ts";
import { describeTransportContract } from "../../contract/transport.ts";
import { OPCODE } from "../../support/tcp-peer.ts";

describeTransportContract("ws", (options) => new WsTransport(options));

describe("transport: ws, by itself", () => {
  it("cuts off a message that comes in crumbs with 1008, before joining them takes long", async () => {
    const limit = 100_000;
    const { rawPipe, works } = await startPipes(
      starter((options) => new WsTransport(options)),
      { maxPipeBytes: limit },
    );
    const { peer, end } = await rawPipe();
    peer.socket.setNoDelay();
    const crumbs = frame(OPCODE.text, Buffer.alloc(limit, "x"));
    for (let sent = 0; sent < crumbs.length && peer.received.length === 0; sent += 1) {
      peer.socket.write(crumbs.subarray(sent, sent + 1));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await peer.closeCode()).toBe(1008);
    await end.over();
    expect(end.messages.all).toEqual([]);
    await works();
  });
});
