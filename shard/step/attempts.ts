/** How often something that nobody repeats is tried again after a bug. */

/** Tries after which it is given up: what fails every time must not fail the shard for ever. */
const ATTEMPTS_MAX = 4;

/** Failed attempts, by what was tried. */
export class Attempts {
  readonly #failed = new WeakMap<object, number>();

  /** Notes a failed attempt; returns whether there is to be another one. */
  again(what: object): boolean {
    const failed = (this.#failed.get(what) ?? 0) + 1;
    this.#failed.set(what, failed);
    return failed < ATTEMPTS_MAX;
  }
}
