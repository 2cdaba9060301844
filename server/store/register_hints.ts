/** Who wants to know that a register has changed, of those in this process. */
import type { Cancel } from "../node/ports.ts";

type Changed = (version: number) => void;

/** See the head of this file. */
export class RegisterHints {
  readonly #watchers = new Map<string, Set<Changed>>();

  /** Calls `changed` at every change from now on. */
  watch(name: string, changed: Changed): Cancel {
    const watchers = this.#watchers.get(name) ?? new Set();
    this.#watchers.set(name, watchers.add(changed));
    return () => watchers.delete(changed);
  }

  /** The register has this version from now on. */
  changed(name: string, version: number): void {
    for (const changed of this.#watchers.get(name) ?? []) changed(version);
  }
}
