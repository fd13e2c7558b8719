/** Who a request comes from: its connection's other end, or whom a proxy that is trusted names. */
import { BlockList, isIP } from "node:net";

/** Of a longer header the end is read, which the proxies nearest to the gateway wrote. */
const MAX_FORWARDED_CHARS = 2_048;

/** Addresses and networks. */
export class AddressSet {
  readonly #list = new BlockList();

  /** @param address one that `normalAddress` knows */
  add(address: string, prefix?: number): void {
    const family = familyOf(address);
    if (prefix === undefined) this.#list.addAddress(address, family);
    else this.#list.addSubnet(address, prefix, family);
  }

  /** False for what is no address. */
  has(address: string): boolean {
    const normal = normalAddress(address);
    return normal !== undefined && this.#list.check(normal, familyOf(normal));
  }
}

/**
 * @param text addresses and networks (`10.0.0.0/8`, `::1`) with commas between them
 * @returns them, and a sentence for each that cannot be used
 */
export function parseTrusted(text: string): { trusted: AddressSet; mistakes: readonly string[] } {
  const trusted = new AddressSet();
  const mistakes: string[] = [];
  const entries = text.split(",").map((entry) => entry.trim());
  for (const entry of entries.filter((entry) => entry !== "")) {
    const [, written = "", digits] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(entry) ?? [];
    const address = isIP(written) === 0 ? undefined : normalAddress(written);
    const prefix = digits === undefined ? undefined : Number(digits);
    // `::ffff:10.0.0.0/104` would be a network of IPv4 in the words of IPv6.
    const mapped = address !== undefined && isIP(written) !== isIP(address);
    if (
      address === undefined ||
      (prefix !== undefined && (mapped || prefix > (isIP(address) === 4 ? 32 : 128)))
    ) {
      mistakes.push(`"${entry}" is no address and no network. Write them as 10.0.0.0/8 or ::1.`);
    } else if (prefix === 0) {
      mistakes.push(`"${entry}" is everybody, who could then claim to be anybody. Name the proxies.`);
    } else trusted.add(address, prefix);
  }
  return { trusted, mistakes };
}

/**
 * @param remote the connection's other end
 * @param headers lower-case names; only `x-forwarded-for` is read, and only if `remote` is trusted, so that a trusted
 *   proxy must set it or add to it
 * @returns the address nearest to the gateway that is no trusted proxy's; the one farthest away, if all are; `remote`,
 *   if there is something else than addresses on the way. Without a zone, a port, or IPv6's form of IPv4.
 */
export function clientAddress(
  remote: string,
  headers: Readonly<Record<string, string | undefined>>,
  trusted: AddressSet,
): string {
  const peer = normalAddress(remote) ?? remote;
  const forwarded = headers["x-forwarded-for"];
  if (forwarded === undefined || !trusted.has(peer)) return peer;
  const entries = forwarded.slice(-MAX_FORWARDED_CHARS).split(",");
  // What is left of the first one, perhaps half an address.
  if (forwarded.length > MAX_FORWARDED_CHARS) entries.shift();
  let nearest = peer;
  for (const entry of entries.toReversed()) {
    const address = normalAddress(withoutPort(entry.trim()));
    if (address === undefined) return peer;
    nearest = address;
    if (!trusted.has(address)) break;
  }
  return nearest;
}

/** What an address is counted as: IPv4 by itself, IPv6 by its /64, and what is no address by its text. */
export function addressKey(address: string): string {
  const normal = normalAddress(address) ?? address;
  if (isIP(normal) !== 6) return normal;
  return `${groupsOf(normal).slice(0, 4).join(":")}::/64`;
}

/** One spelling for each address; IPv4 in the form of IPv6 is IPv4. Undefined: it is none. */
export function normalAddress(text: string): string | undefined {
  const [address = ""] = text.split("%", 1);
  const family = isIP(address);
  if (family !== 6) return family === 4 ? address : undefined;
  const normal = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const groups = groupsOf(normal);
  const mapped = groups.slice(0, 5).every((group) => group === "0") && groups[5] === "ffff";
  if (!mapped) return normal;
  return groups
    .slice(6)
    .flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff])
    .join(".");
}

/** The eight of an IPv6 address in its normal spelling. */
function groupsOf(address: string): string[] {
  const [front = "", back] = address.split("::");
  const before = front === "" ? [] : front.split(":");
  if (back === undefined) return before;
  const after = back === "" ? [] : back.split(":");
  return [...before, ...Array<string>(8 - before.length - after.length).fill("0"), ...after];
}

/** Some proxies add it. */
function withoutPort(entry: string): string {
  return /^\[([^\]]*)\](?::\d{1,5})?$/.exec(entry)?.[1] ?? /^([\d.]+):\d{1,5}$/.exec(entry)?.[1] ?? entry;
}

function familyOf(address: string): "ipv4" | "ipv6" {
  return isIP(address) === 6 ? "ipv6" : "ipv4";
}
