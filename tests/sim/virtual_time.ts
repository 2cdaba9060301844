/**
 * Time for simulations: a cluster with one clock and one order of events, and processes in it that
 * can be killed, paused, and given clocks of their own. Nothing waits; nothing depends on the
 * machine. Order is time, then insertion; `soon` runs before time moves on.
 */
import type { Cancel, Clock, Timers } from "../../server/node/ports.ts";
import { EventHeap, type HeapEvent } from "./event_heap.ts";

/** Turns without time moving on, after which a simulation is taken to be stuck. */
const TURNS_PER_INSTANT_MAX = 1_000_000;

/** Times are whole multiples of 1/1024 ms, so that sums of them are exact and no timer is early. */
function quantised(ms: number): number {
  return Math.ceil(ms * 1024) / 1024;
}

/** The clocks and timers of one simulated process. */
export interface VirtualProcess {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly state: "running" | "paused" | "dead";
  /** kill -9: nothing it has set ever runs. */
  kill(): void;
  /** SIGSTOP: what comes due is held. */
  pause(): void;
  /** SIGCONT: what was held runs now, in order. */
  resume(): void;
  /** Its wall clock jumps; the monotonic one does not. */
  jumpWall(deltaMs: number): void;
}

/** How the clocks of a process differ from the simulation's. */
export interface ClockSkew {
  /** Monotonic time at its start, ms: of no meaning to anybody else. */
  readonly monoStartMs: number;
  /** Wall time ahead of the simulation's, ms. */
  readonly wallAheadMs: number;
  /** Seconds of its clock in a second of the simulation, such as 1.0001. */
  readonly rate: number;
}

/** One simulation. */
export class VirtualTime {
  #nowMs = 0;
  #order = 0;
  #turnsAtInstant = 0;
  #soon: (() => void)[] = [];
  #soonHead = 0;
  #turns = 0;
  /** What is to be run between two turns, in order of the turn it waits for. */
  #between: { readonly turn: number; run: (() => void) | null }[] = [];
  readonly #heap = new EventHeap();
  readonly #wallStartMs: number;
  /** The clock and timers of the simulation itself, which belong to no process. */
  readonly global: VirtualProcess;

  /** Starts at monotonic 0 and this wall time. */
  constructor(wallStartMs = Date.UTC(2025, 0, 1)) {
    this.#wallStartMs = wallStartMs;
    this.global = this.process();
  }

  /** Time since the simulation began, ms. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Turns taken since the simulation began. */
  get turns(): number {
    return this.#turns;
  }

  /**
   * Runs `run` between two turns, when `turns` more have been taken: at any step of the simulation.
   */
  afterTurns(turns: number, run: () => void): Cancel {
    const waiting: { readonly turn: number; run: (() => void) | null } = {
      turn: this.#turns + turns,
      run,
    };
    this.#between.push(waiting);
    this.#between.sort((a, b) => a.turn - b.turn);
    return () => {
      waiting.run = null;
    };
  }

  /** Called after every turn. */
  turned: () => void = () => {};

