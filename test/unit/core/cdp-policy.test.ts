/** The policy table of the agent's gate: G1 (what passes while a person drives) and G3 (what passes in private). */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { describe, expect, it } from "vitest";
import type { AgentPolicy } from "../../../protocol/agent.ts";
import { METHODS } from "../../../src/core/cdp-methods.ts";
import {
  classify,
  mayLinger,
  needsParams,
  PASSES_IN_PRIVATE,
  SETS_UP,
  verdict,
  type CdpClass,
  type CdpParams,
  type Situation,
  type Verdict,
} from "../../../src/core/cdp-policy.ts";

interface Protocol {
  domains: { domain: string; commands?: { name: string }[] }[];
}

function published(file: string): string[] {
  const path = createRequire(import.meta.url).resolve(`devtools-protocol/json/${file}`);
  const protocol = JSON.parse(readFileSync(path, "utf8")) as Protocol;
  return protocol.domains.flatMap(({ domain, commands = [] }) =>
    commands.map(({ name }) => `${domain}.${name}`),
  );
}
const PUBLISHED = [...published("browser_protocol.json"), ...published("js_protocol.json")];
const CLASSED = Object.entries(METHODS).flatMap(([domain, classed]) =>
  Object.values(classed as Record<string, string>).flatMap((names) =>
    names.split(/\s+/).map((name) => `${domain}.${name}`),
  ),
);
const POLICIES: AgentPolicy[] = ["hold", "reject", "observe"];

/** The class of each of these methods, apart from that one: the unexpected ones. */
const not = (kind: CdpClass, methods: string) =>
  words(methods)
    .filter((method) => classify(method) !== kind)
    .map((method) => `${method}: ${classify(method)}`);
const words = (text: string) => text.trim().split(/\s+/);

describe("the table of CDP commands", () => {
  it("G1: classes every command of the published protocol, so that a new one is a decision", () => {
    expect(PUBLISHED.length).toBeGreaterThan(600);
    expect(PUBLISHED.filter((method) => !CLASSED.includes(method))).toEqual([]);
  });

  it("G1: has nothing that the published protocol lacks", () => {
    expect(CLASSED.filter((method) => !PUBLISHED.includes(method))).toEqual([]);
  });

  it("G1: has one class for each", () => {
    expect(CLASSED.filter((method, at) => CLASSED.indexOf(method) !== at)).toEqual([]);
  });

  it.each([
    "Page.teleport",
    "Teleport.enable",
    "page.enable",
    "Page.enable ",
    "Page",
    "",
    "constructor",
    "toString",
  ])("G1: counts %j, which it doesn't have, as driving", (method) => {
    expect(classify(method)).toBe("drive");
    expect(classify(method, {})).toBe("drive");
  });
});

