/** A secret that lies in a file, as containers are given them: an environment can be read by who sees the process. */
import { ConfigError } from "./config.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The environment with `BATON_SECRET` from the file that `BATON_SECRET_FILE` names, if it names one. A line each, or
 * commas between them, when there are several.
 * @param read throws when there is no such file
 * @throws ConfigError
 */
export function withSecretFile(env: Environment, read: (path: string) => string): Environment {
  const { BATON_SECRET_FILE: path, ...others } = env;
  if (path === undefined || path === "") return others;
  if (others["BATON_SECRET"] !== undefined && others["BATON_SECRET"] !== "")
    throw new ConfigError(["BATON_SECRET and BATON_SECRET_FILE are both set. Unset one of them."]);
  let text: string;
  try {
    text = read(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ConfigError([
      `BATON_SECRET_FILE=${path} cannot be read (${code ?? "unknown"}). Name a file that this user may read, or unset it.`,
    ]);
  }
  const secrets = text.split("\n").filter((line) => line.trim() !== "");
  if (secrets.length === 0)
    throw new ConfigError([`BATON_SECRET_FILE=${path} is empty. Put a secret into it, or unset it.`]);
  return { ...others, BATON_SECRET: secrets.join(",") };
}