  /** A new process. */
  process(skew: ClockSkew = { monoStartMs: 0, wallAheadMs: 0, rate: 1 }): VirtualProcess {
    return new Process(this, skew, this.#wallStartMs);
  }

  /** Runs everything due up to and including `untilMs`, where time then stands; counts turns. */
  runUntil(untilMs: number): number {
    let turns = 0;
    while (this.#turn(untilMs)) turns += 1;
    if (untilMs > this.#nowMs) this.#advance(quantised(untilMs));
    return turns;
  }

  /** Runs `forMs` longer. */
  runFor(forMs: number): number {
    return this.runUntil(this.#nowMs + forMs);
  }

  /** Runs until nothing is left to run. Throws beyond `turnsMax`: a timer that sets itself. */
  runUntilIdle(turnsMax = 10_000_000): number {
    let turns = 0;
    while (this.#turn(Infinity)) {
      turns += 1;
      if (turns > turnsMax) throw new Error(`runUntilIdle: not idle after ${turnsMax} turns`);
    }
    return turns;
  }

  /** Runs while `wanted` holds, up to and including `untilMs`; true where it ceased to hold. */
  runWhile(wanted: () => boolean, untilMs: number): boolean {
    while (wanted()) {
      if (this.#turn(untilMs)) continue;
      if (untilMs > this.#nowMs && untilMs < Infinity) this.#advance(quantised(untilMs));
      return !wanted();
    }
    return true;
  }

  /** Only for the processes of this simulation: runs `run` at a time of the simulation. */
  at(atMs: number, run: () => void): Cancel {
    if (!Number.isFinite(atMs)) throw new Error(`at: time is ${atMs}, wants a number`);
    this.#order += 1;
    const event: HeapEvent = {
      at: Math.max(quantised(atMs), this.#nowMs),
      order: this.#order,
      run,
    };
    this.#heap.push(event);
    return () => this.#heap.cancel(event);
  }

  /** Only for the processes of this simulation: runs `run` before time moves on. */
  soon(run: () => void): void {
    this.#soon.push(run);
  }

  /** Runs one callback that is due by `untilMs`; false where there is none. */
  #turn(untilMs: number): boolean {
    const next = this.#next(untilMs);
    if (next === null) return false;
    this.#turnsAtInstant += 1;
    if (this.#turnsAtInstant > TURNS_PER_INSTANT_MAX) {
      throw new Error(`stuck: ${TURNS_PER_INSTANT_MAX} turns at ${this.#nowMs} ms`);
    }
    next();
    this.#turns += 1;
    this.turned();
    while (this.#between.length > 0 && this.#between[0]!.turn <= this.#turns) {
      this.#between.shift()!.run?.();
    }
    return true;
  }

  #next(untilMs: number): (() => void) | null {
    const soon = this.#soon[this.#soonHead];
    if (soon !== undefined) {
      this.#soonHead += 1;
      if (this.#soonHead === this.#soon.length) {
        this.#soon = [];
        this.#soonHead = 0;
      }
      return soon;
    }
    const event = this.#heap.peek();
    if (event === undefined || event.at > untilMs) return null;
    this.#heap.pop();
    if (event.at > this.#nowMs) this.#advance(event.at);
    const run = event.run;
    event.run = null;
    return run;
  }

  #advance(toMs: number): void {
    this.#nowMs = toMs;
    this.#turnsAtInstant = 0;
  }
}

class Process implements VirtualProcess {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly #time: VirtualTime;
  #state: VirtualProcess["state"] = "running";
  #wallAheadMs: number;
  #held: (() => void)[] = [];

  constructor(time: VirtualTime, skew: ClockSkew, wallStartMs: number) {
    const bornMs = time.nowMs;
    const elapsedMs = () => (time.nowMs - bornMs) * skew.rate;
    this.#time = time;
    this.#wallAheadMs = skew.wallAheadMs;
    this.clock = {
      monoMs: () => skew.monoStartMs + elapsedMs(),
      wallMs: () => Math.floor(wallStartMs + bornMs + elapsedMs() + this.#wallAheadMs),
    };
    this.timers = {
      after: (delayMs, run) => {
        if (!Number.isFinite(delayMs)) throw new Error(`after: delay is ${delayMs}`);
        // One quantum more makes up for what the division rounds.
        const virtualMs = skew.rate === 1 ? delayMs : delayMs / skew.rate + 1 / 1024;
        return this.#after(Math.max(0, virtualMs), run);
      },
      soon: (run) => {
        if (this.#state !== "dead") time.soon(() => this.#run(run));
      },
    };
  }

  get state(): VirtualProcess["state"] {
    return this.#state;
  }

  kill(): void {
    this.#state = "dead";
    this.#held = [];
  }

  pause(): void {
    if (this.#state === "running") this.#state = "paused";
  }

  resume(): void {
    if (this.#state !== "paused") return;
    this.#state = "running";
    const held = this.#held;
    this.#held = [];
    for (const run of held) this.timers.soon(run);
  }

  jumpWall(deltaMs: number): void {
    this.#wallAheadMs += deltaMs;
  }

  #after(virtualMs: number, run: () => void): Cancel {
    if (this.#state === "dead") return () => {};
    // Held or not, a cancelled timer does not run.
    let wanted = true;
    const cancel = this.#time.at(this.#time.nowMs + virtualMs, () => {
      if (this.#state === "running") run();
      else this.#run(() => wanted && run());
    });
    return () => {
      wanted = false;
      cancel();
    };
  }

  #run(run: () => void): void {
    if (this.#state === "running") run();
    else if (this.#state === "paused") this.#held.push(run);
  }
}
