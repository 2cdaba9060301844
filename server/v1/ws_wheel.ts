/** One timer for the pings of all WebSocket connections, and for their first frames. */
import type { Cancel, Clock, Random, Timers } from "../node/ports.ts";
import type { WsConnection } from "./ws_connection.ts";

/** Deadlines of a connection. */
export interface WheelLimits {
  /** Time for the first frame, after which the protocol's own deadline has failed to act. */
  readonly helloTimeoutMs: number;
  /** A connection is pinged so often, and ended when it has not answered twice. */
  readonly pingIntervalMs: number;
}

interface WheelPorts {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
}

/** Into how many parts connections are divided, each pinged at its own moment. */
const SLOTS = 64;

/** See the head of this file. */
export class WsWheel {
  readonly #ports: WheelPorts;
  readonly #limits: WheelLimits;
  readonly #slots: WsConnection[][] = Array.from({ length: SLOTS }, () => []);
  #nextSlot = 0;
  #turning: Cancel | null = null;
  /** Until when the first frame is awaited (monotonic ms), in this order. */
  readonly #greeting = new Map<WsConnection, number>();

  constructor(ports: WheelPorts, limits: WheelLimits) {
    this.#ports = ports;
    this.#limits = limits;
  }

  /** All connections. */
  all(): readonly WsConnection[] {
    return this.#slots.flat();
  }

  /** A connection was opened. */
  add(connection: WsConnection): void {
    const { clock, random } = this.#ports;
    connection.slot = Math.floor(random.number() * SLOTS);
    const slot = this.#slots[connection.slot]!;
    connection.index = slot.length;
    slot.push(connection);
    this.#greeting.set(connection, clock.monoMs() + this.#limits.helloTimeoutMs);
    this.#turn();
  }

  /** A connection has closed. */
  remove(connection: WsConnection): void {
    const slot = this.#slots[connection.slot]!;
    const last = slot.pop()!;
    if (last !== connection) {
      slot[connection.index] = last;
      last.index = connection.index;
    }
    this.#greeting.delete(connection);
  }

  /** Its first frame has arrived. */
  greeted(connection: WsConnection): void {
    this.#greeting.delete(connection);
  }

  #turn(): void {
    if (this.#turning !== null) return;
    this.#turning = this.#ports.timers.after(this.#limits.pingIntervalMs / SLOTS, () => {
      this.#turning = null;
      const slot = this.#slots[this.#nextSlot]!;
      this.#nextSlot = (this.#nextSlot + 1) % SLOTS;
      // Backwards: those that end take themselves out.
      for (let i = slot.length - 1; i >= 0; i--) slot[i]?.check();
      const nowMs = this.#ports.clock.monoMs();
      for (const [connection, untilMs] of this.#greeting) {
        if (untilMs > nowMs) break;
        this.#greeting.delete(connection);
        connection.unhelloed();
      }
      if (this.#slots.some((slot) => slot.length > 0)) this.#turn();
    });
  }
}
