import { describe, expect, it } from "vitest";
import { Sessions } from "../../../src/cdp/sessions.ts";
import type { Upstream } from "../../../src/cdp/upstream.ts";
import { View, type ViewHooks } from "../../../src/cdp/view.ts";

/** A view of one page, and what the gate sent to the browser by itself. */
function viewOf(agentDrives: boolean) {
  const sessions = new Sessions("browser");
  sessions.add("S", "page", "T", false);
  const sent: string[] = [];
  const upstream: Pick<Upstream, "post"> = {
    post: (method, _, sessionId) => void sent.push(`${method} ${sessionId}`),
  };
  const shown: string[] = [];
  const hooks: ViewHooks = {
    upstream: upstream as Upstream,
    sessions,
    agentDrives: () => agentDrives,
    notDriving: () => null,
    secrets: () => [],
    wasPrivate: () => false,
    show: (bytes) => void shown.push(bytes.toString()),
    answered: () => {},
    sessionEnded: () => {},
    progress: () => {},
  };
  const view = new View(hooks);
  const take = (method: string, params: object = {}): void =>
    view.take({ method, sessionId: "S" }, Buffer.from(JSON.stringify({ method, params, sessionId: "S" })));
  return { sent, shown, take };
}

describe("a page that stops at a breakpoint of the agent's", () => {
  it("goes on at once while a person drives: it may have stopped before it was told not to", () => {
    const { sent, take } = viewOf(false);
    take("Debugger.paused");
    take("Debugger.resumed");
    expect(sent).toEqual(["Debugger.resume S"]);
  });

  it("stays the agent's while the agent drives", () => {
    const { sent, shown, take } = viewOf(true);
    take("Debugger.paused");
    expect([sent, shown.length]).toEqual([[], 1]);
  });
});
