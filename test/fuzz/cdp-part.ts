/** Agents at the CDP gate, while a person takes the browser and gives it back. */
import * as fc from "fast-check";
import { AgentPolicy } from "../../protocol/agent.ts";
import type { Sandbox } from "../../protocol/sandbox.ts";
import { CdpClient } from "./cdp-client.ts";
import { AGENTS, cdpSteps, type CdpStep } from "./cdp-messages.ts";
import { TARGET_ID } from "./cdp-upstream.ts";
import type { Part } from "./part.ts";
import { sandboxIdOf } from "./script.ts";
import type { Stage } from "./stage.ts";
import { shown, Violation } from "./violation.ts";

/** Calls that give the browser back to the agent; more are needed only when control is on its way. */
const MAX_RETURNS = 10;

const ATTACH = JSON.stringify({
  id: 999_999,
  method: "Target.attachToTarget",
  params: { targetId: TARGET_ID, flatten: true },
});

export interface CdpScript {
  readonly policies: readonly AgentPolicy[];
  readonly steps: readonly CdpStep[];
}

export const cdpPart: Part<CdpScript> = {
  name: "cdp",
  scripts: fc.record({
    policies: fc.array(fc.constantFrom(...AgentPolicy.options), { minLength: AGENTS, maxLength: AGENTS }),
    steps: cdpSteps,
  }),
  messages: ({ steps }) =>
    steps.filter((step) => step.do === "send" || step.do === "bytes" || step.do === "person").length,
  play: (script, stage) => stage.play((wrong) => new Play(script, stage, wrong).run()),
  show: ({ policies, steps }) => [
    ...policies.map((policy, index) => `agent ${index}: ${policy}`),
    ...steps.map(showStep),
  ],
};

function showStep(step: CdpStep): string {
  switch (step.do) {
    case "send":
      return `agent ${step.agent} sends ${shown(step.text)}`;
    case "bytes":
      return `agent ${step.agent} sends the bytes ${Buffer.from(step.bytes).toString("hex")}`;
    case "person":
      return `a person calls ${step.path} ${JSON.stringify(step.body)}`;
    case "browser":
      return `the browser says ${shown(step.text)}`;
    case "settle":
      return `agent ${step.agent} waits until what it sent was read`;
    case "close":
      return `agent ${step.agent} leaves, and comes back`;
    case "cut":
      return `agent ${step.agent} vanishes, and comes back`;
  }
}

class Play {
  readonly #script: CdpScript;
  readonly #stage: Stage;
  readonly #sandboxId: string;
  readonly #wrong: (error: Error) => void;
  readonly #agents: CdpClient[] = [];
  #mayEnd = false;
  #failed = false;

  constructor(script: CdpScript, stage: Stage, wrong: (error: Error) => void) {
    this.#script = script;
    this.#stage = stage;
    this.#sandboxId = sandboxIdOf(stage.nextRun(), 0);
    this.#wrong = (error) => {
      this.#failed = true;
      wrong(error);
    };
  }

  async run(): Promise<void> {
    const { policies, steps } = this.#script;
    await this.#stage.create(this.#sandboxId);
    try {
      for (const [index] of policies.entries()) this.#agents[index] = await this.#open(index);
      for (const step of steps) {
        if (this.#failed) return;
        await this.#step(step);
      }
      for (const agent of this.#agents) if (!agent.closed) await agent.roundTrip(this.#stage.patienceMs);
      await this.#returnControl();
      for (const agent of this.#agents) await agent.answered(this.#stage.patienceMs);
    } finally {
      this.#mayEnd = true;
      await this.#stage.remove(this.#sandboxId).catch(() => {});
      await Promise.all(this.#agents.map((agent) => agent.close()));
    }
  }

  async #step(step: CdpStep): Promise<void> {
    if (step.do === "browser") {
      // A browser that says such things may cost its connections, and nothing else.
      this.#mayEnd = true;
      return this.#stage.upstream.say(this.#sandboxId, step.text);
    }
    if (step.do === "person") return this.#person(step.path, step.body);
    let agent = this.#agents[step.agent];
    if (!agent) return;
    if (agent.closed) this.#agents[step.agent] = agent = await this.#open(step.agent);
    switch (step.do) {
      case "send":
        return agent.send(step.text);
      case "bytes":
        return agent.bytes(step.bytes);
      case "settle":
        return agent.roundTrip(this.#stage.patienceMs);
      case "close":
        await agent.close();
        break;
      case "cut":
        agent.cut();
        break;
    }
    this.#agents[step.agent] = await this.#open(step.agent);
  }

  async #person(path: string, body: object): Promise<void> {
    const { status, body: answer } = await this.#stage.call(
      "POST",
      `/v1/sandboxes/${this.#sandboxId}/${path}`,
      body,
    );
    if (status >= 500) throw new Violation(`a person's ${path} failed: ${status} ${answer}`);
  }

  /** What waits for the agent's turn is answered once it has it. */
  async #returnControl(): Promise<void> {
    for (let attempt = 0; attempt < MAX_RETURNS; attempt += 1) {
      const { body } = await this.#stage.call("GET", `/v1/sandboxes/${this.#sandboxId}`);
      const { sandbox } = JSON.parse(body) as { sandbox: Sandbox };
      const { mode, controller } = sandbox.control;
      if (mode === "ai") return;
      if (mode === "shared") await this.#person("handoff/cancel", {});
      else if (controller !== undefined) await this.#person("control/pass", { controller, to: "ai" });
    }
    throw new Violation("control did not return to the agent");
  }

  /** Connected, and attached to the page. */
  async #open(index: number): Promise<CdpClient> {
    const { url, tally } = this.#stage;
    const policy = this.#script.policies[index] ?? "hold";
    const agent = await CdpClient.open({
      url: `${url.replace("http", "ws")}/v1/sandboxes/${this.#sandboxId}/cdp?policy=${policy}&name=agent-${index}`,
      headers: this.#stage.credentials.headers({ role: "agent", name: `agent-${index}` }),
      tally,
      wrong: this.#wrong,
      mayEnd: () => this.#mayEnd,
    });
    agent.send(ATTACH);
    await agent.roundTrip(this.#stage.patienceMs);
    return agent;
  }
}
