/** Runs the state machine of a member's role: its clock, the register, and messages of others. */
import type { Cancel, Runtime } from "../node/ports.ts";
import type { MemberId, RoleInput, RoleMessage, RoleOptions, Roles } from "./role_types.ts";
import { RoleMachine } from "./roles.ts";
import type { RoleRegister } from "./role_register.ts";

/** What it is made with. */
export interface DriverOptions extends Pick<Runtime, "clock" | "timers" | "log"> {
  readonly role: RoleOptions;
  readonly register: RoleRegister;
  send(to: MemberId, message: RoleMessage): void;
  /** Called before a change is asked for; false: it must not be, now. */
  asks(roles: Roles): boolean;
  /** As the effects of the same names. */
  require(members: readonly MemberId[]): void;
  serve(epoch: number): void;
  stop(): void;
  /** After each step. */
  stepped(): void;
}

/** See the head of this file. */
export class RoleDriver {
  readonly machine: RoleMachine;
  readonly #options: DriverOptions;
  #next: Cancel = () => {};
  #ended = false;

  constructor(options: DriverOptions) {
    this.#options = options;
    this.machine = new RoleMachine(options.role, this.#nowMs());
  }

  /** Begins. */
  start(): void {
    const { role: { times: { beaconMs } }, timers } = this.#options;
    if (this.#ended) return;
    this.#next = timers.after(beaconMs / 4, () => this.start());
    this.step({ kind: "tick" });
  }

  /** Does nothing more. */
  end(): void {
    this.#ended = true;
    this.#next();
  }

  /** Whether it may answer from its rows now. */
  get serves(): boolean {
    return this.machine.servesAt(this.#nowMs());
  }

  /** Whether no other place answers now. */
  get leased(): boolean {
    return this.machine.leasedAt(this.#nowMs());
  }

  /** For how long no other place answers, from now on; 0: one may (ms). */
  get leaseLeftMs(): number {
    return this.machine.leaseLeftMs(this.#nowMs());
  }

  step(input: RoleInput): void {
    if (this.#ended) return;
    const { register, require, send, serve, stop } = this.#options;
    for (const effect of this.machine.step(this.#nowMs(), input)) {
      if (this.#ended) return;
      switch (effect.kind) {
        case "read":
          register.read((registered) => this.step({ kind: "read", registered }));
          break;
        case "change":
          if (!this.#options.asks(effect.roles)) {
            this.#options.timers.soon(() => this.step({ kind: "changed", outcome: "unasked" }));
            break;
          }
          register.change(effect.version, effect.roles, (outcome) => {
            this.step({ kind: "changed", outcome });
          });
          break;
        case "send":
          send(effect.to, effect.message);
          break;
        case "require":
          require(effect.members);
          break;
        case "serve":
          serve(effect.epoch);
          break;
        case "stop":
          stop();
          break;
      }
    }
    this.#options.stepped();
  }

  /** Whole milliseconds, as messages have them. */
  #nowMs(): number {
    return Math.floor(this.#options.clock.monoMs());
  }
}
