/** Values that the cells of a simulated WAN keep. */
import type { Change, Settled } from "../../server/node/cell_value.ts";
import type { Wan } from "./wan.ts";

/** What a cell remembers: durable, and shared by its nodes. */
export class MemoryValue<T> {
  state: T;
  onChange: (state: T) => void = () => {};
  readonly #wan: Wan;
  readonly #changed: (state: T) => void;

  constructor(wan: Wan, initial: T, changed: (state: T) => void = () => {}) {
    this.#wan = wan;
    this.state = initial;
    this.#changed = changed;
  }

  load(done: Settled<T>): void {
    this.#later(() => done(null, this.state));
  }

  update(change: Change<T>, done: Settled<T>): void {
    this.#later(() => {
      const next = change(this.state);
      if (next !== null) this.state = next;
      this.#changed(this.state);
      this.#later(() => done(null, this.state));
    });
  }

  watch(): () => void {
    return () => {};
  }

  #later(run: () => void): void {
    const { time, random } = this.#wan;
    time.at(time.nowMs + random.number() * 3, run);
  }
}
