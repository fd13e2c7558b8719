/** The README's code, as a user would copy it: compiled as it stands, and the three calls run and checked field by field. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { HandoffResult } from "../../protocol/sandbox.ts";
import { startGateway, until } from "../support/gateway.ts";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));
const ADDRESS = "http://127.0.0.1:7070";

async function snippets(): Promise<string[]> {
  const readme = await readFile(join(root, "README.md"), "utf8");
  return [...readme.matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code ?? "");
}

/** A folder inside the package, so that `baton/sdk` is found the way a dependent's code finds it. */
async function folder(): Promise<string> {
  const dir = await mkdtemp(join(root, "test", ".readme-"));
  onTestFinished(() => rm(dir, { recursive: true }));
  return dir;
}

beforeAll(() => {
  if (!existsSync(join(root, "dist/src/sdk/node.js")))
    throw new Error("dist/ is missing: run `npm run build` first");
});

describe("README", () => {
  it("its code compiles as it stands", { timeout: 60_000 }, async () => {
    const dir = await folder();
    const codes = await snippets();
    expect(codes.length).toBeGreaterThanOrEqual(2);
    await Promise.all(codes.map((code, index) => writeFile(join(dir, `snippet-${index}.ts`), code)));
    const config = { extends: "../../tsconfig.json", include: ["*.ts"] };
    await writeFile(join(dir, "tsconfig.json"), JSON.stringify(config));
    const { stdout } = await run(join(root, "node_modules/.bin/tsc"), ["-p", dir]).catch(
      (error: { stdout: string }) => error,
    );
    expect(stdout).toBe("");
  });

  it("its three calls answer what they say, before, during and after", { timeout: 30_000 }, async () => {
    const { url, create, client } = await startGateway();
    await create("checkout");
    const agent = client({ role: "agent", name: "bot" }).sandbox("checkout");
    agent.onResume(({ prompt }) => `heard: ${prompt}`);
    await until(agent, ({ sandbox }) => sandbox.browser?.status === "live");

    const [code = ""] = await snippets();
    expect(code).toContain(ADDRESS);
    const dir = await folder();
    const calls = code.match(/^await sandbox\..*;$/gm) ?? [];
    expect(calls).toHaveLength(3);
    const instrumented = calls.reduce(
      (text, call) =>
        text.replace(
          call,
          `results.push(await sandbox.getHandoff());\nresults.push(${call.replace(/;$/, "")});`,
        ),
      code.replace(ADDRESS, url),
    );
    await writeFile(
      join(dir, "snippet.mjs"),
      `const results = [];\n${instrumented}\nresults.push(await sandbox.getHandoff());\nconsole.log(JSON.stringify(results));\nprocess.exit(0);\n`,
    );
    const { stdout } = await run(process.execPath, [join(dir, "snippet.mjs")]);
    const results = HandoffResult.array().parse(JSON.parse(stdout));
    const [before, requested, pending, accepted, during, completed, after] = results;

    const time = expect.any(Number) as number;
    const previewUrl = `${url}/s/checkout`;
    expect(before).toEqual({
      ok: true,
      handoff: null,
      preview: { status: "live", controlMode: "ai", updatedAt: time },
      pairedBrowser: { previewUrl, controlMode: "ai", updatedAt: time },
    });
    const handoff = {
      requestId: expect.any(String) as string,
      status: "pending",
      reason: "approval",
      message: "Please approve the payment",
      requestedBy: "sdk",
      resumePrompt: "The payment is approved. Go on.",
      requestedAt: time,
      expiresAt: time,
      updatedAt: time,
    };
    expect(requested).toEqual({
      ok: true,
      handoff,
      preview: { status: "live", controlMode: "shared", updatedAt: time },
      pairedBrowser: {
        previewUrl,
        controlMode: "shared",
        handoffRequestedAt: requested?.handoff?.requestedAt,
        updatedAt: time,
      },
    });
    expect(pending).toEqual(requested);
    const held = { controlMode: "shared", controller: "dashboard-user", updatedAt: time };
    expect(accepted).toEqual({
      ok: true,
      handoff: { ...handoff, status: "accepted", controller: "dashboard-user", acceptedAt: time },
      preview: { status: "live", ...held },
      pairedBrowser: { previewUrl, handoffRequestedAt: requested?.handoff?.requestedAt, ...held },
    });
    expect(during).toEqual(accepted);
    expect(completed).toEqual({
      ok: true,
      handoff: {
        ...handoff,
        status: "completed",
        controller: "dashboard-user",
        acceptedAt: time,
        completedAt: time,
      },
      preview: { status: "live", controlMode: "ai", updatedAt: time },
      pairedBrowser: {
        previewUrl,
        controlMode: "ai",
        handoffRequestedAt: requested?.handoff?.requestedAt,
        updatedAt: time,
      },
      resume: {
        ok: true,
        sessionId: expect.any(String) as string,
        response: "heard: The payment is approved. Go on.",
      },
    });
    const { resume: _, ...rest } = completed as HandoffResult;
    expect(after).toEqual(rest);
  });
});