describe("the decisions of the table", () => {
  it("G1: what Playwright sends while it connects and for each new page, frame and worker is plumbing", () => {
    const sent = `Browser.getVersion Browser.setDownloadBehavior Browser.getWindowForTarget Target.setAutoAttach
      Target.getTargetInfo Target.detachFromTarget Page.enable Page.getFrameTree Page.setLifecycleEventsEnabled
      Page.addScriptToEvaluateOnNewDocument Page.createIsolatedWorld Page.setFontFamilies Log.enable Runtime.enable
      Runtime.addBinding Runtime.runIfWaitingForDebugger Network.enable Network.setCacheDisabled Fetch.enable
      Emulation.setFocusEmulationEnabled Emulation.setEmulatedMedia Inspector.enable`;
    expect(not("plumbing", sent)).toEqual([]);
  });

  it("G1: what Puppeteer sends while it connects and for each new page, frame and worker is plumbing", () => {
    const sent = `Target.getBrowserContexts Target.setDiscoverTargets Target.setAutoAttach Target.attachToTarget
      Runtime.runIfWaitingForDebugger Runtime.enable Runtime.addBinding Network.enable Network.setCacheDisabled
      Page.enable Page.getFrameTree Page.setLifecycleEventsEnabled Page.addScriptToEvaluateOnNewDocument
      Page.createIsolatedWorld Fetch.enable Audits.enable Performance.enable Log.enable WebMCP.enable`;
    expect(not("plumbing", sent)).toEqual([]);
  });

  it("G1: what lets the person's requests and paused pages go on is plumbing", () => {
    const needed = `Fetch.continueRequest Fetch.continueResponse Fetch.continueWithAuth Fetch.failRequest
      Fetch.fulfillRequest Fetch.getResponseBody Fetch.disable Debugger.resume Debugger.removeBreakpoint
      DOMDebugger.removeXHRBreakpoint Page.screencastFrameAck Runtime.releaseObject`;
    expect(not("plumbing", needed)).toEqual([]);
  });

  it("G1: reads are observing", () => {
    const reads = `Page.captureScreenshot Page.captureSnapshot Page.startScreencast Page.getNavigationHistory
      DOM.getDocument DOM.querySelector DOM.resolveNode DOM.describeNode CSS.getComputedStyleForNode
      Accessibility.getFullAXTree DOMSnapshot.captureSnapshot Runtime.getProperties Network.getResponseBody
      Network.getRequestPostData Network.getCookies Storage.getCookies IndexedDB.requestData IO.read Tracing.start
      Profiler.start HeapProfiler.takeHeapSnapshot Performance.getMetrics Debugger.getScriptSource`;
    expect(not("observe", reads)).toEqual([]);
  });

  it("G1: what acts on the page, or on what the person has of it, is driving", () => {
    const acts = `Input.dispatchMouseEvent Input.dispatchKeyEvent Input.insertText Input.setIgnoreInputEvents
      Page.navigate Page.reload Page.close Page.bringToFront Page.printToPDF Page.handleJavaScriptDialog
      Page.setInterceptFileChooserDialog Page.waitForDebugger Target.createTarget Target.closeTarget
      Target.activateTarget Target.disposeBrowserContext Runtime.evaluate Runtime.callFunctionOn
      Runtime.terminateExecution Runtime.setCustomObjectFormatterEnabled DOM.focus DOM.scrollIntoViewIfNeeded
      DOM.setFileInputFiles DOM.setAttributeValue CSS.forcePseudoState Overlay.highlightNode Overlay.setInspectMode
      FindInPage.findFirst Emulation.setDeviceMetricsOverride Emulation.setVirtualTimePolicy Network.setCookie
      Network.loadNetworkResource Storage.clearCookies WebAuthn.enable FedCm.enable DeviceAccess.enable
      BluetoothEmulation.enable Debugger.pause Debugger.evaluateOnCallFrame DOMDebugger.setXHRBreakpoint
      Browser.setWindowBounds Browser.grantPermissions Extensions.triggerAction HeapProfiler.collectGarbage`;
    expect(not("drive", acts)).toEqual([]);
  });

  it("G1: what gets past the gate, outlives it or ends the browser is denied, also to an agent that drives", () => {
    const denied = `Browser.close Browser.crash Browser.crashGpuProcess Browser.executeBrowserCommand
      Cast.startDesktopMirroring Cast.startTabMirroring Extensions.loadUnpacked Page.startScreenRecording
      Target.exposeDevToolsProtocol Target.openDevTools Target.sendMessageToTarget Target.setRemoteLocations
      Tethering.bind Tethering.unbind`;
    expect(not("deny", denied)).toEqual([]);
    expect(CLASSED.filter((method) => classify(method) === "deny").sort()).toEqual(words(denied).sort());
    const driving: Situation = { mayDrive: true, private: false, policy: "hold" };
    for (const method of words(denied)) expect(verdict(method, driving)).toBe("deny");
  });
});

