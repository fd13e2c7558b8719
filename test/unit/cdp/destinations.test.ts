import { describe, expect, it } from "vitest";
import { Destinations } from "../../../src/cdp/destinations.ts";
import { readCommand } from "../../../src/cdp/intake.ts";
import type { Refusal } from "../../../src/cdp/messages.ts";
import { Sessions } from "../../../src/cdp/sessions.ts";
import { targetPolicy } from "../../../src/targets/policy.ts";

/** Commands on their way through, and what becomes of them, in order. */
class Bench {
  readonly sessions = new Sessions("page", "T");
  /** What passed, as it would be sent; `refused <id> <code>`; `pause` and `resume`. */
  readonly log: unknown[] = [];
  readonly refusals: Refusal[] = [];
  /** Answers the next lookups of `name.example`. */
  readonly waiting: ((address: string) => void)[] = [];
  readonly destinations: Destinations;
  #lastId = 0;

  constructor(rules = "public,10.0.0.7:80") {
    this.destinations = new Destinations({
      policy: targetPolicy(rules, "S", {
        resolve: () =>
          new Promise((resolve) => this.waiting.push((address) => resolve([{ address, family: 4 }]))),
      }),
      read: (bytes) => {
        const command = readCommand(bytes, this.sessions);
        if (!Buffer.isBuffer(command)) return command;
        this.log.push(JSON.parse(command.toString()));
        return undefined;
      },
      pass: ({ bytes }) => this.log.push(bytes.toString()),
      refuse: ({ id }, refusal) => {
        this.refusals.push(refusal);
        const { code } = { ...refusal.data } as Record<string, unknown>;
        this.log.push(`refused ${id} ${String(code)}`);
      },
      pause: () => this.log.push("pause"),
      resume: () => this.log.push("resume"),
      guard: (step) => step(),
    });
  }

  /** @returns what was sent */
  send(method: string, params: object | string): string {
    this.#lastId += 1;
    const text = typeof params === "string" ? params : JSON.stringify(params);
    const message = `{"id":${this.#lastId},"method":"${method}","params":${text}}`;
    this.destinations.receive(Buffer.from(message));
    return message;
  }

