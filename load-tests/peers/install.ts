/** Installs what the benchmark compares with, where it is not there: packages of npm into this folder, of Debian into the system. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** What the scripts that run before anything is installed have, which is not TypeScript. */
interface Installer {
  readonly aptGet: () => string[] | undefined;
  readonly installPackage: (apt: string[], name: string, variables: Record<string, string>) => boolean;
  readonly isExecutable: (path: string) => boolean;
  readonly onPath: (name: string, env: NodeJS.ProcessEnv) => string[];
}

const FOLDER = fileURLToPath(new URL(".", import.meta.url));
const INSTALLER = new URL("../../scripts/install-package.mjs", import.meta.url).href;
/** npm writes down what it has installed. */
const INSTALLED = `${FOLDER}node_modules/.package-lock.json`;

/** @throws Error with what to do */
export function needNpmPeers(): void {
  if (existsSync(INSTALLED) && sameVersions()) return;
  process.stderr.write("Installing the npm packages that the benchmark compares with.\n");
  const args = ["ci", "--no-audit", "--no-fund", "--loglevel=error"];
  const { status } = spawnSync("npm", args, {
    cwd: FOLDER,
    stdio: ["ignore", process.stderr, process.stderr],
  });
  if (status !== 0) throw new Error("npm ci in load-tests/peers failed (see above); run it by hand");
}

function sameVersions(): boolean {
  const versions = (file: string): Record<string, string | undefined> => {
    const { packages } = JSON.parse(readFileSync(file, "utf8")) as Lock;
    return Object.fromEntries(Object.entries(packages).map(([name, { version }]) => [name, version]));
  };
  const { "": _self, ...wanted } = versions(`${FOLDER}package-lock.json`);
  const there = versions(INSTALLED);
  return Object.entries(wanted).every(([name, version]) => there[name] === version);
}

interface Lock {
  readonly packages: Readonly<Record<string, { readonly version?: string }>>;
}

/**
 * Path of a program, which these packages of Debian's bring where it is missing.
 * @param file another file that they bring and that must be there too
 * @throws Error with what to do
 */
export async function needProgram(
  program: string,
  packages: readonly string[],
  file?: string,
): Promise<string> {
  const { aptGet, installPackage, isExecutable, onPath } = (await import(INSTALLER)) as Installer;
  const advice = `install ${packages.join(" and ")} (Debian: apt-get install ${packages.join(" ")})`;
  // Servers' programs are where only root's PATH leads.
  const env = { ...process.env, PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin` };
  const find = (): string | undefined =>
    file === undefined || existsSync(file) ? onPath(program, env).find(isExecutable) : undefined;
  const there = find();
  if (there !== undefined) return there;
  const apt = aptGet();
  if (!apt) throw new Error(`${program} was not found; ${advice}`);
  process.stderr.write(`Installing Debian's ${packages.join(", ")} to compare with.\n`);
  // In this run level the packages do not start services.
  for (const name of packages) installPackage(apt, name, { RUNLEVEL: "1" });
  const found = find();
  if (found === undefined) throw new Error(`installing ${program} failed; ${advice}`);
  return found;
}
