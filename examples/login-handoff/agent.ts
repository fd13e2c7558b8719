/**
 * A small agent, as a user of the SDK would write it. It signs in to the example bank, gets stuck at the one-time code,
 * asks for a person, waits, and goes on from the page the person left.
 *
 * A real agent would look at the page with a model; this one knows where things are.
 */
import type { SandboxHandle, SandboxUpdate } from "../../src/sdk/api.ts";

/** Where things are on the example site's pages in a window of 1280 by 800. */
const USERNAME = { x: 934, y: 365 };
const PASSWORD = { x: 934, y: 461 };
const MIDDLE = { x: 640, y: 500 };

export interface AgentOptions {
  /** Address of the example bank. */
  readonly siteUrl: string;
  readonly signal: AbortSignal;
  /** Gets a line for each thing the agent does. */
  readonly say: (line: string) => void;
}

/**
 * Runs the story once. Resolves with what became of the handoff.
 * @throws the signal's reason when aborted; BatonError of the SDK
 */
export async function runAgent(
  sandbox: SandboxHandle,
  { siteUrl, signal, say }: AgentOptions,
): Promise<string> {
  sandbox.onResume(async ({ prompt, handoff }) => {
    say(`resumed with: ${prompt}`);
    if (handoff.note !== undefined) say(`the person wrote: ${handoff.note}`);
    await sandbox.waitForControl({ signal });
    // From here on it is the agent again, on the page the person left.
    await sandbox.input.wheel(MIDDLE.x, MIDDLE.y, 0, 400);
    return `I am on ${pathOf(sandbox.current)} and go on from there.`;
  });
  await sandbox.waitForControl({ signal });
  say("signing in as ada");
  await sandbox.input.navigate(`${siteUrl}/logout`);
  await arriveAt(sandbox, "/", signal);
  await sandbox.input.click(USERNAME.x, USERNAME.y);
  await sandbox.input.type("ada");
  await sandbox.input.click(PASSWORD.x, PASSWORD.y);
  await sandbox.input.type("lovelace");
  await sandbox.input.press("Enter");
  await arriveAt(sandbox, "/mfa", signal);

  say("stuck at the one-time code: asking for a person");
  const { handoff } = await sandbox.requestHumanHandoff({
    reason: "mfa",
    message:
      "The bank wants the code from your phone. Please enter it and finish signing in; I will take it from there.",
    resumePrompt: "You are signed in. Read the account page and prepare the transfer.",
    signal,
  });
  const ended = await sandbox.waitForHandoff({ ...(handoff && { requestId: handoff.requestId }), signal });
  say(`the handoff is ${ended.status}`);
  return ended.status;
}

/** Waits until the shown tab is at `path`. */
async function arriveAt(sandbox: SandboxHandle, path: string, signal: AbortSignal): Promise<void> {
  for await (const update of sandbox.watch({ signal })) {
    if (pathOf(update) === path && update.tabs.some(({ active, loading }) => active && loading !== true))
      return;
  }
}

function pathOf(update: SandboxUpdate | undefined): string {
  const url = update?.tabs.find(({ active }) => active)?.url;
  return url !== undefined && URL.canParse(url) ? new URL(url).pathname : "nowhere";
}
