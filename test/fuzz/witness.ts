/**
 * A person and an agent who do nothing wrong, in a sandbox that no script knows. Whatever others send: their calls are
 * answered as they should be, in time, and they miss nothing.
 */
import { once } from "node:events";
import { WebSocket } from "ws";
import { DownMessage } from "../../protocol/down.ts";
import { SUBPROTOCOL } from "../../protocol/version.ts";
import { within } from "./within.ts";
import { Following } from "./histories.ts";
import type { Credentials } from "./credentials.ts";
import type { Identity } from "./up-messages.ts";
import { shown, Violation } from "./violation.ts";

/** Longest that a good client's call may take, on a busy machine and beside whatever a script does. */
const PATIENCE_MS = 10_000;
const SANDBOX = "the-witness";
const CLICK = { kind: "mouse", action: "move", x: 3, y: 4 };

interface Call {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** A client that keeps nothing of what it has read. */
class Good {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<string, (message: DownMessage) => void>();
  #calls = 0;
  #following: Following | undefined;
  #prompted: (requestId: string) => void = () => {};
  /** What went wrong between the calls. */
  #wrong: Error | undefined;

  static async come(url: string, { hello }: Credentials, identity: Identity): Promise<Good> {
    const good = new Good(new WebSocket(`${url.replace("http", "ws")}/v1/connect`, [SUBPROTOCOL]));
    await once(good.#socket, "open");
    good.#socket.send(JSON.stringify(hello(identity)));
    return good;
  }

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on("message", (data: Buffer, isBinary: boolean) => {
      if (isBinary) return;
      try {
        this.#read(DownMessage.parse(JSON.parse(data.toString("utf8"))));
      } catch (error) {
        this.#wrong ??= error as Error;
      }
    });
    socket.on("error", () => {});
    socket.once("close", (code, reason) => {
      this.#wrong ??= new Error(`its socket was closed with ${code} ${reason.toString()}`);
    });
  }

  /** The answer, which must be of this type. */
  async call(expected: string, call: Call): Promise<DownMessage> {
    this.#calls += 1;
    const id = `w${this.#calls}`;
    const answer = new Promise<DownMessage>((resolve) => this.#waiting.set(id, resolve));
    this.#socket.send(JSON.stringify({ id, sandboxId: SANDBOX, ...call }));
    const message = await within(answer, `the answer to ${call.type}`, PATIENCE_MS).catch(
      (error: unknown) => {
        throw this.#wrong ?? error;
      },
    );
    const kind = message.type === "error" ? message.code : message.type;
    if (kind !== expected) throw new Error(`${call.type} was answered by ${shown(JSON.stringify(message))}`);
    if (this.#wrong) throw this.#wrong;
    return message;
  }

  /** The next resume prompt; to be asked for before it can come. */
  prompt(): Promise<string> {
    const prompted = new Promise<string>((resolve) => (this.#prompted = resolve));
    return within(prompted, "the resume prompt", PATIENCE_MS);
  }

  leave(): void {
    this.#socket.terminate();
  }

  #read(message: DownMessage): void {
    if (message.type === "sandbox.joined")
      this.#following = new Following(message.position, message.snapshot);
    if (message.type === "event") this.#following?.event(message.event);
    if (message.type === "resume.prompt") this.#prompted(message.requestId);
    if (!("id" in message) || message.id === undefined) return;
    this.#waiting.get(message.id)?.(message);
    this.#waiting.delete(message.id);
  }
}

export class Witness {
  static readonly SANDBOX = SANDBOX;
  readonly #person: Good;
  readonly #agent: Good;
  /** Handoffs from beginning to end. */
  rounds = 0;

  static async come(url: string, credentials: Credentials): Promise<Witness> {
    const made = await fetch(`${url}/v1/sandboxes`, {
      method: "POST",
      headers: {
        ...credentials.headers({ role: "worker", name: "maker" }),
        "content-type": "application/json",
      },
      body: JSON.stringify({ sandboxId: SANDBOX, browser: { cdpUrl: `ws://127.0.0.1:1/${SANDBOX}` } }),
    });
    if (!made.ok) throw new Error(`the witness has no sandbox: ${made.status} ${await made.text()}`);
    const person = await Good.come(url, credentials, { role: "operator", name: "witness" });
    const agent = await Good.come(url, credentials, { role: "agent", name: "witness-agent" });
    await person.call("sandbox.joined", { type: "sandbox.join" });
    await agent.call("sandbox.joined", { type: "sandbox.join", resume: true });
    return new Witness(person, agent);
  }

  private constructor(person: Good, agent: Good) {
    this.#person = person;
    this.#agent = agent;
  }

  /**
   * One handoff, from the request to the agent's answer.
   * @throws Violation
   */
  async round(): Promise<void> {
    const [person, agent] = [this.#person, this.#agent];
    const controller = "witness";
    try {
      await agent.call("result", {
        type: "handoff.request",
        reason: "captcha",
        message: "please",
        resumePrompt: "go on",
      });
      await person.call("result", { type: "handoff.accept", controller });
      await person.call("done", { type: "input", events: [CLICK] });
      await agent.call("not_controller", { type: "input", events: [CLICK] });
      const prompt = agent.prompt();
      const completed = person.call("result", {
        type: "handoff.complete",
        controller,
        runResumePrompt: true,
        resumeWaitMs: PATIENCE_MS,
      });
      const [requestId] = await Promise.all([prompt, Promise.race([completed, prompt])]);
      await agent.call("done", { type: "resume.claim", requestId });
      await agent.call("done", { type: "resume.answer", requestId, ok: true, response: "did" });
      const answer = await completed;
      const response = answer.type === "result" ? answer.result.resume?.response : undefined;
      if (response !== "did")
        throw new Error(`the agent's answer did not arrive: ${shown(JSON.stringify(answer))}`);
      await agent.call("done", { type: "input", events: [CLICK] });
      this.rounds += 1;
    } catch (error) {
      throw new Violation(`somebody who does nothing wrong was disturbed: ${(error as Error).message}`);
    }
  }

  leave(): void {
    this.#person.leave();
    this.#agent.leave();
  }
}
