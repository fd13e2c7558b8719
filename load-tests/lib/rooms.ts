/** The sandbox of this number, where there are many. */
export function roomOf(number: number): string {
  return `room-${number}`;
}
