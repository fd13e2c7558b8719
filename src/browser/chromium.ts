import type { TargetPolicy } from "../targets/policy.ts";
import type { BrowserProvider } from "./browser.ts";
import { answersAt } from "./endpoint.ts";
import { ChromiumLink } from "./chromium-link.ts";
import { findChromium } from "./find-chromium.ts";
import { ChromiumProcess } from "./launch-chromium.ts";
import { silent, type BrowserLogger } from "./logger.ts";

/** A browser that does not even say its version for this long is not to be had. */
const ANSWER_MS = 3_000;

export interface ChromiumProviderOptions {
  /** Path of the executable. Default: search the usual names. */
  readonly executablePath?: string;
  /** Environment of launched browsers, whose `PATH` is searched. Default: this process's, with no PATH search. */
  readonly env?: NodeJS.ProcessEnv;
  /** What pages of launched browsers may reach, whatever leads there. Default: anything. */
  readonly navigation?: TargetPolicy;
  readonly logger?: BrowserLogger;
}

/** Real browsers: any Chromium that is reached over CDP, and such that are launched here. */
export function chromiumProvider(options: ChromiumProviderOptions = {}): BrowserProvider {
  const { env, navigation, logger = silent } = options;
  return {
    attach: (attach) => new ChromiumLink({ ...attach, logger }),
    answers: (endpoint, signal) =>
      answersAt(endpoint, AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)])),
    async launch(launch) {
      const wanted = launch.executablePath ?? options.executablePath;
      const executablePath = await findChromium({
        ...(wanted !== undefined && { executablePath: wanted }),
        ...(env?.["PATH"] !== undefined && { searchPath: env["PATH"] }),
      });
      return new ChromiumProcess({
        ...launch,
        executablePath,
        logger,
        ...(env && { env }),
        ...(navigation && { navigation }),
      });
    },
  };
}
