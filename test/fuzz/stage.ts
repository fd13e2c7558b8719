/** What every part of the fuzzer plays on: the gateway's process, somebody in Chromium's place, and a good client. */
import { Agent, request, type ClientRequest, type IncomingHttpHeaders, type RequestOptions } from "node:http";
import { within } from "./within.ts";
import { CdpUpstream } from "./cdp-upstream.ts";
import { byName, byToken, type Credentials } from "./credentials.ts";
import { GatewayChild, type Mode } from "./gateway-child.ts";
import { Histories } from "./histories.ts";
import type { Tally } from "./socket-client.ts";
import { Violation } from "./violation.ts";
import { Witness } from "./witness.ts";

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** On a machine that does much else. */
export const PATIENCE_MS = 10_000;
const HTTP_MS = 10_000;
const ROUND_EVERY_MS = 200;

const credentialsOf = (mode: Mode): Credentials => (mode === "tokens" ? byToken : byName);

export class Stage {
  readonly tally: Tally = { answers: new Map(), codes: new Map() };
  readonly histories = new Histories();
  readonly upstream: CdpUpstream;
  readonly credentials: Credentials;
  readonly #mode: Mode;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 16 });
  #child: GatewayChild;
  #witness: Witness;
  /** How long an answer may take once nothing it waits for can still come. */
  patienceMs = PATIENCE_MS;
  readonly #playing = new Set<Promise<void>>();
  #round: Promise<void> | undefined;
  #ruined: string | undefined;
  #roundBegan = 0;
  #runs = 0;

  static async open(mode: Mode = "open"): Promise<Stage> {
    const upstream = await CdpUpstream.listen();
    const child = await GatewayChild.start(upstream.url, mode);
    const witness = await Witness.come(child.url, credentialsOf(mode));
    return new Stage(mode, upstream, child, witness);
  }

  private constructor(mode: Mode, upstream: CdpUpstream, child: GatewayChild, witness: Witness) {
    this.#mode = mode;
    this.credentials = credentialsOf(mode);
    this.upstream = upstream;
    this.#child = child;
    this.#witness = witness;
  }

  get child(): GatewayChild {
    return this.#child;
  }
  get url(): string {
    return this.#child.url;
  }
  get port(): number {
    return Number(new URL(this.url).port);
  }
  /** Answers of the good client's, so far. */
  get witnessed(): number {
    return this.#witness.rounds;
  }

  /** So many handoffs of the good client's, one after the other. */
  async warmUp(rounds: number): Promise<void> {
    for (let round = 0; round < rounds; round += 1) await this.#witness.round();
  }

  /** A name that no other run has. */
  nextRun(): string {
    this.#runs += 1;
    return `f${this.#runs}`;
  }

  /** Why the gateway can be trusted no more: its process failed, or a good client was left in the middle of something. */
  get ruined(): string | undefined {
    return this.#ruined ?? (this.#child.dead ? "the gateway's process ended" : undefined);
  }

  /** A new process, if the last one is ruined. */
  async renew(): Promise<void> {
    if (this.ruined === undefined) return;
    this.#ruined = undefined;
    this.#witness.leave();
    await this.#child.stop();
    this.#child = await GatewayChild.start(this.upstream.url, this.#mode);
    this.#witness = await Witness.come(this.#child.url, this.credentials);
  }

