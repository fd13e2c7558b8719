#!/usr/bin/env node
/** The `baton` command: environment and signals in, a running gateway out. The only file that touches `process`. */
import { createReadStream, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { VERIFY_USAGE, verifyCommand } from "./audit/verify-command.ts";
import { TOKEN_USAGE, tokenCommand } from "./commands/token.ts";
import { ConfigError, readConfig } from "./config.ts";
import type { DemoTokens } from "../examples/login-handoff/demo.ts";
import { createGateway, type Gateway } from "./gateway.ts";
import { createLogger } from "./ops/log.ts";
import { withSecretFile } from "./secret-file.ts";
import { openStore } from "./stores.ts";

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
  await serve();
}

function environment(): ReturnType<typeof withSecretFile> {
  return withSecretFile(process.env, (path) => readFileSync(path, "utf8"));
}

async function serve(): Promise<void> {
  const args = parseArgs({ options: { demo: { type: "boolean" }, help: { type: "boolean", short: "h" } } });
  if (args.values.help) {
    process.stdout.write(USAGE);
    return;
  }
  const demoWanted = args.values.demo === true;
  const config = readConfig({ ...environment(), ...(demoWanted && { BATON_DEMO: "1" }) });
  const log = createLogger({ level: config.logLevel, pretty: process.stdout.isTTY });
  const store = await openStore(config, log);
  const gateway = createGateway({
    store,
    profileDir: join(config.dataDir, "browsers"),
    host: config.host,
    port: config.port,
    heartbeatMs: config.heartbeatMs,
    settings: { graceMs: config.graceMs, handoffTtlMs: config.handoffTtlMs },
    logger: log,
    ...(config.auth && { auth: config.auth }),
    allowedOrigins: config.allowedOrigins,
    frameAncestors: config.frameAncestors,
    cdpTargets: config.cdpTargets,
    navigationTargets: config.navigationTargets,
    ...(config.limits && { limits: config.limits }),
    ...(config.trustedProxies && { trustedProxies: config.trustedProxies }),
    ...(config.publicUrl !== undefined && { publicUrl: config.publicUrl }),
    ...(config.chromium !== undefined && { chromium: config.chromium }),
    // A page that breaks out of its browser must not find the gateway's settings there.
    browserEnv: Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !name.startsWith("BATON_")),
    ),
  });
  const url = await gateway.listen();
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
      .then(() => gateway.close())
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
      const demo = await startDemo(url, (line) => log.info(line), await demoTokens(gateway));
      stopDemo = () => demo.close();
      log.info(`live sandbox: ${demo.viewerUrl}`);
    } catch (error) {
      // What the shutdown took from under the demo; to end here would leave a browser that is being started behind.
      if (!stopping) throw error;
    }
  }
}

/** A year: the demo runs as long as its gateway. */
const DEMO_MS = 365 * 24 * 60 * 60_000;

async function demoTokens({ auth }: Gateway): Promise<DemoTokens | undefined> {
  if (!auth) return undefined;
  const sign = (subject: string, role: "agent" | "worker"): Promise<string> =>
    auth.sign({ subject, role, sandboxes: ["demo"], expiresAt: Date.now() + DEMO_MS });
  return { agent: await sign("demo-agent", "agent"), worker: await sign("demo", "worker") };
}

main().catch((error: unknown) => {
  process.stderr.write(`${explain(error)}\n`);
  process.exit(1);
});

/** One clear line per mistake; a stack only for what is ours to mend. */
function explain(error: unknown): string {
  if (error instanceof ConfigError) return error.lines.map((line) => `baton: ${line}`).join("\n");
  if (!(error instanceof Error)) return `baton: ${String(error)}`;
  const { code } = error as NodeJS.ErrnoException;
  const port = process.env["BATON_PORT"] ?? "7070";
  if (code === "EADDRINUSE")
    return `baton: port ${port} is in use. Set BATON_PORT to a free one, or stop what listens there.`;
  if (code === "EACCES")
    return `baton: port ${port} may not be opened by this user. Set BATON_PORT to one above 1023.`;
  if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND")
    return `baton: BATON_HOST is not an address of this machine. Set it to 127.0.0.1 or 0.0.0.0.`;
  if (code?.startsWith("ERR_PARSE_ARGS")) return `baton: ${error.message}\n${USAGE}`;
  if (["BrowserError", "BatonError", "StoreOpenError", "UsageError"].includes(error.name))
    return `baton: ${error.message}`;
  return `baton: ${error.stack ?? error.message}`;
}
