/**
 * One timer for the deadlines of thousands of items: a wheel whose slots grow coarser with their
 * distance, as in hierarchical timing wheels (Varghese and Lauck, 1987), but with early wake-ups in
 * place of cascades: the session that is woken looks at what is due and asks to be woken again.
 */
import type { Cancel, Clock, Timers } from "../node/ports.ts";

/** Width of the finest slots, ms: how late a wake-up is at most. */
export const SLOT_MS = 100;
/** Farther deadlines are looked at again after this, ms: wall clocks jump. */
const DISTANCE_MS_MAX = 3_600_000;
/** A slot is at most this part of its distance wide. */
const FINENESS = 8;

/** What has deadlines. Only the wheel writes `slot`; -1 while none is set. */
export interface Timed {
  slot: number;
}

/** The slot that wakes for a deadline `atMs`: at most `SLOT_MS` late, and early where far away. */
export function slotFor(nowMs: number, atMs: number): number {
  const distanceMs = Math.min(atMs - nowMs, DISTANCE_MS_MAX);
  if (distanceMs < 2 * FINENESS * SLOT_MS) return Math.ceil((nowMs + distanceMs) / SLOT_MS);
  const slots = distanceMs / SLOT_MS;
  const width = 2 ** Math.floor(Math.log2(slots / FINENESS));
  return Math.floor((nowMs + distanceMs) / SLOT_MS / width) * width;
}

/** Wakes items at or up to `SLOT_MS` after their deadlines, sometimes earlier as well. */
export class Deadlines<T extends Timed> {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #wake: (item: T, nowMs: number) => void;
  readonly #slots = new Map<number, Set<T>>();
  #armedSlot = Infinity;
  #cancel: Cancel | null = null;

  /** `wake` sets the item's next deadline itself; before it is called there is none. */
  constructor(clock: Clock, timers: Timers, wake: (item: T, nowMs: number) => void) {
    this.#clock = clock;
    this.#timers = timers;
    this.#wake = wake;
  }

  /** Sets the item's only deadline, in monotonic ms. */
  set(item: T, atMs: number): void {
    const slot = slotFor(this.#clock.monoMs(), atMs);
    if (slot === item.slot) return;
    this.clear(item);
    item.slot = slot;
    const items = this.#slots.get(slot);
    if (items === undefined) this.#slots.set(slot, new Set([item]));
    else items.add(item);
    if (slot < this.#armedSlot) this.#arm(slot);
  }

  /** Takes the item's deadline away. */
  clear(item: T): void {
    if (item.slot < 0) return;
    const items = this.#slots.get(item.slot);
    items?.delete(item);
    if (items?.size === 0) this.#slots.delete(item.slot);
    item.slot = -1;
  }

  #arm(slot: number): void {
    this.#cancel?.();
    this.#armedSlot = slot;
    const delayMs = slot * SLOT_MS - this.#clock.monoMs();
    this.#cancel = this.#timers.after(Math.max(0, delayMs), () => this.#fire());
  }

  #fire(): void {
    const nowMs = this.#clock.monoMs();
    this.#cancel = null;
    this.#armedSlot = Infinity;
    const due = [...this.#slots.keys()].filter((slot) => slot * SLOT_MS <= nowMs);
    for (const slot of due.sort((a, b) => a - b)) {
      const items = this.#slots.get(slot);
      if (items === undefined) continue;
      this.#slots.delete(slot);
      for (const item of items) item.slot = -1;
      // Items may be ended, and set anew, by those that are woken before them.
      for (const item of items) if (item.slot < 0) this.#wake(item, nowMs);
    }
    const next = Math.min(...this.#slots.keys());
    if (next < this.#armedSlot) this.#arm(next);
  }
}
