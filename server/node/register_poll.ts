/**
 * Registers of a store whose hints may get lost, as those of a store that several machines use: the
 * registers that are watched are read again and again, so that a change of another node is noticed
 * within `REGISTER_POLL_MS` and the time of a read.
 */
import type { Cancel, Ports, Store } from "./ports.ts";
import type { RowRegisters } from "./cell_rows.ts";

/** Longest time (ms) from one look at the watched registers to the next. */
export const REGISTER_POLL_MS = 5000;
/** Part of it by which looks come earlier at random, so that nodes do not look at one moment. */
const EARLIER = 0.2;

interface Watched {
  version: number;
  readonly callbacks: Set<(version: number) => void>;
}

/** What it needs. */
export type RegisterPollPorts = Pick<Ports, "timers" | "random"> & { readonly store: RowRegisters };

/** See the head of this file. */
export class RegisterPoll implements RowRegisters {
  readonly #ports: RegisterPollPorts;
  readonly #watched = new Map<string, Watched>();
  readonly register: Store["register"];
  readonly cas: Store["cas"];
  readonly list: Store["list"];
  #cancel: Cancel | null = null;
  #stopped = false;

  constructor(ports: RegisterPollPorts) {
    const { store } = ports;
    this.#ports = ports;
    this.register = store.register.bind(store);
    this.cas = store.cas.bind(store);
    this.list = store.list.bind(store);
  }

  /** Calls `changed` at the store's hints, and for every version that a look finds. */
  watch(name: string, changed: (version: number) => void): Cancel {
    const watched = this.#watched.get(name) ?? { version: 0, callbacks: new Set() };
    this.#watched.set(name, watched);
    watched.callbacks.add(changed);
    const cancelHints = this.#ports.store.watch(name, (version) => {
      watched.version = Math.max(watched.version, version);
      changed(version);
    });
    this.#schedule();
    return () => {
      cancelHints();
      watched.callbacks.delete(changed);
      if (watched.callbacks.size === 0) this.#watched.delete(name);
    };
  }

  /** Looks no more. */
  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  #schedule(): void {
    if (this.#cancel !== null || this.#stopped || this.#watched.size === 0) return;
    const { timers, random } = this.#ports;
    const waitMs = REGISTER_POLL_MS * (1 - EARLIER * random.number());
    this.#cancel = timers.after(waitMs, () => {
      this.#cancel = null;
      for (const [name, watched] of this.#watched) this.#look(name, watched);
      this.#schedule();
    });
  }

  /** A register that cannot be read now is looked at again the next time. */
  #look(name: string, watched: Watched): void {
    this.#ports.store.register(name, (error, register) => {
      if (error !== null || register === null || register.version <= watched.version) return;
      watched.version = register.version;
      for (const changed of watched.callbacks) changed(register.version);
    });
  }
}
