#!/usr/bin/env node
/** The `baton` command: environment and signals in, a running gateway out. The only file that touches `process`. */
import { createReadStream, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { nanoid } from "nanoid";
import { Keys, type KeyOptions } from "./auth/keys.ts";
import { VERIFY_USAGE, verifyCommand } from "./audit/verify-command.ts";
import { TOKEN_USAGE, tokenCommand } from "./commands/token.ts";
import { readConfig } from "./config.ts";
import type { DemoTokens } from "../examples/login-handoff/demo.ts";
import { explain } from "./explain.ts";
import { createLogger } from "./ops/log.ts";
import { withSecretFile } from "./secret-file.ts";
import { serve } from "./workers/serve.ts";
import { isWorker, runWorker } from "./workers/worker.ts";

const USAGE = `baton: lets a person take over an agent's browser and hand it back

usage: baton [--demo]
  --demo   start with one sandbox on a small local site, and an agent that gets stuck there

       baton token …        make a token; baton token --help
       baton audit verify … check an export of the audit log; baton audit --help

Settings are environment variables that start with BATON_; the README lists them.
`;

/** Longest a shutdown may take before the process ends all the same. */
const SHUTDOWN_MS = 10_000;

async function main(): Promise<void> {
  const [command, ...rest] = process.argv.slice(2);
  if (isWorker(process.argv.slice(2))) return work();
  if (command === "token") {
    if (rest.includes("--help")) return void process.stdout.write(TOKEN_USAGE);
    process.stdout.write(`${await tokenCommand(rest, readConfig(environment()).auth)}\n`);
    return;
  }
  if (command === "audit") {
    const [action, ...args] = rest;
    if (action !== "verify" || args.includes("--help")) {
      process.stdout.write(`${VERIFY_USAGE}\n`);
      process.exitCode = rest.includes("--help") ? 0 : 2;
      return;
    }
    process.exitCode = await verifyCommand(args, {
      open: (path) => createReadStream(path, "utf8"),
      out: (line) => void process.stdout.write(`${line}\n`),
    });
    return;
  }
  await start();
}

function environment(): ReturnType<typeof withSecretFile> {
  return withSecretFile(process.env, (path) => readFileSync(path, "utf8"));
}

async function start(): Promise<void> {
  const args = parseArgs({ options: { demo: { type: "boolean" }, help: { type: "boolean", short: "h" } } });
  if (args.values.help) {
    process.stdout.write(USAGE);
    return;
  }
  const settings = { ...environment(), ...(args.values.demo === true && { BATON_DEMO: "1" }) };
  const config = readConfig(settings);
  const log = createLogger({ level: config.logLevel, pretty: process.stdout.isTTY });
  const { url, close } = await serve(config, { log, settings, browserEnv: browserEnv() });
  if (!config.auth) {
    log.warn(
      "BATON_SECRET is not set: no tokens are asked for, everybody on this machine is who they say, and only this machine may connect",
    );
  }
  log.info(`dashboard: ${url}`);
  let stopDemo = async (): Promise<void> => {};

  let stopping = false;
  const stop = (signal: NodeJS.Signals): void => {
    if (stopping) return;
    stopping = true;
    log.info(`${signal}: telling clients to come back, then stopping`);
    setTimeout(() => process.exit(1), SHUTDOWN_MS).unref();
    stopDemo()
      .then(close)
      .then(
        () => process.exit(0),
        (error: unknown) => {
          log.error({ err: error }, "stopping failed");
          process.exit(1);
        },
      );
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);

  if (config.demo) {
    const { startDemo } = await import("../examples/login-handoff/demo.ts");
    try {
      const demo = await startDemo(url, (line) => log.info(line), await demoTokens(config.auth));
      stopDemo = () => demo.close();
      log.info(`live sandbox: ${demo.viewerUrl}`);
    } catch (error) {
      // What the shutdown took from under the demo; to end here would leave a browser that is being started behind.
      if (!stopping) throw error;
    }
  }
}

/** One of several processes of a gateway. Its primary has the signals: a terminal sends them to all. */
function work(): void {
  process.on("SIGINT", () => {});
  process.on("SIGTERM", () => {});
  runWorker({
    isTerminal: process.stdout.isTTY,
    browserEnv: browserEnv(),
    explain: said,
    exit: (code) => process.exit(code),
  });
}

/** A page that breaks out of its browser must not find the gateway's settings there. */
function browserEnv(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("BATON_")));
}

/** A year: the demo runs as long as its gateway. */
const DEMO_MS = 365 * 24 * 60 * 60_000;

async function demoTokens(auth: KeyOptions | undefined): Promise<DemoTokens | undefined> {
  if (!auth) return undefined;
  const keys = new Keys(auth);
  const sign = (sub: string, role: "agent" | "worker"): Promise<string> =>
    keys.sign({ sub, role, sandboxes: ["demo"], jti: nanoid() }, Date.now() + DEMO_MS);
  return { agent: await sign("demo-agent", "agent"), worker: await sign("demo", "worker") };
}

function said(error: unknown): string {
  return explain(error, process.env["BATON_PORT"] ?? "7070", USAGE);
}

main().catch((error: unknown) => {
  process.stderr.write(`${said(error)}\n`);
  process.exit(1);
});
