/** A worker of a simulated process that has the store of its cell open: it serves while that lets it. */
import { Prng } from "./prng.ts";
import { RoleLease } from "../../server/workers/role_lease.ts";
import type { StoreMember } from "../../server/standby/store_member.ts";
import type { VirtualProcess, VirtualTime } from "./virtual_time.ts";

/** How long a line takes from one process to the other at most (ms). */
const LINE_MS = 60;
/** The same where the worker is busy, and how late it notices that its supervisor has ended (ms). */
const LATE_MS = 1500;
const BUSY = 0.1;

/** See the head of this file. */
export class StandbyWorker {
  readonly #process: VirtualProcess;
  readonly #lease: RoleLease;
  readonly #time: VirtualTime;
  readonly #prng: Prng;
  /** When the last line has arrived that is on its way to the worker. */
  #arrivesMs = 0;

  /** `process`: that of the supervisor, which may be paused while the worker is not. */
  constructor(time: VirtualTime, process: VirtualProcess, member: StoreMember) {
    this.#process = time.process();
    this.#time = time;
    const prng = this.#prng = new Prng(`worker at ${time.nowMs}`);
    const { timers } = this.#process;
    this.#lease = new RoleLease({
      epoch: member.registered?.roles?.epoch ?? 0,
      // The machine has one monotonic clock.
      clock: process.clock,
      timers,
      ask: (n) => {
        process.timers.after(prng.number() * LINE_MS, () => {
          const ms = member.lend();
          timers.after(this.#lineMs(), () => this.#lease.lent(n, ms));
        });
      },
    });
    this.#lease.start();
  }

  get mayServe(): boolean {
    return this.#process.state === "running" && this.#lease.mayServe === true;
  }

  /** Lines arrive in their order. */
  #lineMs(): number {
    const { nowMs } = this.#time;
    const ms = this.#prng.number() * (this.#prng.chance(BUSY) ? LATE_MS : LINE_MS);
    this.#arrivesMs = Math.max(this.#arrivesMs, nowMs + ms);
    return this.#arrivesMs - nowMs;
  }

  /** Its supervisor has ended. */
  end(): void {
    this.#time.global.timers.after(this.#prng.number() * LATE_MS, () => this.#process.kill());
  }
}
