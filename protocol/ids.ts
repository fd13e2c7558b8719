import { z } from "zod";

/** Names one sandbox: a browser with its files and context, and the room around it. */
export const SandboxId = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,64}$/, "must match [A-Za-z0-9_-]{1,64}")
  .meta({ description: "Sandbox id, [A-Za-z0-9_-]{1,64}.", example: "checkout-42" });
export type SandboxId = z.infer<typeof SandboxId>;

/** Names one handoff, from its request to its end. */
export const RequestId = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, "must match [A-Za-z0-9_-]{1,64}");
export type RequestId = z.infer<typeof RequestId>;

/** Chosen by a client; ties an answer to its request. Unique among the connection's unanswered requests. */
export const MessageId = z.string().min(1).max(64);
export type MessageId = z.infer<typeof MessageId>;

/** Makes a retried change safe: the same key on the same sandbox answers with the first outcome (H1, H6). */
export const IdempotencyKey = z
  .string()
  .regex(/^[\x21-\x7e]{1,128}$/, "must be 1 to 128 printable ASCII characters");
export type IdempotencyKey = z.infer<typeof IdempotencyKey>;

/** A person or a program, as others see it. No control characters, so that it can stand in a log line. */
export const Name = z
  .string()
  .min(1)
  .max(128)
  .regex(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+$/u, "must not contain control or formatting characters")
  .refine((name) => name.trim() === name, "must not start or end with a space");
export type Name = z.infer<typeof Name>;

/** A person who holds, or asks for, the browser. `ai` is taken: it names the agent in `to` and `returnControlTo`. */
export const Controller = Name.refine(
  (name) => name.toLowerCase() !== "ai",
  'must not be "ai", which names the agent',
);
export type Controller = z.infer<typeof Controller>;

/** Milliseconds since the Unix epoch. */
export const Timestamp = z
  .number()
  .int()
  .nonnegative()
  .meta({ description: "Milliseconds since the Unix epoch." });

/** Fencing token: grows whenever who may drive, or who may see, changes. Microseconds since the Unix epoch, or later. */
export const Epoch = z
  .number()
  .int()
  .nonnegative()
  .meta({ description: "Fencing token; grows whenever who may drive changes." });
export type Epoch = z.infer<typeof Epoch>;

/** Number of an event within its sandbox: dense, from 1. 0 stands for "before the first". */
export const Seq = z.number().int().nonnegative();
export type Seq = z.infer<typeof Seq>;

/**
 * Where a subscriber stands in a sandbox's events. `epoch` guards `seq`: a store that lost its newest writes can
 * issue a number twice, but never with the same epoch, so a position that no longer matches gets a snapshot (E2).
 */
export const Position = z.object({ epoch: Epoch, seq: Seq });
export type Position = z.infer<typeof Position>;
