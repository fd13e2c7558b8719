import { describe, expect, it } from "vitest";
import { targetPolicy } from "../../../src/targets/policy.ts";
import { startMute, startTab, tabOf, WAYS, startTrial, type Mute } from "./proxy-stage.ts";

describe("a launched browser with a policy", () => {
  it("loads an allowed site, and never reaches another address, whatever its pages try", async () => {
    const { inner, site } = await startTrial();
    const { open, evaluate, session, connection } = await startTab(
      targetPolicy(`127.0.0.1:${site.port}`, "BATON_NAVIGATION_TARGETS"),
    );
    expect(await open(`${site.origin}/all`)).toBe("site");
    expect(await evaluate("done")).toHaveLength(10);
    // A WebSocket to the site itself, and a page behind a redirect that the browser follows by itself.
    const hello = `new Promise((resolve) => (new WebSocket(${JSON.stringify(site.origin.replace("http", "ws"))}).onmessage = ({ data }) => resolve(data)))`;
    expect(await evaluate(hello)).toBe("hello");
    await open(`${site.origin}/redirect`);
    expect(await evaluate("document.body.innerText")).toMatch(/BATON_NAVIGATION_TARGETS does not allow/);
    // Addresses that Chromium would reach without any proxy by default.
    for (const host of [`127.0.0.1:${inner.port}`, `localhost:${inner.port}`, "169.254.169.254"]) {
      await open(`http://${host}/`);
      expect(await evaluate("document.body.innerText")).toMatch(/does not allow to reach/);
    }
    // A context of an agent's has the same way out.
    const { browserContextId } = await connection.browser.send("Target.createBrowserContext", {});
    const { targetId } = await connection.browser.send("Target.createTarget", {
      url: "about:blank",
      browserContextId,
    });
    const other = await tabOf(connection, targetId);
    expect(await other.open(`${site.origin}/plain`)).toBe("site");
    expect(await other.open(`http://127.0.0.1:${inner.port}/context`)).not.toBe("inner");
    // Loads that a client of CDP starts beside the page.
    const { frameTree } = await session.send("Page.getFrameTree");
    await open(`${site.origin}/plain`);
    const { resource } = await session
      .send("Network.loadNetworkResource", {
        frameId: frameTree.frame.id,
        url: `http://127.0.0.1:${inner.port}/resource`,
        options: { disableCache: true, includeCredentials: false },
      })
      .catch(() => ({ resource: { success: false } }));
    expect(resource.success && inner.arrived.length > 0).toBe(false);
    expect(inner.arrived).toEqual([]);
  });

  it("reaches all of it without one", async () => {
    const { inner, site } = await startTrial();
    const { open, evaluate } = await startTab(targetPolicy("*", "BATON_NAVIGATION_TARGETS"));
    expect(await open(`${site.origin}/all`)).toBe("site");
    await evaluate("done");
    expect(inner.arrived).toEqual(expect.arrayContaining(WAYS));
  });

  /** Resolves when gathering has ended, and the handshake has failed. */
  const pastProxies = ({ rtc, tcp, transport }: Mute): string => `(async () => {
    const made = new WebTransport("https://127.0.0.1:${transport}/");
    made.closed.catch(() => {});
    const peer = new RTCPeerConnection({ iceServers: [
      { urls: "stun:127.0.0.1:${rtc}" },
      { urls: "turn:127.0.0.1:${tcp}?transport=tcp", username: "u", credential: "c" },
    ] });
    const ended = new Promise((resolve) => {
      peer.onicegatheringstatechange = () => peer.iceGatheringState === "complete" && resolve();
    });
    peer.createDataChannel("x");
    await peer.setLocalDescription(await peer.createOffer());
    await ended;
    await made.ready.catch(() => {});
    return "over";
  })()`;

  it("sends nothing past the proxy by WebRTC or WebTransport", async () => {
    const { site } = await startTrial();
    const mute = await startMute();
    const { open, evaluate } = await startTab(targetPolicy(`127.0.0.1:${site.port}`, "S"));
    await open(`${site.origin}/plain`);
    expect(await evaluate(pastProxies(mute))).toBe("over");
    expect([...mute.arrived]).toEqual([]);
  });

  it("sends all of that without one", async () => {
    const { site } = await startTrial();
    const mute = await startMute();
    const { open, evaluate } = await startTab(targetPolicy("*", "S"));
    await open(`${site.origin}/plain`);
    // Whoever is not answered goes on trying for long.
    evaluate(pastProxies(mute)).catch(() => {});
    await mute.all;
  });

  it("goes where a name led when it was checked, and asks again for the next connection (DNS rebinding)", async () => {
    const { inner, site } = await startTrial();
    let address = "127.0.0.1";
    const policy = targetPolicy(`127.0.0.1:${site.port}`, "S", {
      resolve: async () => [{ address, family: 4 }],
    });
    const { open, evaluate } = await startTab(policy);
    expect(await open(`http://rebind.example:${site.port}/plain`)).toBe("site");
    address = "127.0.0.2";
    const again = await evaluate(`fetch("/plain", { cache: "no-store" }).then(({ status }) => status)`);
    expect(again).toBe(403);
    address = "127.0.0.1";
    const port = await evaluate(
      `fetch("http://rebind.example:${inner.port}/port").then(() => "arrived", () => "failed")`,
    );
    expect(port).toBe("failed");
    expect(inner.arrived).toEqual([]);
  });
});
