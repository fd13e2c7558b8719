/** How long an event is on its way to each of many subscribers of a server that has time to spare. */
import { BEHIND_COMMITS, FIELD, fieldRedis, loadAll, SUBSCRIBERS } from "../lib/field.ts";
import { takeTurns, type Path, type Scenario } from "../lib/scenario.ts";

const TITLE = "Latency at 20,000 deliveries a second";
const EVENTS_PER_SECOND = 20;
const SETTLE_MS = 200;
const { uws, batched, batonWs, batonUws } = FIELD;

export const fanOutLatency: Scenario = {
  id: "fan-out-latency",
  async run(context) {
    const redisUrl = await fieldRedis(context);
    context.say(`${TITLE}: each of the servers gets ${SUBSCRIBERS} subscribers`);
    const contenders = [
      BEHIND_COMMITS.uws,
      uws,
      { ...batched, kind: "yardstick" as const },
      batonWs,
      batonUws,
      BEHIND_COMMITS.uwsAgain,
    ];
    const { loaded, missing } = await loadAll(context, contenders, redisUrl);
    const forMs = context.plan.paceMs;
    const paths = loaded.map(({ contender: { name, kind }, turn }): Path => {
      const measure = async () => {
        const { latencies } = await turn({ perSecond: EVENTS_PER_SECOND, settleMs: SETTLE_MS, forMs });
        return { values: latencies };
      };
      return { name, kind, measure };
    });
    return [
      {
        id: "fan-out-latency",
        title: TITLE,
        measured: `from the call that publishes an event until a subscriber has it, of ${SUBSCRIBERS} and ${EVENTS_PER_SECOND} events a second`,
        paths: await takeTurns(context, TITLE, paths),
        notes: missing,
      },
    ];
  },
};
