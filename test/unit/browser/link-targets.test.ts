/** Where a link may lead: to its browser, and in it. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { WebSocketServer } from "ws";
import { ChromiumLink } from "../../../src/browser/chromium-link.ts";
import { targetPolicy } from "../../../src/targets/policy.ts";
import { startBench } from "./bench.ts";

describe("a link to a browser by name", () => {
  it("asks before every connection where the name leads, and makes none where it may not", async () => {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    await once(server, "listening");
    onTestFinished(() => {
      server.close();
    });
    let connections = 0;
    server.on("connection", (socket) => {
      connections += 1;
      socket.terminate();
    });
    const { port } = server.address() as AddressInfo;
    const addresses = ["127.0.0.1", "127.0.0.1", "::ffff:127.0.0.1"];
    let asked = 0;
    let often: () => void = () => {};
    const askedOften = new Promise<void>((resolve) => (often = resolve));
    const targets = targetPolicy(`[::1]:${port},127.0.0.1:${port}`, "S", {
      resolve: async () => {
        const address = addresses[asked++] ?? "127.0.0.2";
        if (asked === 6) often();
        return [{ address, family: address.includes(":") ? 6 : 4 }];
      },
    });
    const link = new ChromiumLink({ endpoint: async () => `ws://browser.invalid:${port}/`, targets });
    onTestFinished(() => link.close());
    await expect(link.ready()).rejects.toMatchObject({ code: "browser_attach_failed" });
    await askedOften;
    expect(connections).toBe(3);
  });
});

describe("a person's navigation under a policy", () => {
  it("C6: leaves in its turn once its host was looked up, and not at all when it may no longer leave", async () => {
    const answers: ((address: string) => void)[] = [];
    let asked: () => void = () => {};
    const bench = await startBench({
      navigation: targetPolicy("127.0.0.1", "S", {
        resolve: () =>
          new Promise((resolve) => {
            answers.push((address) => resolve([{ address, family: 4 }]));
            asked();
          }),
      }),
    });
    onTestFinished(() => bench.close());
    const { link, site } = bench;
    await bench.open("here");
    const there = site.add("there");
    const url = there.url.replace("127.0.0.1", "name.invalid");
    const go = async (mayLeave: () => boolean, address: string): Promise<void> => {
      const lookup = new Promise<void>((resolve) => (asked = resolve));
      const going = link.dispatch({ kind: "navigate", to: "url", url }, mayLeave);
      going.catch(() => {});
      await lookup;
      allowed = false;
      answers.shift()?.(address);
      return going;
    };
    let allowed = true;
    await expect(go(() => allowed, "127.0.0.1")).rejects.toMatchObject({ code: "fenced" });
    await expect(go(() => true, "10.0.0.1")).rejects.toMatchObject({
      code: "target_refused",
      details: { setting: "S", host: "name.invalid" },
    });
    // What was typed behind it waits for it, and a drain for both.
    const lookup = new Promise<void>((resolve) => (asked = resolve));
    const going = link.dispatch({ kind: "navigate", to: "url", url });
    const typed = link.dispatch({ kind: "key", action: "down", key: "a", text: "a" });
    const order: string[] = [];
    const all = [
      going.catch(() => order.push("refused")),
      typed.then(() => order.push("typed")),
      link.drain().then(() => order.push("drained")),
    ];
    await lookup;
    expect(await bench.evaluate("seen.length")).toBe(0);
    expect(order).toEqual([]);
    answers.shift()?.("10.0.0.1");
    await Promise.all(all);
    expect(order).toEqual(["refused", "typed", "drained"]);
    expect(await bench.evaluate("seen[0]")).toBe("keydown a 65");
    expect(link.tabs.map((tab) => tab.url)).not.toContain(url);
  });
});