describe("the verdict", () => {
  const METHOD_OF: Record<CdpClass, string> = {
    plumbing: "Page.enable",
    observe: "DOM.getDocument",
    drive: "Input.dispatchMouseEvent",
    deny: "Browser.crash",
  };
  // For each class, what becomes of it under hold, reject and observe.
  const MATRIX: [mayDrive: boolean, isPrivate: boolean, Record<CdpClass, [Verdict, Verdict, Verdict]>][] = [
    [
      true,
      false,
      {
        plumbing: ["pass", "pass", "pass"],
        observe: ["pass", "pass", "pass"],
        drive: ["pass", "pass", "pass"],
        deny: ["deny", "deny", "deny"],
      },
    ],
    [
      false,
      false,
      {
        plumbing: ["pass", "pass", "pass"],
        observe: ["hold", "reject", "pass"],
        drive: ["hold", "reject", "reject"],
        deny: ["deny", "deny", "deny"],
      },
    ],
    [
      false,
      true,
      {
        // A client sets a page up once: what is refused it then, it never asks again.
        plumbing: ["hold", "hold", "hold"],
        observe: ["hold", "reject", "reject"],
        drive: ["hold", "reject", "reject"],
        deny: ["deny", "deny", "deny"],
      },
    ],
  ];
  const CASES = MATRIX.flatMap(([mayDrive, isPrivate, classes]) =>
    (Object.entries(classes) as [CdpClass, Verdict[]][]).flatMap(([kind, verdicts]) =>
      POLICIES.map((policy, at) => ({ kind, mayDrive, private: isPrivate, policy, expected: verdicts[at] })),
    ),
  );

  it.each(CASES)(
    "G1 G3: $kind, may drive $mayDrive, private $private, $policy: $expected",
    ({ kind, expected, ...situation }) => {
      expect(verdict(METHOD_OF[kind], situation)).toBe(expected);
    },
  );

  it("G1: unknown methods are held, or rejected, whatever the policy lets pass", () => {
    const verdicts = POLICIES.map((policy) =>
      verdict("Teleport.enable", { mayDrive: false, private: false, policy }),
    );
    expect(verdicts).toEqual(["hold", "reject", "reject"]);
  });

  it.each(["Runtime.evaluate", "Runtime.callFunctionOn"])(
    "G1 G3: %s is inspected under observe, and in private not even that",
    (method) => {
      const verdicts = (isPrivate: boolean) =>
        POLICIES.map((policy) => verdict(method, { mayDrive: false, private: isPrivate, policy }));
      expect(verdicts(false)).toEqual(["hold", "reject", "inspect"]);
      expect(verdicts(true)).toEqual(["hold", "reject", "reject"]);
    },
  );

  it("G3: in private nothing passes but what a page would hang without", () => {
    const passing = (policy: AgentPolicy, starting: boolean) =>
      PUBLISHED.filter(
        (method) => verdict(method, { mayDrive: false, private: true, policy, starting }) === "pass",
      );
    const needed =
      words(`Browser.getWindowForTarget Debugger.resume Fetch.continueRequest Fetch.continueResponse
      Fetch.continueWithAuth Fetch.failRequest Fetch.fulfillRequest Page.screencastFrameAck Runtime.releaseObject
      Runtime.releaseObjectGroup Runtime.runIfWaitingForDebugger Target.detachFromTarget Target.setAutoAttach`).sort();
    expect([...PASSES_IN_PRIVATE].sort()).toEqual(needed);
    for (const policy of POLICIES) {
      expect(passing(policy, false).sort()).toEqual(needed);
      expect(passing(policy, true).sort()).toEqual(needed);
    }
  });
});

