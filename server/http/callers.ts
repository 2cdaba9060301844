/** Connections by address, so that none takes all. */
import { addressKey } from "../auth/throttle.ts";

/** Counts open connections; the addresses of one IPv6 network are one, see `addressKey`. */
export class Callers {
  readonly #counts = new Map<string, number>();
  /** Of all addresses. */
  total = 0;

  of(address: string): number {
    return this.#counts.get(addressKey(address)) ?? 0;
  }

  add(address: string): void {
    this.total++;
    this.#counts.set(addressKey(address), this.of(address) + 1);
  }

  remove(address: string): void {
    this.total--;
    const left = this.of(address) - 1;
    if (left > 0) this.#counts.set(addressKey(address), left);
    else this.#counts.delete(addressKey(address));
  }
}
