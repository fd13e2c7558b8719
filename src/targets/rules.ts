/** The text of an allow-list, read once. */
import { isIP } from "node:net";
import {
  inRange,
  isMetadataRange,
  kindOf,
  parseAddress,
  parseRange,
  rangeOf,
  type IpAddress,
  type IpRange,
} from "./addresses.ts";

export const KEYWORDS = ["public", "private", "loopback"] as const;
type Keyword = (typeof KEYWORDS)[number];

type Target =
  | { readonly kind: "all" }
  | { readonly kind: "keyword"; readonly keyword: Keyword }
  | { readonly kind: "range"; readonly range: IpRange }
  /** `subdomains`: those below the name, and not the name itself. */
  | { readonly kind: "host"; readonly name: string; readonly subdomains: boolean };

export interface Rule {
  readonly target: Target;
  /** Default: every port. */
  readonly port?: number;
}

/** A rule that cannot be read. The message names it, and says what a rule is. */
export class TargetRuleError extends Error {
  readonly rule: string;
  constructor(rule: string, problem: string) {
    super(`"${rule}" ${problem}; ${GRAMMAR}`);
    this.name = "TargetRuleError";
    this.rule = rule;
  }
}

const GRAMMAR =
  "give a list, separated by commas, of * (anything), public, private, loopback, addresses (10.0.0.7, ::1), " +
  "ranges (10.0.0.0/8, fd00::/8), host names (browsers.internal, *.svc.cluster.local), each optionally with a port " +
  "(public:443, [fd00::/8]:9222), or none alone";

/** @throws TargetRuleError */
export function parseRules(text: string): readonly Rule[] {
  const items = text.split(",").map((item) => item.trim());
  if (items.length === 1 && items[0] === "none") return [];
  return items.map(parseRule);
}

function parseRule(item: string): Rule {
  const [, bracketed, plain, digits] = /^(?:\[([^[\]]*)\]|([^[\]]*?))(?::(\d{1,5}))?$/.exec(item) ?? [];
  // Without brackets, what follows the colon of an IPv6 address is a part of it.
  const whole = plain !== undefined && (isIP(item) === 6 || /^[^/]*:[^/]*:[^/]*\/\d+$/.test(item));
  const body = whole ? item : (bracketed ?? plain);
  if (body === undefined || body === "") throw new TargetRuleError(item, "is no rule");
  const port = whole || digits === undefined ? undefined : Number(digits);
  if (port !== undefined && (port < 1 || port > 65_535))
    throw new TargetRuleError(item, "has a port that is not one from 1 to 65535");
  const target = parseTarget(item, body);
  if (bracketed !== undefined && (target.kind !== "range" || !body.includes(":")))
    throw new TargetRuleError(item, "has brackets around what is no IPv6 address or range");
  return { target, ...(port !== undefined && { port }) };
}

function parseTarget(item: string, body: string): Target {
  if (body === "*") return { kind: "all" };
  const keyword = KEYWORDS.find((each) => each === body.toLowerCase());
  if (keyword) return { kind: "keyword", keyword };
  if (body === "none") throw new TargetRuleError(item, "stands alone or not at all");
  if (body.includes("/")) {
    const range = parseRange(body);
    if (!range) throw new TargetRuleError(item, "is no range, or has bits behind its prefix");
    return { kind: "range", range };
  }
  const address = parseAddress(body);
  if (address)
    return {
      kind: "range",
      range: parseRange(`${body}/${address.family === 4 ? 32 : 128}`) ?? rangeOf(address),
    };
  const subdomains = body.startsWith("*.");
  const name = hostName(subdomains ? body.slice(2) : body);
  if (name === undefined) throw new TargetRuleError(item, "is no host name, address or range");
  return { kind: "host", name, subdomains };
}

/** As URLs have it: lower case, IDN as `xn--`; here without a dot at the end. */
function hostName(text: string): string | undefined {
  // What would be another part of a URL is none of the name.
  if (/[\s/@?#\\:%]/.test(text) || !URL.canParse(`http://${text}/`)) return undefined;
  const name = withoutDot(new URL(`http://${text}/`).hostname);
  // Numbers that a URL takes for an address (`0x7f.1`) are not what was written.
  const isName = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/.test(name) && isIP(name) === 0;
  return isName && name.length <= 253 ? name : undefined;
}

export function withoutDot(host: string): string {
  return host.endsWith(".") ? host.slice(0, -1) : host;
}

/** @param port undefined: only rules for every port count */
export function forPort(rules: readonly Rule[], port: number | undefined): readonly Rule[] {
  return rules.filter((rule) => rule.port === undefined || rule.port === port);
}

export function allowsHost(rules: readonly Rule[], host: string): boolean {
  const name = withoutDot(host);
  return rules.some(
    ({ target }) =>
      target.kind === "host" &&
      (target.subdomains ? name.endsWith(`.${target.name}`) && name !== target.name : name === target.name),
  );
}

/** @param named the address is that of a host name that a rule allows */
export function allowsAddress(rules: readonly Rule[], address: IpAddress, named: boolean): boolean {
  const kind = kindOf(address);
  if (named && kind !== "metadata") return true;
  return rules.some(({ target }) => {
    if (target.kind === "all") return true;
    if (target.kind === "keyword") return target.keyword === kind;
    if (target.kind !== "range" || !inRange(target.range, address)) return false;
    // Nobody who opens a private network, or the world, thinks of these.
    return kind !== "metadata" || isMetadataRange(target.range);
  });
}
