/**
 * Pages of exports, one after another: each export has one that waits at most, so that those of all
 * exports take turns, and all of them together hold up other requests by one page.
 */

/** See the head of this file. */
export class PageTurns {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs `read` when the pages before it are done; it should not reject. */
  run<T>(read: () => Promise<T>): Promise<T> {
    const page = this.#last.then(read);
    this.#last = page.catch(() => {});
    return page;
  }
}
