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
  entries: [string, Node][];
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
export interface Place {
  readonly value: Node;
  readonly set: (value: Node) => void;
  readonly remove: () => void;
  /** Writes it a second time beside itself, with another value. */
  readonly repeat: (value: Node) => void;
  readonly rename: (name: (key: string) => string) => void;
}

/** Every value below `root`, outermost first; at most `limit`. */
export function placesIn(root: Node, limit = 200): Place[] {
  const places: Place[] = [];
  visit(root, places, limit);
  return places;
}

function visit(node: Node, places: Place[], limit: number): void {
  if (places.length >= limit) return;
  if (node instanceof Fields) {
    for (const entry of node.entries) {
      places.push({
        value: entry[1],
        set: (value) => void (entry[1] = value),
        remove: () => void (node.entries = node.entries.filter((other) => other !== entry)),
        repeat: (value) => void node.entries.push([entry[0], value]),
        rename: (name) => void (entry[0] = name(entry[0])),
      });
      visit(entry[1], places, limit);
    }
  } else if (Array.isArray(node)) {
    for (const [index, element] of node.entries()) {
      places.push({
        value: element,
        set: (value) => void (node[index] = value),
        remove: () => void node.splice(index, 1),
        repeat: (value) => void node.push(value),
        rename: () => {},
      });
      visit(element, places, limit);
    }
  }
}

export function copyOf(node: Node): Node {
  if (node instanceof Fields) return new Fields(node.entries.map(([key, value]) => [key, copyOf(value)]));
  return Array.isArray(node) ? node.map(copyOf) : node;
}
