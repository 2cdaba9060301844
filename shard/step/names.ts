/**
 * The homes of names, which the cells decide by majority, and packets for names whose home is another
 * cell. In each cell the shard with the point of a name votes for it. Rounds and questions are in
 * memory only: a caller that waits for their results asks again.
 */
import type { Account } from "../account/account.ts";
import { type AccountAccess, HOME_SPREAD_MS } from "./account_access.ts";
import type { AccountName, CellName } from "../name/ids.ts";
import type { Cells } from "../federation/cells.ts";
import type { NameMessage } from "../federation/name_packets.ts";
import type { Requests } from "./requests.ts";
import { isRepeated, type ShardPacket } from "../message/packets.ts";
import type { ShardTurn } from "./shard_turn.ts";
import { type Ask, compareBallots, NO_BALLOT, type Vote, vote } from "../federation/caspaxos.ts";
import { HomeRounds } from "./home_rounds.ts";
import { Moves } from "./moves.ts";
import { PassedRewatches } from "./passed_rewatches.ts";
import type { Proxies } from "./proxies.ts";
import { type Home, type NameRegister, NO_HOME, withChosen } from "../federation/name_register.ts";
import { decidedOf, homeOf, isHere, registerOf } from "../account/home.ts";
import { spreadOf } from "../retry.ts";

/** Cells that may pass a packet on: homes move, and cells learn of it at different times. */
const HOPS_MAX = 3;
/** For how long a question to the other cells waits for all of them (ms). */
const WHERE_MS = 5000;
/** After which it may be asked once more (ms): questions get lost, and packets come many at a time. */
const WHERE_AGAIN_MS = 250;
/** For how long a name that no cell knows is not asked for again (ms). */
const NOBODY_MS = 5000;
/** Names that are asked for at once; packets for more are dropped, and their senders repeat them. */
const ASKED_MAX = 10_000;
/** Packets that wait for the home of one name. */
const HELD_MAX = 32;

type NamePacket = ShardPacket & { readonly kind: "name" };

/** A question to all other cells. */
interface Question {
  readonly untilMs: number;
  askedMs: number;
  /** Cells that have not replied. */
  readonly left: Set<CellName>;
  readonly held: Carried[];
}

/** A packet on its way. */
export interface Carried {
  readonly packet: ShardPacket;
  /** How many cells have passed it on. */
  readonly hops: number;
  /** The account of this shard that sends it; null where it comes from elsewhere. */
  readonly sender: Account | null;
}

/** What it needs of its shard. */
export interface NamesParts {
  readonly accounts: AccountAccess;
  readonly requests: Requests;
  /** Takes a packet for a name of this cell. */
  here(packet: ShardPacket): void;
  /** Takes what the home of a user says of its presence; returns whether it was that. */
  proxy(packet: ShardPacket & { readonly kind: "proxy" }): boolean;
  /** Takes a packet once more at the next tick: the account could not be read. */
  again(packet: ShardPacket): void;
  /** The home of a name is known from now on, or no other cell knows one. */
  sought(name: AccountName, known: boolean): void;
  readonly proxies: Proxies;
}

/** See the head of this file. */
export class Names {
  readonly #turn: ShardTurn;
  readonly #cells: Cells;
  readonly #accounts: AccountAccess;
  readonly #requests: Requests;
  readonly #ways: Pick<NamesParts, "here" | "again" | "proxy" | "proxies" | "sought">;
  readonly #rounds: HomeRounds;
  readonly #rewatches: PassedRewatches;
  /** Accounts whose home is about to be another cell. */
  readonly moves: Moves;
  readonly #questions = new Map<AccountName, Question>();
  /** Names that no other cell knows, and until when that counts; in the order of time. */
  readonly #nobody = new Map<AccountName, number>();

