/** What must never happen, with what shows it. */
export class Violation extends Error {
  constructor(message: string) {
    super(message);
    this.name = "Violation";
  }
}

/** As much of a message as helps whoever reads a report. */
export function shown(text: string, length = 400): string {
  return text.length <= length ? text : `${text.slice(0, length)}… (${text.length} characters)`;
}
