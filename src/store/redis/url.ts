/** Which Redis to use, from one URL. */
import { isIP } from "node:net";

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface Credentials {
  readonly username?: string;
  readonly password?: string;
}

/** Where the data is and how to get there. */
export interface RedisPlace {
  readonly kind: "standalone" | "sentinel" | "cluster";
  /** The server, the Sentinels, or the cluster nodes to ask first. Never empty. */
  readonly addresses: readonly [Address, ...Address[]];
  /** What the Sentinels call the master; empty for the other kinds. */
  readonly masterName: string;
  readonly tls: boolean;
  readonly db: number;
  /** Of the servers that hold data. */
  readonly credentials: Credentials;
  readonly sentinelCredentials: Credentials;
  /** In front of every key and channel. */
  readonly prefix: string;
}

const FORMS =
  "Use redis://[user:password@]host[:port][/db], redis+sentinel://[user:password@]host:port,host:port/masterName[/db] " +
  "or redis+cluster://[user:password@]host:port,host:port; rediss in place of redis for TLS; ?prefix= for the keys.";

const SHAPE = /^(rediss?)(?:\+(sentinel|cluster))?:\/\/(?:([^@/]*)@)?([^/?#]+)(?:\/([^?#]*))?(?:\?([^#]*))?$/;
const PARAMETERS = new Set(["prefix", "sentinelUsername", "sentinelPassword"]);

/** @throws TypeError what is wrong and which forms there are; never quotes the URL, which may hold a password */
export function parseRedisUrl(url: string): RedisPlace {
  const parts = SHAPE.exec(url.trim());
  if (!parts) throw wrong("it has none of the known forms");
  const [, scheme, variant, userInfo, hosts = "", path = "", query = ""] = parts;
  const kind = (variant ?? "standalone") as RedisPlace["kind"];
  const parameters = new URLSearchParams(query);
  for (const name of parameters.keys())
    if (!PARAMETERS.has(name)) throw wrong(`there is no parameter ${name}`);
  const [first, ...others] = hosts
    .split(",")
    .map((host) => parseAddress(host, kind === "sentinel" ? 26_379 : 6_379));
  if (!first) throw wrong("it names no host");
  if (kind === "standalone" && others.length > 0)
    throw wrong("several hosts need redis+sentinel or redis+cluster");
  const segments = path.split("/").filter((segment) => segment !== "");
  const masterName = kind === "sentinel" ? decode(segments.shift() ?? "") : "";
  if (kind === "sentinel" && masterName === "") throw wrong("the name of the Sentinels' master is missing");
  const db = segments.shift() ?? "0";
  if (segments.length > 0 || !/^\d{1,5}$/.test(db))
    throw wrong("after the host comes a database's number or nothing");
  if (kind === "cluster" && db !== "0") throw wrong("a cluster has database 0 only");
  const prefix = parameters.get("prefix") ?? "baton";
  if (!/^[\w:.-]{1,64}$/.test(prefix)) throw wrong("the prefix must match [A-Za-z0-9_:.-]{1,64}");
  return {
    kind,
    addresses: [first, ...others],
    masterName,
    tls: scheme === "rediss",
    db: Number(db),
    credentials: parseUserInfo(userInfo),
    sentinelCredentials: credentials(parameters.get("sentinelUsername"), parameters.get("sentinelPassword")),
    prefix,
  };
}

/** `host:port`, with brackets around an IPv6 address. */
export function addressText({ host, port }: Address): string {
  return `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
}

/** The reverse of `addressText`; a missing port is `defaultPort`. */
export function parseAddress(text: string, defaultPort: number): Address {
  const parts = /^(?:\[([0-9A-Fa-f:.%]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text.trim());
  const host = parts?.[1] ?? parts?.[2];
  const port = Number(parts?.[3] ?? defaultPort);
  if (host === undefined || port < 1 || port > 65_535) throw wrong("a host is written host or host:port");
  return { host, port };
}

function parseUserInfo(userInfo: string | undefined): Credentials {
  if (userInfo === undefined) return {};
  const colon = userInfo.indexOf(":");
  if (colon < 0) return credentials(decode(userInfo), null);
  return credentials(decode(userInfo.slice(0, colon)), decode(userInfo.slice(colon + 1)));
}

function credentials(username: string | null, password: string | null): Credentials {
  return { ...(username && { username }), ...(password && { password }) };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw wrong("a % in it must be written %25");
  }
}

function wrong(what: string): TypeError {
  return new TypeError(`The Redis URL is wrong: ${what}. ${FORMS}`);
}
