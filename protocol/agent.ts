import { z } from "zod";

/**
 * What becomes of an agent's commands while it may not drive. `hold`: they wait, and go on when control returns.
 * `reject`: each is answered with an error that names who drives. `observe`: reads pass, the rest is rejected.
 */
export const AgentPolicy = z.enum(["hold", "reject", "observe"]);
export type AgentPolicy = z.infer<typeof AgentPolicy>;
