/** Marks, for every node that shares this Redis. */
import { checkMark, MAX_MARKS, tooManyMarks, VERSIONS } from "../marks.ts";
import type { Mark, MarksSince } from "../store.ts";
import { MARKS_SINCE, SET_MARK } from "./common-scripts.ts";
import { COMMON_PARTITION, type Keys } from "./keys.ts";
import type { Router } from "./router.ts";
import type { Script } from "./script.ts";

/** Expired ones that leave with each new mark: more than come, so that they all do, and few enough for a script. */
const PURGED = 10;
/** Marks read at once: a script keeps everybody else waiting. */
const PAGE = 1_000;

/** Of the common partition, with `sync` before `args`. */
export type Write = (
  script: Script,
  keys: readonly string[],
  args: readonly (string | number)[],
) => Promise<unknown>;

export interface RedisMarksOptions {
  readonly router: Router;
  readonly keys: Keys;
  readonly write: Write;
  readonly max?: number | undefined;
}

export class RedisMarks {
  readonly #options: RedisMarksOptions;
  readonly #max: number;

  constructor(options: RedisMarksOptions) {
    this.#options = options;
    this.#max = options.max ?? MAX_MARKS;
  }

  async mark(id: string, value: string, until: number): Promise<string> {
    const { keys, write } = this.#options;
    const { values, order, expiry, versions } = keys.marks;
    const { mark } = keys.partition(COMMON_PARTITION);
    const args = [id, value, checkMark(id, value, until), this.#max, PURGED, VERSIONS];
    const answer = await write(SET_MARK, [values, order, expiry, versions, mark], args);
    const [kind, standing] = answer as ["stands" | "full", string?];
    if (kind === "full") throw tooManyMarks(this.#max);
    return standing ?? value;
  }

  async since(version: number): Promise<MarksSince> {
    const first = await this.#page(version, false);
    const marks = [...first.marks];
    for (let { after } = first; after !== undefined;) {
      const page = await this.#page(after, true);
      marks.push(...page.marks);
      ({ after } = page);
    }
    // The first page's version: if this Redis loses its newest writes meanwhile, the next question shows it.
    return { version: first.version, reset: first.reset, marks };
  }

  /** @param after where to go on when there is more */
  async #page(
    version: number,
    known: boolean,
  ): Promise<{ version: number; reset: boolean; after: number | undefined; marks: Mark[] }> {
    const { router, keys } = this.#options;
    const { values, order, expiry, versions } = keys.marks;
    const args = [version, PAGE, known ? "1" : "0"];
    const answer = await router.script(
      COMMON_PARTITION,
      MARKS_SINCE,
      [values, order, expiry, versions],
      args,
    );
    const [newest, reset, after, ...fields] = answer as readonly string[];
    const marks: Mark[] = [];
    for (let index = 0; index + 2 < fields.length; index += 3) {
      const [id = "", value = "", until] = fields.slice(index, index + 3);
      marks.push({ id, value, until: Number(until) });
    }
    return {
      version: Number(newest),
      reset: reset === "1",
      after: after === "" ? undefined : Number(after),
      marks,
    };
  }
}