  constructor(turn: ShardTurn, cells: Cells, parts: NamesParts) {
    this.#turn = turn;
    this.#cells = cells;
    this.#accounts = parts.accounts;
    this.#requests = parts.requests;
    this.#ways = parts;
    this.#rewatches = new PassedRewatches(turn, cells);
    this.#rounds = new HomeRounds(turn, cells, {
      say: (...said) => this.#say(...said),
      vote: (account, ask) => this.#vote(account, ask),
      set: (account, register) => this.#set(account, register),
      chosen: (account, home) => this.#chosen(account, home),
    });
    this.moves = new Moves(turn, cells, {
      ...parts,
      decide: (account) => this.#decideMove(account),
      tellHome: (account, cell) => this.#tellHome(account, cell),
      packet: (carried) => this.packet(carried),
    });
  }

  /** Whether a `tick` has anything to look at. */
  get ticking(): boolean {
    return this.#rounds.size + this.#questions.size > 0 || this.moves.ticking;
  }

  /** Asks again, begins rounds, ends questions. */
  tick(): void {
    const nowMs = this.#turn.now.mono;
    const { homes } = this.#requests.waiting;
    this.#rounds.keep((name) => homes.includes(name) || this.moves.decides(name));
    for (const name of homes) {
      if (this.#rounds.isDue(name)) this.#whenLoaded(name, (a) => this.#go(a));
    }
    this.moves.tick();
    for (const [name, { untilMs }] of this.#questions) {
      if (untilMs <= nowMs) this.#questions.delete(name);
    }
    for (const [name, untilMs] of this.#nobody) {
      if (untilMs > nowMs) break;
      this.#nobody.delete(name);
    }
  }

  #whenLoaded(name: AccountName, run: (account: Account) => void): void {
    this.#accounts.whenLoaded([name], () => {
      const account = this.#accounts.get(name);
      if (account !== undefined) run(account);
    });
  }

  /** Forgets rounds and questions: the shard reads its log again. */
  forget(): void {
    this.#rounds.clear();
    this.#questions.clear();
    this.moves.forget();
  }

  /** Whether a packet is for an account that is at home here, and not about its home or its presence. */
  isHere(account: Account, { kind }: ShardPacket): boolean {
    return kind !== "name" && kind !== "move" && kind !== "proxy" &&
      isHere(account, this.#cells.self);
  }

  /** Takes a packet: what is for a name of this cell goes on as ever. */
  packet(carried: Carried): void {
    const { packet } = carried;
    const frozen = this.#turn.accounts.frozen(packet.to);
    if (frozen !== undefined) return this.#whileFrozen(frozen, carried);
    // No interest in the user may overtake what its home has said.
    if (packet.kind === "proxy" && this.#ways.proxies.takeNow(packet)) return;
    this.#accounts.whenLoaded([packet.to], () => {
      const account = this.#accounts.get(packet.to);
      if (account !== undefined) return this.#take(account, carried);
      // All others are sent again. It must not be taken for one to an account that does not exist.
      if (!isRepeated(packet) && this.#accounts.unread(packet.to)) this.#ways.again(packet);
    });
  }

  /** Nothing may change such an account but what decides about its home. */
  #whileFrozen(account: Account, carried: Carried): void {
    const { packet } = carried;
    if (packet.kind === "name") return this.#said(account, packet);
    if (packet.kind === "move") return this.moves.said(account, packet);
    if (this.moves.hold(carried)) return;
    if (!isRepeated(packet)) this.#ways.again(packet);
  }

  #take(account: Account, carried: Carried): void {
    const { packet } = carried;
    if (packet.kind === "name") return this.#said(account, packet);
    if (packet.kind === "move") return this.moves.said(account, packet);
    if (packet.kind === "proxy" && this.#ways.proxy(packet)) return;
    if (isHere(account, this.#cells.self)) return this.#ways.here(packet);
    // Interest in a user who was here before ends, wherever the name is now: it is said only once.
    if (packet.kind === "proxy" && packet.message.kind === "uninterest") this.#ways.here(packet);
    const home = homeOf(account, this.#cells.self);
    if (home !== null) return this.#abroad(account, home.value, carried);
    const untilMs = this.#nobody.get(account.name) ?? 0;
    if (untilMs > this.#turn.now.mono) return this.#ways.here(packet);
    this.#hold(account, carried);
  }

  /** Passes a packet on, once all that it rests on is committed. */
  #abroad(account: Account, cell: CellName, { packet, hops, sender }: Carried): void {
    if (hops >= HOPS_MAX) return;
    if (packet.kind === "rewatch") this.#rewatches.add(cell, packet);
    const later = sender !== null && sender.runtime.batch > account.runtime.batch;
    this.#turn.emit(later ? sender : account, { kind: "abroad", cell, packet, hops: hops + 1 });
  }

  /** Asks the other cells for the home of a name; `sought` follows, unless what they say is lost. */
  seek(name: AccountName): void {
    this.#whenLoaded(name, (account) => {
      if (homeOf(account, this.#cells.self) === null) this.#hold(account, null);
      else this.#ways.sought(name, true);
    });
  }

  /** Keeps a packet until the other cells have said which of them has the name. */
  #hold(account: Account, carried: Carried | null): void {
    const { mono } = this.#turn.now;
    let question = this.#questions.get(account.name);
    if (question === undefined) {
      if (this.#questions.size >= ASKED_MAX) return;
      const left = new Set(this.#cells.peers);
      question = { untilMs: mono + WHERE_MS, askedMs: -Infinity, left, held: [] };
      this.#questions.set(account.name, question);
    }
    if (carried !== null && question.held.length < HELD_MAX) question.held.push(carried);
    if (mono - question.askedMs < WHERE_AGAIN_MS) return;
    question.askedMs = mono;
    for (const cell of question.left) this.#say(account, cell, { kind: "where" });
    if (question.left.size === 0) this.#answered(account, question);
  }

  #answered(account: Account, { held }: Question): void {
    this.#questions.delete(account.name);
    if (homeOf(account, this.#cells.self) === null) {
      this.#nobody.delete(account.name);
      this.#nobody.set(account.name, this.#turn.now.mono + NOBODY_MS);
      this.#ways.sought(account.name, false);
    }
    for (const carried of held) this.packet(carried);
  }

  // ---- what the shards of a name say to each other

  #say(account: Account, cell: CellName, message: NameMessage): void {
    const { name } = account;
    const said = { cell: this.#cells.self, voters: this.#cells.version, message };
    const packet: ShardPacket = { kind: "name", from: name, to: name, ...said };
    this.#turn.emit(account, { kind: "abroad", cell, packet, hops: 0 });
  }

  #said(account: Account, { cell, voters, message }: NamePacket): void {
    const { self, version } = this.#cells;
    switch (message.kind) {
      case "prepare":
      case "accept": {
        if (voters < version) return this.#say(account, cell, { kind: "outdated" });
        if (!this.#turn.writable) return;
        return this.#say(account, cell, this.#vote(account, message));
      }
      case "promise":
      case "accepted":
      case "refused":
        return this.#rounds.count(account, cell, message);
      case "outdated":
        // The list of voters is on its way by gossip: the next round has it.
        return this.#rounds.overtaken(account, NO_BALLOT);
      case "told":
        if (!this.#turn.writable) return;
        this.#learn(account, message.chosen);
        return this.#say(account, cell, { kind: "told_ack", chosen: message.chosen });
      case "told_ack":
        return this.#acked(account, cell, message.chosen);
      case "where":
        return this.#say(account, cell, { kind: "there", chosen: decidedOf(account, self) });
      case "there":
        return this.#there(account, cell, message.chosen);
    }
  }

  #set(account: Account, register: NameRegister): void {
    const { promised, accepted, chosen, telling } = register;
    this.#turn.append(account, { kind: "name_register", promised, accepted, chosen, telling });
  }

  /** Votes; what the vote promises is committed before it leaves. */
  #vote(account: Account, ask: Ask<CellName>): Vote<CellName> {
    const register = registerOf(account, this.#cells.self);
    const { state, vote: given } = vote(register, ask);
    if (given.kind !== "refused") this.#set(account, { ...register, ...state });
    return given;
  }

  /** Takes a home that was decided, from whichever cell knows it. */
  #learn(account: Account, chosen: Home): void {
    const register = withChosen(registerOf(account, this.#cells.self), chosen);
    if (register === null) return;
    this.#set(account, register);
    this.#nobody.delete(account.name);
    this.#decided(account);
  }

  #there(account: Account, cell: CellName, chosen: Home | null): void {
    if (chosen !== null && this.#turn.writable) this.#learn(account, chosen);
    const question = this.#questions.get(account.name);
    if (question === undefined) return;
    question.left.delete(cell);
    const known = homeOf(account, this.#cells.self) !== null;
    if (known || question.left.size === 0) this.#answered(account, question);
  }

  // ---- proposals of this cell

  /** Goes on deciding the home of a name for the requests that wait for it. */
  #go(account: Account): void {
    const { self } = this.#cells;
    const { waiting } = this.#requests;
    const { name } = account;
    const home = homeOf(account, self)?.value ?? null;
    if (waiting.releases(name) && home === self) return this.#giveUp(account);
    if (home !== null) return this.#decided(account);
    if (!this.#turn.writable) return;
    const wanted = waiting.homeOf(name) ?? self;
    this.#rounds.go(account, (home) => home === null || home === NO_HOME ? wanted : home);
  }

  /** Goes on deciding that the name of a removed account has no home. */
  #giveUp(account: Account): void {
    const { self } = this.#cells;
    if (!this.#turn.writable) return;
    this.#rounds.go(account, (home) => home === null || home === self ? NO_HOME : home);
  }

  /** Decides the home of a name: the request that waits for it is the first to. */
  decide(account: Account): void {
    if (!this.#rounds.has(account.name)) this.#go(account);
  }

  /** Goes on deciding that an account of this cell moves: only from here does it. */
  #decideMove(account: Account): void {
    const { self } = this.#cells;
    const to = account.leaving!.to;
    if (!this.#turn.writable || !this.#rounds.isDue(account.name)) return;
    this.#rounds.go(account, (home) => home === null || home === self ? to : home);
  }

  /** Tells a cell the home once more, which has asked. */
  #tellHome(account: Account, cell: CellName): void {
    const chosen = homeOf(account, this.#cells.self);
    if (chosen !== null) this.#say(account, cell, { kind: "told", chosen });
  }

  /** The home is decided: all other cells are to learn it. */
  #chosen(account: Account, chosen: Home): void {
    const { peers, self } = this.#cells;
    const register = withChosen(registerOf(account, self), chosen);
    if (register !== null) this.#set(account, { ...register, telling: [...peers] });
    this.tell(account, false);
    this.#decided(account);
  }

  #decided(account: Account): void {
    const { name } = account;
    this.#rounds.delete(name);
    this.moves.decided(account);
    const home = homeOf(account, this.#cells.self);
    if (home !== null) this.#ways.proxies.homeChanged(name, home.value);
    this.#requests.homeDecided(name);
    this.#ways.sought(name, home !== null);
    this.#giveUpLate(account);
  }

  /** The name was given up, but who wanted that does not wait any more. */
  #giveUpLate(account: Account): void {
    if (account.state !== "closed" || !this.#turn.writable) return;
    if (decidedOf(account, this.#cells.self)?.value === this.#cells.self) return;
    this.#turn.append(account, { kind: "released" });
  }

  // ---- what other cells are to learn

  /** Sends the home to cells that have not acknowledged it, and again after a while. */
  tell(account: Account, again = true): void {
    const { chosen, telling } = account.register ?? { chosen: null, telling: [] };
    const linked = telling.filter((cell) => this.#cells.isLinked(cell));
    // The others learn it when they are linked again.
    if (chosen === null || linked.length === 0) return;
    for (const cell of linked) this.#say(account, cell, { kind: "told", chosen });
    const { retries } = this.#turn;
    const random = spreadOf(account.name, linked.length);
    const wait = again ? retries.againMs("told", 1, random) : retries.waitMs("told", 1, random);
    this.#turn.scheduleHome(account, wait);
  }

  #acked(account: Account, cell: CellName, { ballot }: Home): void {
    const { register } = account;
    if (register?.chosen == null || !this.#turn.writable) return;
    if (compareBallots(register.chosen.ballot, ballot) !== 0) return;
    if (!register.telling.includes(cell)) return;
    this.#set(account, { ...register, telling: register.telling.filter((c) => c !== cell) });
  }

  /** A cell can be reached again: accounts in memory tell it what they owe it. */
  linked(cell: CellName): void {
    this.#rewatches.linked(cell);
    for (const account of this.#turn.accounts.all()) {
      if (account.register?.telling.includes(cell) !== true) continue;
      this.#turn.scheduleHome(account, HOME_SPREAD_MS * spreadOf(account.name, 0));
    }
  }
}
