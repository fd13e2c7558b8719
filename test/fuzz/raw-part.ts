import fc from "fast-check";
import type { Part } from "./part.ts";
export const rawPart: Part<number> = { name: "raw", scripts: fc.nat(1), messages: () => 1000, play: async () => {}, show: () => [] };
