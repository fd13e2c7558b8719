/** Commands of agents: every method that the gate knows, and envelopes that two readers could understand differently. */
import * as fc from "fast-check";
import { CancelHandoffParams, RequestHandoffParams } from "../../protocol/handoff.ts";
import { METHODS } from "../../src/core/cdp-methods.ts";
import { TARGET_ID } from "./cdp-upstream.ts";
import { edited, garbled, junk, oddText } from "./mutations.ts";
import { toNode, write, type Node } from "./nodes.ts";
import { valuesOf } from "./schema-values.ts";
import { known, PEOPLE } from "./up-messages.ts";

/** Stands for a session that the connection has. */
export const SESSION = "$session";
export const AGENTS = 2;

const methods: readonly string[] = Object.entries(METHODS).flatMap(([domain, classed]) =>
  Object.values(classed as Readonly<Record<string, string>>).flatMap((names) =>
    names
      .split(/\s+/)
      .filter((name) => name !== "")
      .map((name) => `${domain}.${name}`),
  ),
);

/** Those that lead somewhere come more often than their share of some hundred. */
const USUAL = [
  "Browser.getVersion",
  "Target.setAutoAttach",
  "Target.attachToTarget",
  "Target.detachFromTarget",
  "Target.getTargets",
  "Target.setDiscoverTargets",
  "Runtime.enable",
  "Runtime.evaluate",
  "Runtime.callFunctionOn",
  "Runtime.runIfWaitingForDebugger",
  "Page.enable",
  "Page.navigate",
  "Page.handleJavaScriptDialog",
  "Page.captureScreenshot",
  "Page.addScriptToEvaluateOnNewDocument",
  "Network.enable",
  "Network.getResponseBody",
  "Fetch.enable",
  "Fetch.disable",
  "Fetch.continueRequest",
  "Input.dispatchMouseEvent",
  "Input.dispatchKeyEvent",
  "Input.insertText",
  "Debugger.enable",
  "Debugger.resume",
  "Tracing.start",
  "Browser.close",
];
const BATON = [
  "enable",
  "disable",
  "requestHandoff",
  "getHandoff",
  "cancelHandoff",
  "answerResumePrompt",
  "refreshToken",
  "none",
];

const method = fc.oneof(
  { weight: 10, arbitrary: fc.constantFrom(...USUAL) },
  { weight: 4, arbitrary: fc.constantFrom(...methods) },
  { weight: 3, arbitrary: fc.constantFrom(...BATON.map((name) => `Baton.${name}`)) },
  {
    weight: 1,
    arbitrary: fc.constantFrom("", ".", "Page", "page.enable", "__proto__.x", "Baton.", "Target.x"),
  },
  { weight: 1, arbitrary: oddText },
);

const usualParams: fc.Arbitrary<unknown> = fc.record(
  {
    sessionId: fc.constant(SESSION),
    targetId: fc.constantFrom(TARGET_ID, "OTHER"),
    flatten: fc.constantFrom(true, true, true, false),
    autoAttach: fc.boolean(),
    waitForDebuggerOnStart: fc.boolean(),
    requestId: fc.constantFrom("P1", "P2", "N1", "R"),
    expression: fc.constantFrom("1", "document.title", "while(1);"),
    contextId: fc.constantFrom(1, 2),
    url: fc.constantFrom("https://page.example/", "about:blank"),
    type: fc.constantFrom("mousePressed", "mouseReleased", "mouseMoved", "keyDown", "keyUp", "char"),
    x: fc.integer({ min: -5, max: 2_000 }),
    y: fc.integer({ min: -5, max: 2_000 }),
    button: fc.constantFrom("left", "right", "none"),
    key: fc.constantFrom("a", "Shift"),
    text: oddText,
    accept: fc.boolean(),
    source: fc.constantFrom("", "// world", "alert(1)"),
    captureBeyondViewport: fc.boolean(),
    terminateOnResume: fc.boolean(),
    throwOnSideEffect: fc.boolean(),
    waitMs: fc.constantFrom(0, 1, 5, 3_600_000),
  },
  { requiredKeys: [], noNullPrototype: true },
);
const batonParams = fc.oneof(
  valuesOf(RequestHandoffParams, known),
  valuesOf(CancelHandoffParams, known),
  fc.constant({}),
);

const command: fc.Arbitrary<Node> = fc
  .record(
    {
      id: fc.oneof(
        { weight: 12, arbitrary: fc.nat(300) },
        {
          weight: 1,
          arbitrary: fc.constantFrom(
            -1,
            -2_000_000_000,
            -2_000_000_001,
            2_147_483_647,
            2_147_483_648,
            1.5,
            0,
          ),
        },
      ),
      method,
      params: fc.oneof({ weight: 5, arbitrary: usualParams }, { weight: 2, arbitrary: batonParams }),
      sessionId: fc.constant(SESSION),
    },
    { requiredKeys: ["id", "method"], noNullPrototype: true },
  )
  .map(toNode);

