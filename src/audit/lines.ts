/** Longer than any line of an export. What is longer is none, and must not fill the memory. */
const MAX_LINE = 64 * 1024;

/**
 * The lines of a text that comes in pieces of any size, without their `\n`. A line that is too long is cut: it then
 * fails as what it is.
 */
export async function* linesOf(pieces: AsyncIterable<string>): AsyncGenerator<string, void, undefined> {
  let rest = "";
  for await (const piece of pieces) {
    let start = 0;
    for (let end = piece.indexOf("\n"); end >= 0; end = piece.indexOf("\n", start)) {
      yield rest + piece.slice(start, start + Math.min(end - start, MAX_LINE - rest.length));
      rest = "";
      start = end + 1;
    }
    rest += piece.slice(start, start + MAX_LINE - rest.length);
  }
  if (rest !== "") yield rest;
}
