/** What members of a store say to each other and to their register about who has which role. */

/** One copy of the store: a new disk is another member. */
export type MemberId = string & { readonly __brand: "MemberId" };

/** What the register holds. */
export interface Roles {
  /** Rises with every primary, and every start of one. */
  readonly epoch: number;
  readonly primary: MemberId;
  /** Standbys that may take over. */
  readonly inSync: readonly MemberId[];
}

/** The register: `roles` is null where it was never set, at version 0. */
export interface Registered {
  readonly version: number;
  readonly roles: Roles | null;
}

/** Times of the protocol (ms). */
export interface RoleTimes {
  readonly beaconMs: number;
  /** A required member that has not answered for so long is taken out of the register. */
  readonly shrinkMs: number;
  /** How long an answer to a beacon lets the primary serve, from when the beacon was sent. */
  readonly leaseMs: number;
  /** How long a standby hears no beacon before it takes over. */
  readonly takeoverMs: number;
  /** Least time between two reads of the register that nothing else asks for. */
  readonly readMs: number;
}

/** By how much a clock may be too fast or too slow. */
export const DRIFT = 0.01;

/** After how long, by the clock of who gave it, a lease is over by the clock of who has it (ms). */
export function lentMs(leaseMs: number): number {
  return leaseMs * (1 + DRIFT) / (1 - DRIFT);
}

/** Times of the protocol that fit a takeover after `takeoverMs`. */
export function roleTimes(takeoverMs: number): RoleTimes {
  const part = (of: number) => Math.floor(takeoverMs * of);
  return {
    beaconMs: part(0.1),
    shrinkMs: part(0.5),
    leaseMs: part((1 - DRIFT) / (1 + DRIFT)),
    takeoverMs,
    readMs: Math.min(2000, takeoverMs),
  };
}

/** From one member to another. */
export type RoleMessage =
  | { readonly kind: "beacon"; readonly epoch: number; readonly sentMs: number }
  /** `sentMs` is that of the beacon: its sender's own time. */
  | { readonly kind: "answer"; readonly epoch: number; readonly sentMs: number }
  /** The primary of this epoch serves no more, and has made the recipient its successor. */
  | { readonly kind: "yielded"; readonly epoch: number };

/** What happens to a member. */
export type RoleInput =
  | { readonly kind: "tick" }
  /** The register was read; null: it could not be. */
  | { readonly kind: "read"; readonly registered: Registered | null }
  /**
   * How the change of the register went; `unknown`: it may still happen; `unasked`: what it rests on
   * could not be stored, and it was not asked for.
   */
  | { readonly kind: "changed"; readonly outcome: "set" | "other" | "unknown" | "unasked" }
  | { readonly kind: "message"; readonly from: MemberId; readonly message: RoleMessage }
  /** At the primary, of a standby's copy: whole and up to date; behind; or has all that is required. */
  | {
    readonly kind: "copy";
    readonly member: MemberId;
    readonly state: "following" | "complete" | "lost";
  }
  /** At a standby: whether its copy can be opened. */
  | { readonly kind: "whole"; readonly whole: boolean }
  /** At a primary that was asked to hand the role over: every write is at the successor. */
  | { readonly kind: "drained" }
  | { readonly kind: "hand_over"; readonly to: MemberId }
  /** It takes too long: the primary keeps its role, unless the register was asked for the change. */
  | { readonly kind: "keep" }
  /**
   * An operator makes this copy the primary. `anyway`: though it is not in sync, for the primary is gone
   * for good; otherwise only where it is, and soon.
   */
  | { readonly kind: "promote"; readonly anyway: boolean };

/** What a member asks for. */
export type RoleEffect =
  | { readonly kind: "read" }
  | { readonly kind: "change"; readonly version: number; readonly roles: Roles }
  | { readonly kind: "send"; readonly to: MemberId; readonly message: RoleMessage }
  | { readonly kind: "require"; readonly members: readonly MemberId[] }
  | { readonly kind: "serve"; readonly epoch: number }
  | { readonly kind: "stop" };

/** What a member begins with. */
export interface RoleOptions {
  readonly self: MemberId;
  readonly times: RoleTimes;
  /** Whether it becomes the primary where the register was never set. */
  readonly founds: boolean;
  /** Whether its copy can be opened. */
  readonly whole: boolean;
  /** The epoch at which it last served, where it has answered no beacon since; 0: none. */
  readonly servedEpoch: number;
}
