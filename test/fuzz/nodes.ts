/**
 * JSON as a tree that can also hold what JSON values cannot: keys twice, keys such as `__proto__`, numbers without an
 * end, and any other text in a value's place.
 */

/** Text that stands in the message as it is. */
export class Raw {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

export class Fields {
  readonly entries: [string, Node][];
  constructor(entries: [string, Node][]) {
    this.entries = entries;
  }
}

export type Node = null | boolean | number | string | Raw | Fields | Node[];

export function toNode(value: unknown): Node {
  if (value instanceof Raw || value instanceof Fields) return value;
  if (Array.isArray(value)) return value.map(toNode);
  if (typeof value === "object" && value !== null)
    return new Fields(Object.entries(value).map(([key, field]) => [key, toNode(field)]));
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? value : null;
}

export function write(node: Node): string {
  if (node instanceof Raw) return node.text;
  if (node instanceof Fields)
    return `{${node.entries.map(([key, value]) => `${JSON.stringify(key)}:${write(value)}`).join(",")}}`;
  if (Array.isArray(node)) return `[${node.map(write).join(",")}]`;
  return JSON.stringify(node);
}

/** Where a value stands, so that it can be replaced or removed. */
export class Place {
  readonly #holder: Fields | Node[];
  readonly #at: number;

  constructor(holder: Fields | Node[], at: number) {
    this.#holder = holder;
    this.#at = at;
  }

  get value(): Node {
    return (
      (Array.isArray(this.#holder) ? this.#holder[this.#at] : this.#holder.entries[this.#at]?.[1]) ?? null
    );
  }

  set(value: Node): void {
    if (Array.isArray(this.#holder)) this.#holder[this.#at] = value;
    else this.#holder.entries[this.#at] = [this.#key, value];
  }

  remove(): void {
    (Array.isArray(this.#holder) ? this.#holder : this.#holder.entries).splice(this.#at, 1);
  }

  /** Writes it a second time beside itself, with another value. */
  repeat(value: Node): void {
    if (Array.isArray(this.#holder)) this.#holder.push(value);
    else this.#holder.entries.push([this.#key, value]);
  }

  rename(name: (key: string) => string): void {
    if (!Array.isArray(this.#holder)) this.#holder.entries[this.#at] = [name(this.#key), this.value];
  }

  get #key(): string {
    return Array.isArray(this.#holder) ? "" : (this.#holder.entries[this.#at]?.[0] ?? "");
  }
}

/** Every value below `root`, outermost first; at most `limit`. */
export function placesIn(root: Node, limit = 200): Place[] {
  const places: Place[] = [];
  visit(root, places, limit);
  return places;
}

function visit(node: Node, places: Place[], limit: number): void {
  if (!(node instanceof Fields || Array.isArray(node))) return;
  const count = Array.isArray(node) ? node.length : node.entries.length;
  for (let at = 0; at < count && places.length < limit; at += 1) {
    const place = new Place(node, at);
    places.push(place);
    visit(place.value, places, limit);
  }
}

export function copyOf(node: Node): Node {
  if (node instanceof Fields) return new Fields(node.entries.map(([key, value]) => [key, copyOf(value)]));
  return Array.isArray(node) ? node.map(copyOf) : node;
}
