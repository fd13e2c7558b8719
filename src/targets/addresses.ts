/** IP addresses as numbers, and what the registries of special addresses say of them. */
import { isIP } from "node:net";

export interface IpAddress {
  readonly family: 4 | 6;
  readonly value: bigint;
}

/** All addresses that share their first `prefix` bits with `value`. */
export interface IpRange extends IpAddress {
  readonly prefix: number;
}

/**
 * `public`: reachable from everywhere. `private`: of one's own network. `metadata`: link-local, and where clouds tell
 * a machine its credentials. `other`: all the rest, such as multicast, documentation, 0.0.0.0.
 */
export type AddressKind = "public" | "private" | "loopback" | "metadata" | "other";

/** @returns undefined for what is no address, one with a zone (`fe80::1%eth0`) included */
export function parseAddress(text: string): IpAddress | undefined {
  const family = isIP(text);
  if (family === 4) return { family: 4, value: join(text.split(".").map(BigInt), 8n) };
  if (family !== 6 || text.includes("%")) return undefined;
  // The URL parser writes every spelling the same way, a dotted end as two groups.
  const [head = "", tail] = new URL(`http://[${text}]`).hostname.slice(1, -1).split("::");
  const groups = (part: string): bigint[] =>
    part === "" ? [] : part.split(":").map((hex) => BigInt(`0x${hex}`));
  const [first, last] = [groups(head), groups(tail ?? "")];
  const zeros = Array.from({ length: 8 - first.length - last.length }, () => 0n);
  return { family: 6, value: join([...first, ...zeros, ...last], 16n) };
}

/** `10.0.0.0/8`, `fd00::/8`. @returns undefined for what is none, one with bits behind its prefix included */
export function parseRange(text: string): IpRange | undefined {
  const [, start = "", digits] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? [];
  const address = parseAddress(start);
  const prefix = Number(digits);
  if (!address || prefix > bits(address)) return undefined;
  const range = { ...address, prefix };
  const behind = BigInt(bits(address) - prefix);
  if ((address.value >> behind) << behind !== address.value) return undefined;
  return inRange(MAPPED, range) && prefix >= MAPPED.prefix
    ? { family: 4, value: range.value & 0xffff_ffffn, prefix: prefix - MAPPED.prefix }
    : range;
}

export function rangeOf(address: IpAddress): IpRange {
  return { ...address, prefix: bits(address) };
}

export function inRange(range: IpRange, address: IpAddress): boolean {
  if (range.family !== address.family) return false;
  const behind = BigInt(bits(range) - range.prefix);
  return range.value >> behind === address.value >> behind;
}

/** Whether all of `inner` lies in ranges that count as `metadata`. */
export function isMetadataRange(inner: IpRange): boolean {
  return METADATA.some((range) => range.prefix <= inner.prefix && inRange(range, inner));
}

/**
 * The addresses that packets to this one may reach, all of which must be allowed: an IPv4 address that is written as
 * IPv6 counts as what it is, and one that a tunnel takes out of an IPv6 address counts beside it.
 */
export function reachedBy(address: IpAddress): readonly IpAddress[] {
  if (address.family === 4) return [address];
  const { value } = address;
  const last: IpAddress = { family: 4, value: value & 0xffff_ffffn };
  if (inRange(MAPPED, address) || inRange(NAT64, address)) return [last];
  if (inRange(SIX_TO_FOUR, address)) return [address, { family: 4, value: (value >> 80n) & 0xffff_ffffn }];
  // ::1 and :: are of this range and no such addresses.
  if (inRange(COMPATIBLE, address) && value > 1n) return [address, last];
  return [address];
}

export function kindOf(address: IpAddress): AddressKind {
  if (isIn(METADATA, address)) return "metadata";
  if (isIn(LOOPBACK, address)) return "loopback";
  if (isIn(PRIVATE, address)) return "private";
  return isIn(GLOBAL, address) && !isIn(SPECIAL, address) ? "public" : "other";
}

function isIn(ranges: readonly IpRange[], address: IpAddress): boolean {
  return ranges.some((range) => inRange(range, address));
}

function bits({ family }: IpAddress): number {
  return family === 4 ? 32 : 128;
}

function join(parts: readonly bigint[], width: bigint): bigint {
  return parts.reduce((value, part) => (value << width) | part, 0n);
}

function ranges(text: string): readonly IpRange[] {
  return text.split(/\s+/).map(range);
}

/** Not by `parseRange`, which takes mapped ones for what they map. */
function range(text: string): IpRange {
  const [start = "", prefix] = text.split("/");
  const address = parseAddress(start);
  if (!address) throw new Error(`${text} is no range`);
  return { ...address, prefix: Number(prefix) };
}

const MAPPED = range("::ffff:0:0/96");
const NAT64 = range("64:ff9b::/96");
const SIX_TO_FOUR = range("2002::/16");
const COMPATIBLE = range("::/96");

const LOOPBACK = ranges("127.0.0.0/8 ::1/128");
const PRIVATE = ranges("10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 fc00::/7");
/**
 * Link-local, where most clouds have it; then by cloud: Alibaba, Azure, Oracle, AWS (with its containers' credentials),
 * Google, Oracle and Scaleway over IPv6. Some lie in ranges that are private, or public, otherwise.
 */
const METADATA = ranges(`169.254.0.0/16 fe80::/10
  100.100.100.200/32 168.63.129.16/32 192.0.0.192/32
  fd00:ec2::/32 fd20:ce::254/128 fd00:c1::a9fe:a9fe/128 fd00:42::42/128`);
const GLOBAL = ranges("0.0.0.0/0 2000::/3");
/** IANA's registries of special-purpose addresses, as far as they are not globally reachable, and multicast. */
const SPECIAL = ranges(`0.0.0.0/8 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 198.18.0.0/15 198.51.100.0/24
  203.0.113.0/24 224.0.0.0/4 240.0.0.0/4
  2001::/23 2001:db8::/32 2002::/16 3fff::/20`);
