/**
 * Which addresses the gateway, or a browser behind it, may be made to reach. An allow-list: what no rule allows is
 * refused. A host name is allowed by its name, wherever it leads, or by where it leads: then every address that it has
 * must be allowed. Link-local addresses and clouds' metadata services are allowed by a rule that names just them
 * (`169.254.169.254`, `169.254.0.0/16`) or by `*`, and by nothing else: no name, no keyword, no wider range.
 */
import { lookup as systemLookup } from "node:dns";
import { lookup as resolveName } from "node:dns/promises";
import type { LookupFunction } from "node:net";
import { BatonError } from "../../protocol/errors.ts";
import { parseAddress, reachedBy, type IpAddress } from "./addresses.ts";
import { allowsAddress, allowsHost, forPort, parseRules, withoutDot, type Rule } from "./rules.ts";

export interface ResolvedAddress {
  readonly address: string;
  readonly family: number;
}

/** Gives every address of a host name; rejects, or gives none, when there is no such. */
export type Resolve = (host: string) => Promise<readonly ResolvedAddress[]>;

/** A place that was found to be allowed. */
export interface Destination {
  /** Name or address; IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  /** Answers the addresses that were checked, whatever the name leads to by now. Give it to the connection. */
  readonly lookup: LookupFunction;
}

export interface TargetPolicy {
  /** Nothing is refused, and nothing need be asked. */
  readonly any: boolean;
  /** The setting that it comes from, for error messages. */
  readonly setting: string;
  /** Resolves when this `http(s)://` or `ws(s)://` address may be reached. @throws BatonError `target_refused`, `too_many` */
  check(url: string): Promise<void>;
  /**
   * The same, and says where to connect. A connection that is made otherwise may lead elsewhere than what was checked:
   * names change (DNS rebinding).
   */
  destination(url: string): Promise<Destination>;
  /**
   * Resolves a name once, and answers its addresses if all are allowed, at every port. Node asks no lookup about a host
   * that is an address: `check` the URL before.
   */
  readonly lookup: LookupFunction;
}

export interface TargetPolicyOptions {
  /** Default: the system's, as connections use it. */
  readonly resolve?: Resolve;
}

const DEFAULT_PORTS: Readonly<Record<string, number>> = {
  "http:": 80,
  "ws:": 80,
  "https:": 443,
  "wss:": 443,
};
/** A resolver that does not answer must not keep a command or a connection waiting for ever. */
const RESOLVE_MS = 5_000;
/** Names that are asked for at a time: a page can ask for as many as it likes. */
const MAX_LOOKUPS = 256;

/**
 * @param rules the allow-list; see `rules.ts` for what it may say
 * @param setting the name of the setting it comes from, for the error messages
 * @throws TargetRuleError naming the rule that cannot be read
 */
export function targetPolicy(
  rules: string,
  setting: string,
  options: TargetPolicyOptions = {},
): TargetPolicy {
  const parsed = parseRules(rules);
  const any = parsed.some(({ target, port }) => target.kind === "all" && port === undefined);
  if (any) return unrestricted(setting);
  const resolve = options.resolve ?? ((host) => resolveName(host, { all: true, verbatim: true }));
  let lookups = 0;

  const resolved = async (host: string): Promise<readonly ResolvedAddress[]> => {
    if (parseAddress(host)) return [{ address: host, family: host.includes(":") ? 6 : 4 }];
    // These never leave the machine, whatever a resolver says (RFC 6761).
    if (/(?:^|\.)localhost$/.test(withoutDot(host)))
      return [
        { address: "127.0.0.1", family: 4 },
        { address: "::1", family: 6 },
      ];
    if (lookups >= MAX_LOOKUPS)
      throw new BatonError("too_many", "Too many host names are being looked up. Try again in a moment.", {
        limit: "lookups",
      });
    lookups += 1;
    try {
      return await inTime(resolve(host));
    } catch {
      return [];
    } finally {
      lookups -= 1;
    }
  };

  const allowed = async (host: string, rules: readonly Rule[]): Promise<readonly ResolvedAddress[]> => {
    const named = allowsHost(rules, host);
    const addresses = rules.length === 0 ? [] : await resolved(host);
    const all = addresses.flatMap(({ address }): readonly (IpAddress | undefined)[] => {
      const parsed = parseAddress(address);
      return parsed ? reachedBy(parsed) : [undefined];
    });
    if (all.length > 0 && all.every((each) => each !== undefined && allowsAddress(rules, each, named)))
      return addresses;
    // The same for a name that does not exist: which names a network has is nobody's business.
    throw refused(
      setting,
      host,
      `${setting} does not allow to reach ${host.slice(0, 255)}, or there is no such host. Use another address, or have the setting changed.`,
    );
  };

  const destination = async (text: string): Promise<Destination> => {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    const usual = DEFAULT_PORTS[url?.protocol ?? ""];
    if (!url || usual === undefined || url.hostname === "")
      throw refused(
        setting,
        "",
        `${setting} allows http, https, ws and wss addresses only. Use one of those.`,
      );
    const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
    const port = url.port === "" ? usual : Number(url.port);
    return { host, port, lookup: pinned(await allowed(host, forPort(parsed, port))) };
  };

  return {
    any,
    setting,
    destination,
    check: async (url) => void (await destination(url)),
    lookup(host, options, callback) {
      const answer = async (): Promise<void> => {
        try {
          pinned(await allowed(host.toLowerCase(), forPort(parsed, undefined)))(host, options, callback);
        } catch (error) {
          callback(error as NodeJS.ErrnoException, "", 0);
        }
      };
      void answer();
    },
  };
}

function unrestricted(setting: string): TargetPolicy {
  return {
    any: true,
    setting,
    check: async () => {},
    async destination(text) {
      const url = new URL(text);
      const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
      return { host, port: Number(url.port || DEFAULT_PORTS[url.protocol]), lookup: systemLookup };
    },
    lookup: systemLookup,
  };
}

function pinned(addresses: readonly ResolvedAddress[]): LookupFunction {
  return (host, { all, family }, callback) => {
    const wanted = family === "IPv4" ? 4 : family === "IPv6" ? 6 : family;
    const fitting = addresses.filter((each) => !wanted || each.family === wanted);
    const [first] = fitting;
    // Never in the same tick: whoever asked may not listen yet.
    queueMicrotask(() => {
      if (!first) callback(new Error(`${host} has no address of this family`), "", 0);
      else if (all) callback(null, [...fitting]);
      else callback(null, first.address, first.family);
    });
  };
}

function refused(setting: string, host: string, message: string): BatonError {
  return new BatonError("target_refused", message, { setting, host: host.slice(0, 255) });
}

function inTime<T>(promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("the resolver does not answer")), RESOLVE_MS);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
