/** Events that carry a number: each gives the browser to a person of that name. */
const NUMBER = /"controller":"c(\d+)"/;

export function controllerOf(number: number): string {
  return `c${number}`;
}

/** The number of the event in a message, or `undefined`: something else. Cheap, since a thousand ask at a time. */
export function numberIn(message: Buffer): number | undefined {
  const number = NUMBER.exec(message.toString("latin1"))?.[1];
  return number === undefined ? undefined : Number(number);
}
