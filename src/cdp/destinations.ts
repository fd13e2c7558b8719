/**
 * Where an agent's commands lead the browser, besides what the pages in it do by themselves: asked before anything else
 * is done with them. Files of the browser's machine, and a way past its proxy, only where everything is allowed.
 *
 * A page that the agent drives can ask for other addresses too. In a browser that the gateway launched, the proxy that
 * it goes through refuses those; one that was attached reaches what its own network lets it.
 */
import { BatonError } from "../../protocol/errors.ts";
import type { CdpParams } from "../core/cdp-policy.ts";
import { checkNavigation } from "../targets/navigation.ts";
import type { TargetPolicy } from "../targets/policy.ts";
import type { Command } from "./commands.ts";
import { NO_SUCH_SESSION, SERVER_ERROR, type Refusal } from "./messages.ts";
import { scanCommand } from "./scan.ts";

interface Lead {
  /** Parameters that hold addresses. */
  readonly urls?: readonly string[];
  /** Why it is refused, for one that leads where no address says. */
  readonly beyond?: (params: CdpParams) => string | undefined;
}

const FILES = "to read files of the browser's machine. Give their contents in place of their paths.";

/** Under the name that a page chooses, which may be that of a file that is there: it would be written over. */
const NAMED =
  "to keep downloads under the names that pages give them. Use Browser.setDownloadBehavior with `allowAndName`.";
const UNNAMED: readonly unknown[] = ["deny", "default", "allowAndName"];
const download: Lead = { beyond: ({ behavior }) => (UNNAMED.includes(behavior) ? undefined : NAMED) };

const LEADS: ReadonlyMap<string, Lead> = new Map<string, Lead>([
  ["Browser.setDownloadBehavior", download],
  ["DOM.setFileInputFiles", { beyond: ({ files }) => (isEmpty(files) ? undefined : FILES) }],
  ["Fetch.continueRequest", { urls: ["url"] }],
  [
    "Input.dispatchDragEvent",
    { beyond: ({ data }) => (isEmpty((data as CdpParams | undefined)?.["files"]) ? undefined : FILES) },
  ],
  // Of older browsers.
  ["Network.continueInterceptedRequest", { urls: ["url"] }],
  ["Network.loadNetworkResource", { urls: ["url"] }],
  ["PWA.install", { urls: ["manifestId", "installUrlOrBundleUrl"] }],
  ["PWA.launch", { urls: ["manifestId", "url"] }],
  ["PWA.launchFilesInApp", { beyond: () => FILES }],
  ["Page.navigate", { urls: ["url"] }],
  ["Page.setDownloadBehavior", download],
  [
    "Target.createBrowserContext",
    {
      beyond: ({ proxyServer, proxyBypassList }) =>
        proxyServer === undefined && proxyBypassList === undefined
          ? undefined
          : "a browser context with a proxy of its own. Create it without one.",
    },
  ],
  ["Target.createTarget", { urls: ["url"] }],
]);

/** Whether the gate must know what the command carries. */
export function mayLead(method: string): boolean {
  return LEADS.has(method);
}

export interface DestinationsHooks {
  readonly policy: TargetPolicy;
  /** @returns undefined for what is no command, and was answered */
  readonly read: (bytes: Buffer) => Command | undefined;
  readonly pass: (command: Command) => void;
  readonly refuse: (command: Command, refusal: Refusal) => void;
  /** A host is being looked up: what the client sends meanwhile waits. */
  readonly pause: () => void;
  readonly resume: () => void;
  /** Runs a step that may fail. */
  readonly guard: (step: () => void) => void;
}

export class Destinations {
  readonly #hooks: DestinationsHooks;
  #checking = false;
  /** What arrived during a check. The client is not read any further, so it is what was read already. */
  #behind: Buffer[] = [];
  #ended = false;

  constructor(hooks: DestinationsHooks) {
    this.#hooks = hooks;
  }

  receive(bytes: Buffer): void {
    if (this.#ended) return;
    if (this.#checking) {
      this.#behind.push(bytes);
      return this.#hooks.pause();
    }
    const command = this.#hooks.read(bytes);
    if (!command) return;
    const { policy } = this.#hooks;
    const lead = LEADS.get(command.method);
    if (!lead || policy.any) return this.#hooks.pass(command);
    const params: Record<string, unknown> = { ...command.params };
    const why = lead.beyond?.(params);
    if (why !== undefined) {
      const message = `${policy.setting} does not allow ${why}`;
      return this.#refuse(command, new BatonError("target_refused", message, { setting: policy.setting }));
    }
    const urls = (lead.urls ?? []).filter((key) => typeof params[key] === "string");
    // What leaves is what was checked, whatever another reader would have made of what came.
    for (const key of urls) params[key] = canonical(String(params[key]));
    const checked = rewritten(command, params);
    if (urls.length === 0) return this.#hooks.pass(checked);
    this.#checking = true;
    this.#hooks.pause();
    Promise.all(urls.map(async (key) => checkNavigation(policy, String(params[key])))).then(
      () => this.#goOn(() => this.#passLate(checked)),
      (error: unknown) => this.#goOn(() => this.#refuse(command, error)),
    );
  }

  /** The client is gone. */
  end(): void {
    this.#ended = true;
    this.#behind = [];
  }

  #goOn(step: () => void): void {
    this.#checking = false;
    if (this.#ended) return;
    this.#hooks.guard(step);
    while (!this.#checking && this.#behind.length > 0) {
      const bytes = this.#behind.shift();
      if (bytes) this.#hooks.guard(() => this.receive(bytes));
    }
    if (!this.#checking) this.#hooks.resume();
  }

  #passLate(command: Command): void {
    if (command.session.gone) this.#hooks.refuse(command, NO_SUCH_SESSION);
    else this.#hooks.pass(command);
  }

  #refuse(command: Command, error: unknown): void {
    if (!(error instanceof BatonError)) throw error;
    const { code, message, details } = error;
    this.#hooks.refuse(command, { code: SERVER_ERROR, message, data: { code, ...details } });
  }
}

function isEmpty(files: unknown): boolean {
  return files === undefined || (Array.isArray(files) && files.length === 0);
}

function canonical(url: string): string {
  return URL.canParse(url) ? new URL(url).href : url;
}

function rewritten(command: Command, params: object): Command {
  const { id, method, session } = command;
  const { id: sessionId } = session;
  const bytes = Buffer.from(
    JSON.stringify({ id, method, params, ...(sessionId !== undefined && { sessionId }) }),
  );
  const scanned = scanCommand(bytes);
  if (!scanned.ok) throw new Error(`a command could not be written again: ${scanned.message}`);
  return { ...command, bytes, envelope: scanned.envelope, params: params as CdpParams };
}
