/**
 * What an agent set in a page that would be in the person's way: taken back when the agent is stopped, and set again as
 * it was when it goes on.
 */
import type { CdpParams } from "../core/cdp-policy.ts";

interface Setting {
  /** Whether these parameters are in a person's way. */
  readonly hinders: (params: CdpParams) => boolean;
  /** What takes it back. */
  readonly neutral: object;
}

const SETTINGS: Readonly<Record<string, Setting>> = {
  // A chooser would open for the agent's handler only.
  "Page.setInterceptFileChooserDialog": {
    hinders: ({ enabled }) => enabled === true,
    neutral: { enabled: false },
  },
  // Blocks input of every session.
  "Input.setIgnoreInputEvents": { hinders: ({ ignore }) => ignore === true, neutral: { ignore: false } },
  "Input.setInterceptDrags": { hinders: ({ enabled }) => enabled === true, neutral: { enabled: false } },
  "Emulation.setScriptExecutionDisabled": {
    hinders: ({ value }) => value === true,
    neutral: { value: false },
  },
  // A page without time stands still.
  "Emulation.setVirtualTimePolicy": {
    hinders: ({ policy }) => policy !== "advance",
    neutral: { policy: "advance" },
  },
  "Page.setWebLifecycleState": { hinders: ({ state }) => state === "frozen", neutral: { state: "active" } },
  "Emulation.setCPUThrottlingRate": { hinders: ({ rate }) => Number(rate) > 1, neutral: { rate: 1 } },
  "Network.emulateNetworkConditions": {
    hinders: () => true,
    neutral: { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: -1 },
  },
  // Takes every click.
  "Overlay.setInspectMode": {
    hinders: ({ mode }) => mode !== "none",
    neutral: { mode: "none", highlightConfig: {} },
  },
};

/** Breakpoints would stop the page under the person. */
const PAUSES = "Debugger.setSkipAllPauses";
/** Stops the page, and is not answered itself, until somebody lets it run. */
const STOPS = "Page.waitForDebugger";
const RUNS = "Runtime.runIfWaitingForDebugger";

export interface Step {
  readonly method: string;
  readonly params: object;
}

export class Suspended {
  /** The last parameters of each setting that hinders. */
  readonly #set = new Map<string, CdpParams>();
  #debugs = false;
  #skipsPauses = false;
  #paused = false;
  #stopped = false;
  #suspended = false;

  /** Whether `sent` must be told of this method's parameters. */
  static knows(method: string): boolean {
    return Object.hasOwn(SETTINGS, method) || method === PAUSES;
  }

  get isDue(): boolean {
    return this.#suspended;
  }

  /** Notes what leaves for the page. */
  sent(method: string, params: CdpParams): void {
    if (method === "Debugger.enable") this.#debugs = true;
    else if (method === "Debugger.disable") this.#debugs = false;
    else if (method === PAUSES) this.#skipsPauses = params.skip === true;
    else if (method === STOPS) this.#stopped = true;
    else if (method === RUNS) this.#stopped = false;
    const setting = Object.hasOwn(SETTINGS, method) ? SETTINGS[method] : undefined;
    if (!setting) return;
    if (setting.hinders(params)) this.#set.set(method, params);
    else this.#set.delete(method);
  }

  paused(isPaused: boolean): void {
    this.#paused = isPaused;
  }

  /** What frees the page for the person. */
  suspend(): Step[] {
    const steps: Step[] = [];
    if (this.#stopped) steps.push({ method: RUNS, params: {} });
    this.#stopped = false;
    for (const method of this.#set.keys()) steps.push({ method, params: SETTINGS[method]?.neutral ?? {} });
    if (this.#debugs) {
      steps.push({ method: PAUSES, params: { skip: true } });
      if (this.#paused) steps.push({ method: "Debugger.resume", params: {} });
    }
    this.#suspended ||= steps.length > 0;
    return steps;
  }

  /** What sets it all again. */
  restore(): Step[] {
    if (!this.#suspended) return [];
    this.#suspended = false;
    const steps: Step[] = [...this.#set].map(([method, params]) => ({ method, params }));
    if (this.#debugs && !this.#skipsPauses) steps.push({ method: PAUSES, params: { skip: false } });
    return steps;
  }
}
