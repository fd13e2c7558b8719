/** From an agent's command to its answer, with a browser that answers at once: what is measured is the way. */
import { loadPath, type Load } from "../lib/cdp-load.ts";
import { CdpStub } from "../lib/cdp-stub.ts";
import { startGate, startRelay, type Way } from "../lib/cdp-ways.ts";
import { takeStepTurns, type Scenario } from "../lib/scenario.ts";

const TITLE = "CDP commands";
const UNDER_WAY = 64;
/** Commands of the step with so many under way, for each of the step with one. */
const MORE = 25;

export const cdpCommands: Scenario = {
  id: "cdp-commands",
  async run(context) {
    const { plan, resources } = context;
    const stub = await CdpStub.start(resources);
    const [relay, gate, again] = await Promise.all([
      startRelay(resources, stub.url),
      startGate(resources, stub.url),
      startRelay(resources, stub.url),
    ]);
    const ways: readonly Way[] = [
      { name: "plain relay", kind: "reference", url: relay.url, between: relay },
      { name: "direct", kind: "yardstick", url: stub.url },
      { name: "gate", kind: "gateway", url: gate.url, between: gate },
      { name: "plain relay again", kind: "control", url: again.url, between: again },
    ];
    const command = {
      method: "Runtime.evaluate",
      params: { expression: "1" },
      perSecond: "commands",
    } as const;
    const loads: Readonly<Record<string, Load>> = {
      "one at a time": { ...command, underWay: 1, count: plan.commands },
      [`${UNDER_WAY} under way`]: { ...command, underWay: UNDER_WAY, count: plan.commands * MORE },
    };
    const clients = await Promise.all(ways.map((way) => loadPath(resources, way, loads)));
    const paths = await takeStepTurns(context, TITLE, clients);
    const measured = "from the send of Runtime.evaluate to the arrival of its answer";
    const cpuOf = "the process in between, for each command";
    return [{ id: "cdp-commands", title: TITLE, measured, counted: "commands", cpuOf, paths }];
  },
};