  /** Resolves when every check that needs no resolver is over. */
  async settled(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const INNER = "http://169.254.169.254/";

describe("an agent's command that leads somewhere", () => {
  it.each([
    ["Page.navigate", { url: INNER }],
    ["Page.navigate", { url: "file:///etc/passwd" }],
    ["Page.navigate", { url: "chrome://settings" }],
    ["Page.navigate", { url: "http://10.0.0.7:81/" }],
    ["Target.createTarget", { url: INNER }],
    ["Network.loadNetworkResource", { url: INNER, options: {} }],
    ["Network.continueInterceptedRequest", { interceptionId: "1", url: INNER }],
    ["Fetch.continueRequest", { requestId: "1", url: INNER }],
    ["PWA.install", { manifestId: "http://93.184.216.34/", installUrlOrBundleUrl: INNER }],
    ["PWA.launch", { manifestId: INNER }],
    ["PWA.launchFilesInApp", { manifestId: "x", files: ["/etc/passwd"] }],
    ["DOM.setFileInputFiles", { files: ["/etc/passwd"], nodeId: 1 }],
    ["DOM.setFileInputFiles", { files: "/etc/passwd", nodeId: 1 }],
    ["Input.dispatchDragEvent", { type: "drop", x: 1, y: 1, data: { items: [], files: ["/etc/passwd"] } }],
    ["Target.createBrowserContext", { proxyServer: "direct://" }],
    ["Target.createBrowserContext", { proxyBypassList: "*" }],
  ])("%s %j is refused", async (method, params) => {
    const bench = new Bench();
    bench.send(method, params);
    await bench.settled();
    expect(bench.log.filter((each) => each !== "pause" && each !== "resume")).toEqual([
      "refused 1 target_refused",
    ]);
    expect(bench.refusals[0]).toMatchObject({ code: -32_000, data: { setting: "S" } });
    // Where everything is allowed, it is nobody's business.
    const open = new Bench("*");
    const sent = open.send(method, params);
    expect(open.log).toEqual([sent]);
  });

  it.each([
    ["Page.navigate", { url: "http://93.184.216.34/" }],
    ["Page.navigate", { url: "about:blank" }],
    ["Page.navigate", { url: "data:text/html,x", frameId: "1" }],
    ["Target.createTarget", { url: "", width: 800 }],
    ["Fetch.continueRequest", { requestId: "1", headers: [{ name: "a", value: "b" }] }],
    ["Target.createBrowserContext", { disposeOnDetach: true }],
    ["DOM.setFileInputFiles", { files: [], nodeId: 1 }],
    ["Input.dispatchDragEvent", { type: "drop", x: 1, y: 1, data: { items: [], files: [] } }],
    ["Runtime.evaluate", { expression: INNER }],
  ])("%s %j passes", async (method, params) => {
    const bench = new Bench();
    const sent = bench.send(method, params);
    await bench.settled();
    expect(bench.log.filter((each) => each !== "pause" && each !== "resume")).toEqual([sent]);
  });

  it.each([
    [`{"url":"${INNER}","url":"http://93.184.216.34/"}`, `{"url":"http://93.184.216.34/"}`],
    [`{"url":"hTTp:\\\\\\\\93.184.216.34\\\\x"}`, `{"url":"http://93.184.216.34/x"}`],
    [`{"\\u0075rl":"http://0x5db8d822"}`, `{"url":"http://93.184.216.34/"}`],
    [`{"url":" http://93.184.216.34/\\t"}`, `{"url":"http://93.184.216.34/"}`],
  ])("leaves in the form that was checked: %s", async (sent, left) => {
    const bench = new Bench();
    bench.send("Page.navigate", sent);
    await bench.settled();
    expect(bench.log).toContain(`{"id":1,"method":"Page.navigate","params":${left}}`);
  });

  it.each([
    ["DOM.setFileInputFiles", `{"files":["/etc/passwd"],"files":[]}`],
    ["Target.createBrowserContext", `{"proxyServer":"direct://","proxyServer":null}`],
    ["Input.dispatchDragEvent", `{"data":{"files":["/etc/passwd"]},"data":{}}`],
  ])("says nothing twice: %s %s", async (method, params) => {
    const bench = new Bench();
    bench.send(method, params);
    await bench.settled();
    expect(JSON.stringify(bench.log)).not.toMatch(/passwd|direct/);
  });

  it("keeps what was sent behind it waiting, in order, while a name is looked up", async () => {
    const bench = new Bench();
    bench.send("Page.navigate", { url: "http://name.example/" });
    const second = bench.send("Runtime.evaluate", { expression: "1" });
    bench.send("Page.navigate", { url: "http://name.example/again" });
    const fourth = bench.send("Runtime.evaluate", { expression: "2" });
    await bench.settled();
    expect(bench.log.filter((each) => each !== "pause")).toEqual([]);
    expect(bench.log).toContain("pause");
    bench.waiting[0]?.("93.184.216.34");
    await bench.settled();
    expect(bench.log.filter((each) => each !== "pause")).toEqual([
      `{"id":1,"method":"Page.navigate","params":{"url":"http://name.example/"}}`,
      second,
    ]);
    bench.waiting[1]?.("127.0.0.1");
    await bench.settled();
    expect(bench.log.filter((each) => each !== "pause").slice(2)).toEqual([
      "refused 3 target_refused",
      fourth,
      "resume",
    ]);
  });

  it("is dropped with what waits behind it when the client leaves", async () => {
    const bench = new Bench();
    bench.send("Page.navigate", { url: "http://name.example/" });
    bench.send("Runtime.evaluate", { expression: "1" });
    bench.destinations.end();
    bench.waiting[0]?.("93.184.216.34");
    await bench.settled();
    bench.send("Runtime.evaluate", { expression: "2" });
    expect(bench.log.filter((each) => each !== "pause")).toEqual([]);
  });

  it("is refused when its session ended meanwhile", async () => {
    const bench = new Bench();
    bench.send("Page.navigate", { url: "http://name.example/" });
    bench.sessions.get(undefined)?.end();
    bench.waiting[0]?.("93.184.216.34");
    await bench.settled();
    expect(bench.refusals).toMatchObject([{ code: -32_001 }]);
  });
});
