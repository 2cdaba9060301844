/** The contacts that a session will watch once it starts: shards name them before that. */
import type { AccountName } from "../../shard/name/ids.ts";
import type { WatchTarget } from "../../shard/ops.ts";

/** The targets of one session; none wait after it has started. */
export class Targets {
  #waiting: readonly WatchTarget[] | null = null;

  get wait(): boolean {
    return this.#waiting !== null;
  }

  /** The contacts that its shard named when it was attached come before those named meanwhile. */
  attached(watch: readonly WatchTarget[]): void {
    this.#waiting = this.#waiting === null ? watch : [...watch, ...this.#waiting];
  }

  /** Its shard names all of them anew. */
  replace(watch: readonly WatchTarget[]): void {
    this.#waiting = watch;
  }

  add(target: WatchTarget): void {
    this.#waiting = [...this.#waiting ?? [], target];
  }

  remove(name: AccountName): void {
    this.#waiting = this.#waiting?.filter((target) => target.name !== name) ?? null;
  }

  /** Those that wait; null where the session had started before. */
  take(): readonly WatchTarget[] | null {
    const waiting = this.#waiting;
    this.#waiting = null;
    return waiting;
  }
}
