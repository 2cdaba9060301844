/**
 * One voter of the register that says who is the primary of a store: one place of those that vote.
 * What it has promised and accepted is durable before its vote leaves.
 */
import {
  type Ask,
  compareBallots,
  NO_BALLOT,
  type Vote,
  vote,
  type VoterState,
} from "../../shard/federation/caspaxos.ts";
import type { MemberId, Registered, RoleTimes } from "./role_types.ts";
import type { Log } from "../node/ports.ts";
import type { RoleVoters } from "./link_frames.ts";

/** What a place remembers of a store's roles; durable. */
export interface StoredRoles {
  /** This copy of the store; null where the place only votes. */
  readonly member: MemberId | null;
  readonly voters: RoleVoters;
  readonly vote: VoterState<Registered>;
  /** As in `RoleOptions`. */
  readonly servedEpoch: number;
  readonly times: RoleTimes;
  /** Whether writes are acknowledged when standbys have them. */
  readonly sync: boolean;
  /**
   * It may lack what a former primary has acknowledged: clients may know events that others will take
   * the places of. The next process that serves it ends the cursors of all clients.
   */
  readonly resets?: boolean;
  /** It has written as the primary since it was last equal to another place's copy. */
  readonly wrote?: boolean;
  /** false: it may have forgotten votes, and votes no more before it has learned what was decided. */
  readonly knows?: boolean;
}

/** Where it is kept: `save` returns when it is durable, and throws where it cannot be. */
export interface RolesFile {
  load(): StoredRoles | null;
  save(stored: StoredRoles): void;
}

/** Roles in a file of JSON, which this program has written. */
export function storedRoles(
  { load, save }: {
    load(): Record<string, unknown> | null;
    save(content: object): void;
  },
): RolesFile {
  return { load: () => load() as unknown as StoredRoles | null, save };
}

/** The vote of a place that has never voted. */
export const NO_VOTE: VoterState<Registered> = { promised: NO_BALLOT, accepted: null };

/** See the head of this file. */
export class RoleVoter {
  readonly #file: RolesFile;
  #stored: StoredRoles;
  readonly #log: Pick<Log, "error">;
  /** Whether it could not be stored last: that is logged once. */
  #fails = false;

  constructor(file: RolesFile, stored: StoredRoles, log: Pick<Log, "error">) {
    this.#file = file;
    this.#stored = stored;
    this.#log = log;
  }

  /** Whether it may vote: a place that has forgotten its votes first learns what was decided. */
  get knows(): boolean {
    return this.#stored.knows !== false;
  }

  get stored(): StoredRoles {
    return this.#stored;
  }

  get voters(): RoleVoters {
    return this.#stored.voters;
  }

  /** Votes; null: it does not vote under these voters, or cannot store its vote. */
  take(voters: RoleVoters, ask: Ask<Registered>): Vote<Registered> | null {
    this.learn(voters);
    if (voters.generation !== this.voters.generation || !this.knows) return null;
    const next = vote(this.#stored.vote, ask);
    // What is not durable was not voted.
    return next.state === this.#stored.vote || this.save({ vote: next.state }) ? next.vote : null;
  }

  /** Voters of a later generation take the place of those that it knows. */
  learn(voters: RoleVoters): boolean {
    return voters.generation > this.voters.generation && this.save({ voters, vote: NO_VOTE });
  }

  /** What was decided while it did not vote. */
  recovered(at: VoterState<Registered>): void {
    const { promised } = this.#stored.vote;
    const later = compareBallots(at.promised, promised) > 0;
    this.save({ knows: true, vote: later ? at : this.#stored.vote });
  }

  /** Changes what is stored, durably; false where it cannot be, as on a full disk: it stays as it was. */
  save(change: Partial<StoredRoles>): boolean {
    const next = { ...this.#stored, ...change };
    try {
      this.#file.save(next);
    } catch (error) {
      if (!this.#fails) this.#log.error("roles of a store not stored", { error: String(error) });
      this.#fails = true;
      return false;
    }
    this.#fails = false;
    this.#stored = next;
    return true;
  }
}
