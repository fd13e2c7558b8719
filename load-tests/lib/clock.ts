/** Milliseconds of a clock that all processes of this machine share; only differences mean something. */
export function sharedNow(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