describe("a target that starts", () => {
  it("G1: its client sets it up, but doesn't act on it", () => {
    for (const policy of POLICIES) {
      const running: Situation = { mayDrive: false, private: false, policy };
      const starting: Situation = { ...running, starting: true };
      const code: CdpParams = { source: "window.x = 1", runImmediately: true };
      for (const method of SETS_UP) {
        expect([method, verdict(method, starting, code)]).toEqual([method, "pass"]);
        expect([method, verdict(method, running, code)]).toEqual([method, "hold"]);
      }
      for (const method of [
        "Runtime.evaluate",
        "Input.dispatchKeyEvent",
        "Page.navigate",
        "Target.closeTarget",
      ]) {
        expect(verdict(method, starting)).toBe(verdict(method, running));
      }
    }
  });

  it("G1: what sets it up is in the published protocol, and is driving otherwise", () => {
    const code: CdpParams = { source: "1" };
    expect([...SETS_UP].filter((method) => classify(method, code) !== "drive")).toEqual([]);
    expect([...SETS_UP].filter((method) => !PUBLISHED.includes(method))).toEqual([]);
  });
});

describe("what a command asks for", () => {
  const SCRIPT = "Page.addScriptToEvaluateOnNewDocument";

  it.each(["", "//# sourceURL=pptr:internal"])(
    "G1: the empty script %j of a client's world is plumbing",
    (source) => {
      expect(classify(SCRIPT, { source, worldName: "utility", runImmediately: true })).toBe("plumbing");
    },
  );

  it.each([
    { source: "document.forms[0].submit()", runImmediately: true },
    { source: "document.forms[0].submit()" },
    { source: "// harmless\ndocument.forms[0].submit()" },
    { source: "// harmless\u2028document.forms[0].submit()" },
    { source: "// harmless\r" },
    { source: ["//"] },
    {},
  ])("G1: a script that would run in the person's pages is driving: %j", (params) => {
    expect(classify(SCRIPT, params)).toBe("drive");
  });

  it("G1: a picture for which the page is resized is driving", () => {
    expect(classify("Page.captureScreenshot", { captureBeyondViewport: true })).toBe("drive");
    expect(classify("Page.captureScreenshot", { captureBeyondViewport: false })).toBe("observe");
    expect(classify("Page.captureScreenshot", { clip: {} })).toBe("observe");
  });

  it("G1 G3: a resume that ends the page's script is driving, also in private", () => {
    const hidden: Situation = { mayDrive: false, private: true, policy: "hold" };
    expect(verdict("Debugger.resume", hidden, { terminateOnResume: true })).toBe("hold");
    expect(verdict("Debugger.resume", hidden, { terminateOnResume: false })).toBe("pass");
    expect(verdict("Debugger.resume", hidden, {})).toBe("pass");
  });

  it("G3: an attachment whose events come wrapped in others is denied", () => {
    expect(classify("Target.attachToTarget", { targetId: "t", flatten: true })).toBe("plumbing");
    expect(classify("Target.attachToTarget", { targetId: "t", flatten: false })).toBe("deny");
    expect(classify("Target.attachToTarget", { targetId: "t" })).toBe("deny");
    expect(classify("Target.setAutoAttach", { autoAttach: true, flatten: true })).toBe("plumbing");
    expect(classify("Target.setAutoAttach", { autoAttach: true })).toBe("deny");
    expect(classify("Target.setAutoAttach", { autoAttach: false })).toBe("plumbing");
    const hidden: Situation = { mayDrive: false, private: true, policy: "hold" };
    expect(verdict("Target.setAutoAttach", hidden, { autoAttach: true, flatten: true })).toBe("pass");
    expect(verdict("Target.setAutoAttach", hidden, { autoAttach: true })).toBe("deny");
  });

  it("G1: a gate knows which commands it has to parse", () => {
    expect(PUBLISHED.filter(needsParams).sort()).toEqual(
      words(`Debugger.resume Page.addScriptToEvaluateOnNewDocument Page.captureScreenshot Target.attachToTarget
        Target.setAutoAttach`),
    );
    expect(needsParams("toString")).toBe(false);
  });
});

describe("what a drain doesn't wait for", () => {
  it("C2: commands that may wait for a promise of the page's, and no other", () => {
    expect(PUBLISHED.filter(mayLinger).sort()).toEqual(
      words("Runtime.awaitPromise Runtime.callFunctionOn Runtime.evaluate Runtime.runScript"),
    );
  });
});
