/**
 * Proposals of this cell about the homes of names: rounds of CASPaxos. They are in memory only: what
 * wants a decision begins them again.
 */
import type { Account } from "../account/account.ts";
import type { AccountName, CellName } from "../name/ids.ts";
import type { Cells } from "../federation/cells.ts";
import type { NameMessage } from "../federation/name_packets.ts";
import type { ShardTurn } from "./shard_turn.ts";
import {
  type Ask,
  askOf,
  type Ballot,
  compareBallots,
  count,
  NO_BALLOT,
  type Proposal,
  propose,
  type Vote,
} from "../federation/caspaxos.ts";
import type { Home, NameRegister } from "../federation/name_register.ts";
import { registerOf } from "../account/home.ts";
import { spreadOf } from "../retry.ts";

/** What the home is to become; null: the name has none. */
export type HomeChange = (home: CellName | null) => CellName;

interface Round {
  /** Null while the next one has not begun. */
  proposal: Proposal<CellName> | null;
  /** Highest ballot that another proposer has. */
  above: Ballot;
  tries: number;
  /** When voters are asked again, or the next round begins (monotonic ms). */
  atMs: number;
}

/** What rounds need of the names that they decide. */
export interface RoundsHost {
  say(account: Account, cell: CellName, message: NameMessage): void;
  /** This cell's own vote, which is committed before anything of it leaves. */
  vote(account: Account, ask: Ask<CellName>): Vote<CellName>;
  set(account: Account, register: NameRegister): void;
  chosen(account: Account, home: Home): void;
}

/** See the head of this file. */
export class HomeRounds {
  readonly #turn: ShardTurn;
  readonly #cells: Cells;
  readonly #host: RoundsHost;
  readonly #rounds = new Map<AccountName, Round>();

  constructor(turn: ShardTurn, cells: Cells, host: RoundsHost) {
    this.#turn = turn;
    this.#cells = cells;
    this.#host = host;
  }

  /** Names that are being decided. */
  get size(): number {
    return this.#rounds.size;
  }

  has(name: AccountName): boolean {
    return this.#rounds.has(name);
  }

  /** Whether it is time to go on with a name; also where nothing has begun. */
  isDue(name: AccountName): boolean {
    return (this.#rounds.get(name)?.atMs ?? 0) <= this.#turn.now.mono;
  }

  /** Forgets the rounds of names that `wanted` does not have. */
  keep(wanted: (name: AccountName) => boolean): void {
    for (const name of this.#rounds.keys()) if (!wanted(name)) this.#rounds.delete(name);
  }

  delete(name: AccountName): void {
    this.#rounds.delete(name);
  }

  clear(): void {
    this.#rounds.clear();
  }

  /** Begins a round, or asks the voters of the present one again. */
  go(account: Account, change: HomeChange): void {
    const { now, retries } = this.#turn;
    let round = this.#rounds.get(account.name);
    if (round === undefined) {
      round = { proposal: null, above: NO_BALLOT, tries: 0, atMs: 0 };
      this.#rounds.set(account.name, round);
    }
    const random = spreadOf(`${this.#cells.self} ${account.name}`, ++round.tries);
    round.atMs = now.mono +
      (round.tries === 1
        ? retries.waitMs("home", 1, random)
        : retries.againMs("home", round.tries, random));
    if (round.proposal === null) this.#propose(account, round, change);
    else this.#askAll(account, askOf(round.proposal));
  }

  #propose(account: Account, round: Round, change: HomeChange): void {
    const { self, voters } = this.#cells;
    const register = registerOf(account, self);
    const { accepted, chosen, promised } = register;
    // Above what is decided, too, which it may not have voted on: counters tell which home is newer.
    const known = [promised, round.above, accepted?.ballot, chosen?.ballot];
    const ballot = { counter: Math.max(...known.map((b) => b?.counter ?? 0)) + 1, cell: self };
    // Also where it is no voter: a ballot is never used twice.
    this.#host.set(account, { ...register, promised: ballot });
    const { proposal, ask } = propose<CellName>(ballot, voters, change);
    round.proposal = proposal;
    this.#askAll(account, ask);
  }

  /** Asks the other voters, and votes itself where it is one. */
  #askAll(account: Account, ask: Ask<CellName>): void {
    const { self, voters } = this.#cells;
    for (const cell of voters) if (cell !== self) this.#host.say(account, cell, ask);
    if (voters.includes(self)) this.count(account, self, this.#host.vote(account, ask));
  }

  /** Takes a vote. */
  count(account: Account, from: CellName, given: Vote<CellName>): void {
    const round = this.#rounds.get(account.name);
    const proposal = round?.proposal;
    if (round === undefined || proposal == null || !this.#turn.writable) return;
    const progress = count(proposal, from, given);
    switch (progress.kind) {
      case "waiting":
        round.proposal = progress.proposal;
        return;
      case "accepting":
        round.proposal = progress.proposal;
        return this.#askAll(account, progress.ask);
      case "overtaken":
        return this.overtaken(account, progress.above);
      case "chosen":
        return this.#host.chosen(account, progress.accepted);
    }
  }

  /** Another proposer was quicker: the next round begins when a tick comes to it. */
  overtaken(account: Account, above: Ballot): void {
    const round = this.#rounds.get(account.name);
    if (round === undefined) return;
    round.proposal = null;
    if (compareBallots(above, round.above) > 0) round.above = above;
  }
}
