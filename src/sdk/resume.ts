import type { DownMessage } from "../../protocol/down.ts";
import type { ResumeHandler } from "./api.ts";
import { Backoff } from "./backoff.ts";
import type { Connection } from "./connection.ts";
import type { Follower } from "./follower.ts";

type Prompt = Extract<DownMessage, { type: "resume.prompt" }>;

interface Outcome {
  readonly ok: boolean;
  readonly response?: string;
}
type Entry =
  | { readonly state: "claiming" | "running" }
  | { readonly state: "answering" | "answered"; readonly outcome: Outcome };

/** Most prompts that this process remembers. */
export const MAX_REMEMBERED = 256;
/** Longest answer the gateway takes, UTF-16 units. */
const MAX_RESPONSE_LENGTH = 64 * 1024;
const CUT_MARK = " …(cut)";

/**
 * What this process did with each prompt, oldest first. It belongs to the process and not to a client, so that a
 * client that is made anew with the same `clientId` does not run a handler a second time (R1).
 */
const memory = new Map<string, Entry>();

/** Makes room for one more; false when all that is remembered is still under way. */
function makeRoom(): boolean {
  if (memory.size < MAX_REMEMBERED) return true;
  for (const [key, entry] of memory) {
    if (entry.state !== "answered") continue;
    memory.delete(key);
    return true;
  }
  return false;
}

/** Takes one sandbox's resume prompts: claims each, runs the handler once, delivers its outcome. */
export class ResumeRunner {
  readonly #connection: Connection;
  readonly #follower: Follower;
  readonly #clientId: string;
  readonly #backoff: Backoff;
  /** Answers that the gateway could not take for the moment, by their key in `memory`. */
  readonly #postponed = new Map<string, { timer: ReturnType<typeof setTimeout>; outcome: Outcome }>();
  /** Claims that the gateway could not answer for the moment. */
  readonly #unclaimed = new Map<string, { timer: ReturnType<typeof setTimeout>; refused: () => void }>();
  #handler: ResumeHandler | undefined;

  constructor(connection: Connection, follower: Follower, clientId: string) {
    this.#connection = connection;
    this.#follower = follower;
    this.#clientId = clientId;
    this.#backoff = new Backoff(connection.reconnectMinMs, connection.reconnectMaxMs);
  }

  onResume(handler: ResumeHandler): () => void {
    // Wrapped: the same function may be registered again, and an old removal must not take the new one away.
    const own: ResumeHandler = (request) => handler(request);
    this.#handler = own;
    this.#follower.setResume(true);
    return () => {
      if (this.#handler === own) this.removeHandler();
    };
  }

  removeHandler(): void {
    this.#handler = undefined;
    this.#follower.setResume(false);
  }

  /** The client was closed. What could not be delivered is left to the next one of the same `clientId`. */
  closed(): void {
    for (const [key, { timer, outcome }] of this.#postponed) {
      clearTimeout(timer);
      memory.set(key, { state: "answered", outcome });
    }
    this.#postponed.clear();
    for (const { timer, refused } of this.#unclaimed.values()) {
      clearTimeout(timer);
      refused();
    }
    this.#unclaimed.clear();
  }

  /** May be called any number of times for one prompt. */
  prompt(prompt: Prompt): void {
    const key = `${this.#clientId}/${prompt.sandboxId}/${prompt.requestId}`;
    const entry = memory.get(key);
    const handler = this.#handler;
    if (entry?.state === "answered") {
      // A store that lost its last changes may have lost the claim as well.
      const { outcome } = entry;
      this.#claim(key, prompt, { claimed: () => this.#answer(key, prompt, outcome), refused: () => {} });
    } else if (entry?.state === "running") {
      // The claim went with the socket, and nobody else may get the prompt while the handler runs.
      this.#claim(key, prompt, { claimed: () => {}, refused: () => {} });
    } else if (!entry && handler && makeRoom()) {
      memory.set(key, { state: "claiming" });
      this.#claim(key, prompt, {
        claimed: () => void this.#run(handler, key, prompt),
        // Somebody else has it, or the gateway will send it again.
        refused: () => memory.delete(key),
      });
    }
  }

  #claim(key: string, prompt: Prompt, on: { claimed(): void; refused(): void }): void {
    this.#connection.request({
      message: { type: "resume.claim", sandboxId: prompt.sandboxId, requestId: prompt.requestId },
      lifetime: "client",
      internal: true,
      answered: (answer) => {
        this.#backoff.reset();
        if (answer.type === "done") on.claimed();
        else on.refused();
      },
      failed: (error) => {
        if (!error.retryable || this.#connection.ending) return on.refused();
        // It may be in all the same, and then nobody else is offered the prompt: only asking again tells.
        const again = (): void => {
          this.#unclaimed.delete(key);
          this.#claim(key, prompt, on);
        };
        clearTimeout(this.#unclaimed.get(key)?.timer);
        this.#unclaimed.set(key, {
          timer: setTimeout(again, this.#backoff.nextMs()),
          refused: () => on.refused(),
        });
      },
    });
  }

  async #run(handler: ResumeHandler, key: string, prompt: Prompt): Promise<void> {
    memory.set(key, { state: "running" });
    let outcome: Outcome;
    try {
      const { requestId, handoff } = prompt;
      const response = await handler({ requestId, prompt: prompt.prompt, handoff });
      outcome = { ok: true, ...(typeof response === "string" && { response: cut(response) }) };
    } catch (error) {
      outcome = { ok: false, response: cut(error instanceof Error ? error.message : String(error)) };
    }
    this.#answer(key, prompt, outcome);
  }

  #answer(key: string, prompt: Prompt, outcome: Outcome): void {
    memory.set(key, { state: "answering", outcome });
    const { sandboxId, requestId } = prompt;
    this.#connection.request({
      message: { type: "resume.answer", sandboxId, requestId, ...outcome },
      lifetime: "client",
      internal: true,
      answered: () => {
        this.#backoff.reset();
        memory.set(key, { state: "answered", outcome });
      },
      failed: (error) => {
        if (error.retryable && !this.#connection.ending) this.#postpone(key, prompt, outcome);
        // Not wanted any more, or this client is closed.
        else memory.set(key, { state: "answered", outcome });
      },
    });
  }

  #postpone(key: string, prompt: Prompt, outcome: Outcome): void {
    const again = () => {
      this.#postponed.delete(key);
      this.#answer(key, prompt, outcome);
    };
    this.#postponed.set(key, { timer: setTimeout(again, this.#backoff.nextMs()), outcome });
  }
}

function cut(text: string): string {
  if (text.length <= MAX_RESPONSE_LENGTH) return text;
  return text.slice(0, MAX_RESPONSE_LENGTH - CUT_MARK.length) + CUT_MARK;
}
