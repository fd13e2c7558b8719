/** What can be seen of a running gateway from outside: its ports, its family, its pages' headers. */
import { readdir, readFile, readlink } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import { type AddressInfo } from "node:net";
import { join } from "node:path";
import { once } from "node:events";
import { expect, onTestFinished } from "vitest";
import type { Baton } from "./baton-process.ts";

export async function portOf(baton: Baton): Promise<string> {
  // It says where people open it, which is not where it listens.
  await baton.url();
  return listeningPort(baton.child.pid ?? 0);
}

/** The TCP port that a process listens on. */
export async function listeningPort(pid: number): Promise<string> {
  const sockets = new Set<string>();
  for (const fd of await readdir(`/proc/${pid}/fd`)) {
    const inode = /^socket:\[(\d+)\]$/.exec(await readlink(`/proc/${pid}/fd/${fd}`).catch(() => ""))?.[1];
    if (inode !== undefined) sockets.add(inode);
  }
  const lines = (await readFile(`/proc/${pid}/net/tcp`, "utf8"))
    .split("\n")
    .map((line) => line.trim().split(/\s+/));
  const listening = lines.find(([, , , state, , , , , , inode = ""]) => state === "0A" && sockets.has(inode));
  return String(Number.parseInt(listening?.[1]?.split(":")[1] ?? "0", 16));
}

export function policyOf(response: Response): Map<string, string[]> {
  const text = response.headers.get("content-security-policy") ?? "";
  return new Map(
    text.split(";").map((directive) => {
      const [name = "", ...sources] = directive.trim().split(" ");
      return [name, sources];
    }),
  );
}

/** A site that shows another page in a frame. */
export async function embedder(): Promise<{ origin: string; page: (address: string) => string }> {
  const answer: RequestListener = (request, response) => {
    const address = new URL(request.url ?? "/", "http://site").searchParams.get("frame") ?? "";
    response.setHeader("content-type", "text/html");
    response.end(
      `<!doctype html><iframe width=1000 height=700 src="${address.replaceAll("&", "&amp;")}"></iframe>`,
    );
  };
  const server = createServer(answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { origin, page: (address) => `${origin}/?frame=${encodeURIComponent(address)}` };
}

/** A process and all that it started. */
export async function familyOf(pid: number): Promise<number[]> {
  const parents = new Map<number, number>();
  for (const name of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const stat = await readFile(`/proc/${name}/stat`, "utf8").catch(() => "");
    const parent = /^\d+ \(.*\) \S (\d+)/s.exec(stat)?.[1];
    if (parent !== undefined) parents.set(Number(name), Number(parent));
  }
  const family = [pid];
  for (const member of family)
    for (const [child, parent] of parents) if (parent === member) family.push(child);
  return family;
}

/** Where the launched browser listens, as it says itself in its profile. */
export async function endpointOf(dataDir: string): Promise<{ port: string; path: string }> {
  const browsers = join(dataDir, "browsers");
  const [profile = ""] = (await readdir(browsers)).filter((name) => name.startsWith("demo."));
  const [port = "", path = ""] = (
    await readFile(join(browsers, profile, "DevToolsActivePort"), "utf8")
  ).split("\n");
  expect(path).toMatch(/^\/devtools\/browser\/[\w-]{20,}$/);
  return { port, path };
}