  /**
   * Plays one script beside the good client, and judges what became of the gateway. Several may play at a time; when
   * the process fails, all of them do.
   * @throws Violation
   */
  async play(script: (wrong: (error: Error) => void) => Promise<void>): Promise<void> {
    const playing = this.#judged(script);
    this.#playing.add(playing);
    await playing.finally(() => this.#playing.delete(playing));
  }

  /** Resolves when no script plays: one that nobody waits for any longer still does. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#playing);
  }

  async #judged(script: (wrong: (error: Error) => void) => Promise<void>): Promise<void> {
    if (this.ruined !== undefined) throw new Violation(this.ruined);
    let first: Error | undefined;
    const fail = (error: unknown): void => void (first ??= error as Error);
    const round = this.#goodRound().catch((error: unknown) => {
      fail(error);
      this.#ruined ??= (error as Error).message;
    });
    await Promise.all([script(fail).catch(fail), round]);
    await this.#child.sync();
    const faults = [...this.#child.takeFaults(), ...this.upstream.takeFaults()];
    if (faults.length > 0) this.#ruined = `the gateway failed: ${faults.join("\n")}`;
    if (this.#ruined !== undefined) throw new Violation(this.#ruined);
    if (first) throw first;
  }

  /** One at a time, and so often that none of the scripts has it to itself for long. */
  #goodRound(): Promise<void> {
    if (this.#round) return this.#round;
    if (performance.now() - this.#roundBegan < ROUND_EVERY_MS) return Promise.resolve();
    this.#roundBegan = performance.now();
    this.#round = this.#witness.round().finally(() => (this.#round = undefined));
    return this.#round;
  }

  /** An HTTP call of the harness's own. */
  async call(method: string, path: string, body?: object): Promise<Answer> {
    const text = body && JSON.stringify(body);
    return this.http(
      method,
      path,
      {
        ...this.credentials.headers({ role: "admin", name: "harness" }),
        ...(text !== undefined && { "content-type": "application/json" }),
      },
      text,
    );
  }

  /** Rejects with an `Error` when the connection breaks or no answer comes in time. */
  async http(
    method: string,
    path: string,
    headers: Record<string, string>,
    body?: string,
    signal?: AbortSignal,
  ): Promise<Answer> {
    for (;;) {
      const exchange = new Exchange(this.url + path, { method, headers, agent: this.#agent }, body, signal);
      try {
        return await within(exchange.answer, `${method} ${path}`, HTTP_MS);
      } catch (error) {
        // The other end closes what was idle for long; this request may have met it on its way.
        if (!exchange.isReused || !isHangUp(error) || this.#child.dead) throw error;
      }
    }
  }

  async create(sandboxId: string): Promise<void> {
    const { status, body } = await this.call("POST", "/v1/sandboxes", {
      sandboxId,
      browser: { cdpUrl: `ws://127.0.0.1:1/${sandboxId}` },
    });
    if (status !== 200) throw new Violation(`a sandbox could not be made: ${status} ${body}`);
  }

  /** It may be gone already. */
  async remove(sandboxId: string): Promise<void> {
    const { status, body } = await this.call("DELETE", `/v1/sandboxes/${sandboxId}`);
    if (status !== 200 && status !== 404)
      throw new Violation(`a sandbox could not be removed: ${status} ${body}`);
    this.histories.removed(sandboxId);
  }

  /** Removes what scripts have made, under whatever name. */
  async removeAll(): Promise<void> {
    for (;;) {
      const { body } = await this.call("GET", "/v1/sandboxes?limit=500");
      const { sandboxes } = JSON.parse(body) as { sandboxes: { sandboxId: string }[] };
      const others = sandboxes.filter(({ sandboxId }) => sandboxId !== Witness.SANDBOX);
      if (others.length === 0) return;
      for (const { sandboxId } of others) await this.remove(sandboxId);
    }
  }

  /** Ends the harness's own idle connections. */
  hangUp(): void {
    this.#agent.destroy();
  }

  async close(): Promise<void> {
    this.hangUp();
    this.#witness.leave();
    await this.#child.stop();
    await this.upstream.close();
  }
}

class Exchange {
  readonly answer: Promise<Answer>;
  readonly #request: ClientRequest;

  constructor(
    url: string,
    options: RequestOptions,
    body: string | undefined,
    signal: AbortSignal | undefined,
  ) {
    this.#request = request(url, { ...options, ...(signal && { signal }) });
    this.answer = new Promise((resolve, reject) => {
      this.#request.once("error", reject);
      this.#request.once("response", (response) => {
        const chunks: Buffer[] = [];
        const done = (): void => {
          const { statusCode: status = 0, headers } = response;
          resolve({ status, headers, body: Buffer.concat(chunks).toString("utf8") });
        };
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.once("end", done);
        response.once("error", (error) => (signal?.aborted ? done() : reject(error)));
      });
    });
    // Who waits no longer must not be told of it.
    this.answer.catch(() => {});
    this.#request.end(body);
  }

  get isReused(): boolean {
    return this.#request.reusedSocket;
  }
}

function isHangUp(error: unknown): boolean {
  return ["ECONNRESET", "EPIPE"].includes((error as NodeJS.ErrnoException).code ?? "");
}
