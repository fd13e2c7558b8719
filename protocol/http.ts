/** Bodies and parameters of the HTTP API that are not messages of the socket too. */
import { z } from "zod";
import { AgentPolicy } from "./agent.ts";
import { Name, type Position, SandboxId } from "./ids.ts";
import { Role, Sandbox, SandboxEvent } from "./sandbox.ts";

/** Where the sandbox's browser is. `cdpUrl` is a secret: it is never shown again. */
export const BrowserSource = z.union([
  z.strictObject({
    cdpUrl: z
      .string()
      .max(2_048)
      .regex(
        /^(?:https?|wss?):\/\/[^\s]+$/i,
        "must be an http, https, ws or wss address of a Chromium's debugging port",
      ),
  }),
  z.strictObject({ launch: z.literal(true), url: z.string().max(8_192).exactOptional() }),
]);
export type BrowserSource = z.infer<typeof BrowserSource>;

export const CreateSandboxBody = z.strictObject({
  sandboxId: SandboxId.exactOptional(),
  browser: BrowserSource.exactOptional(),
  /** What becomes of the agent's CDP commands while it may not drive; a connection may choose another. Default `hold`. */
  agentPolicy: AgentPolicy.exactOptional(),
});
export type CreateSandboxBody = z.infer<typeof CreateSandboxBody>;

export const SandboxResult = z
  .object({ ok: z.literal(true), sandbox: Sandbox, previewUrl: z.string() })
  .meta({ id: "SandboxResult" });
export type SandboxResult = z.infer<typeof SandboxResult>;

export const SandboxList = z
  .object({ sandboxes: z.array(Sandbox), cursor: z.string().exactOptional() })
  .meta({ id: "SandboxList" });
export type SandboxList = z.infer<typeof SandboxList>;

/** Who calls, where no tokens are asked for; otherwise nobody reads it. Defaults: `http` and `sdk`. */
export const CallerHeaders = z.object({
  "x-baton-name": Name.optional(),
  "x-baton-role": Role.optional(),
});

export const EventPage = z
  .object({ events: z.array(SandboxEvent), snapshot: Sandbox.exactOptional() })
  .meta({ id: "EventPage" });
export type EventPage = z.infer<typeof EventPage>;

/** A position in one word, for `?since=` and the event stream's `Last-Event-ID`. */
export function formatPosition(position: Position): string {
  return `${position.epoch}-${position.seq}`;
}

export const PositionText = z
  .string()
  .regex(/^\d{1,16}-\d{1,16}$/, "must be EPOCH-SEQ, as an event's id in the stream")
  .transform((text): Position => {
    const [epoch, seq] = text.split("-").map(Number);
    return { epoch: epoch ?? 0, seq: seq ?? 0 };
  });
