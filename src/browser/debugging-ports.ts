/**
 * Where this gateway's browsers listen for commands. No policy allows a page there, whatever it says of loopback: a page
 * of that address could have its browser open files, and see what other sandboxes' browsers show.
 */
class DebuggingPorts {
  readonly #here = new Set<number>();
  #elsewhere: ReadonlySet<number> = new Set();
  #changed: (ports: readonly number[]) => void = () => {};

  /** Those of this process. */
  get here(): readonly number[] {
    return [...this.#here];
  }

  has(port: number): boolean {
    return this.#here.has(port) || this.#elsewhere.has(port);
  }

  add(port: number): void {
    this.#here.add(port);
    this.#changed(this.here);
  }

  delete(port: number): void {
    this.#here.delete(port);
    this.#changed(this.here);
  }

  /** Tells of the ports of this process whenever they change, for its siblings. */
  onChange(changed: (ports: readonly number[]) => void): void {
    this.#changed = changed;
  }

  /** Those of the other processes of this gateway, in place of what was said before. */
  setElsewhere(ports: readonly number[]): void {
    this.#elsewhere = new Set(ports);
  }
}

/** One for a process: a page of any gateway in it must not reach the browsers of any other. */
export const DEBUGGING_PORTS = new DebuggingPorts();