const commandText = command.map(write);
const anyText = fc.oneof(
  { weight: 12, arbitrary: commandText },
  { weight: 4, arbitrary: edited(command) },
  { weight: 2, arbitrary: garbled(commandText) },
  { weight: 1, arbitrary: junk },
);

/** Events that the gate reads, with what Chromium would put into them, or not. */
const browserText: fc.Arbitrary<string> = fc
  .tuple(
    fc.constantFrom(
      "Target.attachedToTarget",
      "Target.detachedFromTarget",
      "Target.targetInfoChanged",
      "Target.targetCreated",
      "Target.targetDestroyed",
      "Runtime.executionContextCreated",
      "Runtime.consoleAPICalled",
      "Runtime.bindingCalled",
      "Page.javascriptDialogOpening",
      "Page.javascriptDialogClosed",
      "Page.frameNavigated",
      "Network.requestWillBeSent",
      "Fetch.requestPaused",
      "Debugger.paused",
      "Debugger.scriptParsed",
      "Log.entryAdded",
    ),
    fc.record(
      {
        // No browser gives a session's id twice.
        sessionId: fc.oneof(
          fc.constantFrom("S1", "S2"),
          fc.nat(1_000_000).map((id) => `X${id}`),
        ),
        targetId: fc.constant(TARGET_ID),
        targetInfo: fc.record({
          targetId: fc.constantFrom(TARGET_ID, "POP"),
          type: fc.constantFrom("page", "iframe", "worker"),
          title: oddText,
          url: oddText,
        }),
        waitingForDebugger: fc.boolean(),
        context: fc.record({ id: fc.nat(5), uniqueId: fc.constant("1.1") }),
        requestId: fc.constantFrom("N1", "P1"),
        message: oddText,
        url: oddText,
        executionContextId: fc.nat(5),
        frame: fc.constant({ id: "F", url: "https://page.example/" }),
        callFrames: fc.constant([]),
        extra: fc.jsonValue({ maxDepth: 3 }),
      },
      {
        requiredKeys: ["sessionId", "targetId", "targetInfo", "waitingForDebugger", "context", "requestId"],
        noNullPrototype: true,
      },
    ),
    fc.option(fc.constantFrom("S1", "S2"), { nil: undefined }),
  )
  .map(([name, params, sessionId]) => {
    const own = name === "Target.attachedToTarget" ? { sessionId: `X${params.sessionId}` } : {};
    return write(
      toNode({ method: name, params: { ...params, ...own }, ...(sessionId !== undefined && { sessionId }) }),
    );
  });

/** What a person does meanwhile: calls of the HTTP API. */
const PERSON: Readonly<Record<string, (controller: string) => object>> = {
  "control/take": (controller) => ({ controller, force: true }),
  "control/take private": (controller) => ({ controller, force: true, privacy: "private" }),
  "control/release": (controller) => ({ controller }),
  "control/pass": (controller) => ({ controller, to: "ai" }),
  "control/privacy": (controller) => ({ controller, privacy: "open" }),
  handoff: () => ({ reason: "mfa", message: "m" }),
  "handoff/accept": (controller) => ({ controller }),
  "handoff/complete": (controller) => ({ controller }),
  "handoff/cancel": () => ({}),
};

export type CdpStep =
  | { readonly do: "send"; readonly agent: number; readonly text: string }
  | { readonly do: "bytes"; readonly agent: number; readonly bytes: Uint8Array }
  | { readonly do: "person"; readonly path: string; readonly body: object }
  | { readonly do: "browser"; readonly text: string }
  | { readonly do: "settle" | "close" | "cut"; readonly agent: number };

const agent = fc.nat(AGENTS - 1);
const person = fc
  .tuple(fc.constantFrom(...Object.keys(PERSON)), fc.constantFrom(...PEOPLE))
  .map(([path, controller]): CdpStep => ({
    do: "person",
    path: path.split(" ")[0] ?? "",
    body: PERSON[path]?.(controller) ?? {},
  }));

export const cdpSteps: fc.Arbitrary<CdpStep[]> = fc.array(
  fc.oneof(
    { weight: 70, arbitrary: fc.record({ do: fc.constant("send" as const), agent, text: anyText }) },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant("bytes" as const),
        agent,
        bytes: fc.uint8Array({ maxLength: 60 }),
      }),
    },
    { weight: 4, arbitrary: person },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("browser" as const), text: browserText }) },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constantFrom("settle" as const, "settle" as const, "close" as const, "cut" as const),
        agent,
      }),
    },
  ),
  { minLength: 1, maxLength: 400, size: "max" },
);
