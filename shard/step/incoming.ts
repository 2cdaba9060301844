/** Inputs that need accounts and are no requests: packets of other accounts, interests, sweeps. */
import type { AccountAccess } from "./account_access.ts";
import type { Account } from "../account/account.ts";
import type { AccountName, CellName, NodeId } from "../name/ids.ts";
import type { Attempts } from "./attempts.ts";
import { ChangePackets } from "./change_packets.ts";
import { cellNode } from "../federation/cell_node.ts";
import { DoubtedInterests } from "./doubted_interests.ts";
import type { InterestItem } from "../edge_packet.ts";
import { type Asking, isLater, itemsOf } from "../federation/proxy_message.ts";
import type { Names } from "./names.ts";
import type { Proxies } from "./proxies.ts";
import type { Requests } from "./requests.ts";
import type { ShardInput } from "../effects.ts";
import type { ShardPacket } from "../message/packets.ts";
import type { ShardTurn } from "./shard_turn.ts";
import { answerInterest, seesNobody, toLoadFor } from "../handlers/interest.ts";
import { endSession } from "../handlers/last_seen.ts";
import { hurryOwed } from "../handlers/owed_packets.ts";
import { spreadOf } from "../retry.ts";
import { receivePacket, retryOwed } from "../handlers/pair.ts";
import { WaitingInterests } from "./waiting_interests.ts";

/** Handles such inputs, and takes those again that nobody repeats. */
export class Incoming {
  readonly #turn: ShardTurn;
  readonly #accounts: AccountAccess;
  readonly #requests: Requests;
  readonly #attempts: Attempts;
  /** By other cells: the last question of each for the presence of users of this one. */
  readonly #asking = new Map<NodeId, Map<AccountName, Asking>>();
  /** Inputs to be taken again at the next tick: an account could not be loaded, or there was a bug. */
  readonly #again: ShardInput[] = [];
  readonly #interests = new WaitingInterests();
  /** By other cells: interests that may be nobody's any more. */
  readonly doubted: DoubtedInterests;
  /** Packets that wait for blocks of mailboxes. */
  readonly changes: ChangePackets;
  /** The homes of names; null in a lone cell. */
  names: Names | null = null;
  /** The presence of users of other cells; null in a lone cell. */
  proxies: Proxies | null = null;

  constructor(
    turn: ShardTurn,
    accounts: AccountAccess,
    requests: Requests,
    attempts: Attempts,
  ) {
    this.#turn = turn;
    this.#accounts = accounts;
    this.#requests = requests;
    this.#attempts = attempts;
    this.doubted = new DoubtedInterests(turn);
    this.changes = new ChangePackets(turn, accounts);
  }

  /** Whether inputs are to be taken again. */
  get takesAgain(): boolean {
    return this.#again.length > 0;
  }

  /** Whether no input is to be taken again or later. */
  get quiescent(): boolean {
    return !this.takesAgain && this.changes.waiting === 0;
  }

  /** Calls `take` for each input that is to be taken again. */
  retry(take: (input: ShardInput) => void): void {
    for (let left = this.#again.length; left > 0; left--) take(this.#again.shift()!);
  }

  /** A packet, also one for a name of another cell; the only kind that is neither sent again nor without consequence is the rewatch. */
  packet(packet: ShardPacket, hops = 0, sender: Account | null = null): void {
    const { names } = this;
    if (names === null) return this.here(packet);
    // Most are for an account in memory that is at home here: those cost what they cost a lone cell.
    const account = this.#accounts.get(packet.to);
    if (account !== undefined && names.isHere(account, packet)) this.here(packet, account);
    else names.packet({ packet, hops, sender });
  }

  /** Takes a packet once more at the next tick. */
  again(packet: ShardPacket): void {
    this.#again.push({ kind: "packet", packet });
  }

  /** A packet for a name of this cell; `found`: its account, where that is in memory. */
  here(packet: ShardPacket, found?: Account): void {
    if (packet.kind === "proxy") return this.#proxy(packet);
    if (packet.kind === "rewatch") return this.#rewatch(packet);
    if (packet.kind === "resolved") {
      return this.#requests.resolved(packet.to, packet.from, packet.fromId, packet.open);
    }
    const account = found ?? this.#accounts.get(packet.to);
    if (account !== undefined) return this.changes.take(account, packet);
    this.#accounts.whenLoaded([packet.to], () => {
      const account = this.#accounts.get(packet.to);
      if (account !== undefined) this.changes.take(account, packet);
    });
  }

  /** Another cell asks for the presence of a user of this one, as a node does. */
  #proxy({ to, cell, message }: ShardPacket & { readonly kind: "proxy" }): void {
    const node = cellNode(cell);
    if (message.kind !== "interest" && message.kind !== "uninterest") return;
    if (!this.#isNew(node, to, message)) return;
    // A question about nobody does not say that somebody watches.
    if (message.kind !== "interest" || message.watchers.length > 0) this.doubted.said(node, to);
    if (message.kind === "interest") {
      const items = itemsOf(to, message);
      this.interest({ kind: "interest", request: message.asked, node, items });
    } else this.uninterest({ kind: "uninterest", node, watched: [to] });
  }

  /** Whether a cell has asked nothing later about a user: what it has said before does not count. */
  #isNew(node: NodeId, name: AccountName, message: Asking & { readonly kind: string }): boolean {
    const of = this.#asking.get(node) ?? new Map<AccountName, Asking>();
    this.#asking.set(node, of);
    const last = of.get(name);
    // A question that is repeated has the next number.
    if (last !== undefined && isLater(last, message)) return message.kind === "interest";
    if (message.kind === "interest") of.set(name, { epoch: message.epoch, asked: message.asked });
    else of.delete(name);
    return true;
  }

  /** The users that a node has asked to watch by interests that wait for accounts. */
  watchedBy(node: NodeId): readonly AccountName[] {
    return this.#interests.watchedBy(node);
  }

  /** Again, behind the node's interests that are withheld: else they would stay for ever. */
  uninterest(input: ShardInput & { readonly kind: "uninterest" }): void {
    const { presence } = this.#turn;
    for (const name of input.watched) presence.removeInterest(name, input.node);
    this.#interests.end(input.node, input.watched);
    const { settling } = presence;
    if (settling.withholdsFrom(input.node) && settling.watchedBy(input.node).length > 0) {
      settling.withhold(input);
    }
    this.proxies?.unwatch();
  }

  /** What waits for another cell may leave. */
  cellLinked(cell: CellName): void {
    this.names?.linked(cell);
    for (const account of this.#turn.accounts.served()) hurryOwed(this.#turn, account);
  }

  /** What another cell has been sent may be lost: it asks again for what it wants to know. */
  cellUnlinked(cell: CellName): void {
    const node = cellNode(cell);
    this.#asking.delete(node);
    const watched = [...this.#turn.presence.ofEdge(node).watched, ...this.watchedBy(node)];
    if (watched.length > 0) this.uninterest({ kind: "uninterest", node, watched });
  }

  /** The shards of another cell for these points may have forgotten what it asked and what it knew. */
  cellAnnounced({ cell, lo, hi }: ShardInput & { readonly kind: "cell_announced" }): void {
    this.doubted.doubt(cellNode(cell), lo, hi);
    this.proxies?.askAgain(cell, lo, hi);
  }

  #rewatch(packet: ShardPacket & { kind: "rewatch" }): void {
    this.#accounts.whenLoaded([packet.to], () => {
      const again = () => this.again(packet);
      const account = this.#accounts.get(packet.to);
      if (account === undefined && this.#accounts.unread(packet.to)) return void again();
      if (account === undefined) return;
      this.#attempt(packet, () => receivePacket(this.#turn, account, packet), again);
    });
  }

  /** Runs `run`; after a bug `again` puts it off, until it has failed too often: then `giveUp`. */
  #attempt(what: object, run: () => void, again: () => void, giveUp = () => {}): void {
    try {
      run();
    } catch (bug) {
      if (this.#attempts.again(what)) again();
      else giveUp();
      throw bug;
    }
  }

  /** Sends again the packets and receipts that are due. */
  retryDue(): void {
    const { now, retries, timers } = this.#turn;
    timers.takeDue(now.mono, (kind, name) => {
      this.#accounts.whenLoaded([name], () => {
        const account = this.#accounts.get(name);
        if (account !== undefined && kind === "home") return this.names?.tell(account);
        if (account !== undefined) return retryOwed(this.#turn, account, kind);
        timers.set(kind, name, now.mono + retries.againMs("load", 1, spreadOf(name, now.mono)));
      });
    });
  }

  /** Handles the packets that the shard has sent to its own users. */
  deliverLocal(): void {
    for (;;) {
      const packets = this.#turn.takeLocal();
      if (packets.length === 0) return;
      for (const { packet, sender } of packets) this.packet(packet, 0, sender);
    }
  }

  /** Nobody repeats it: where an account cannot be loaded now, it is tried again. */
  interest(input: ShardInput & { kind: "interest" }): void {
    const { settling } = this.#turn.presence;
    if (settling.withholdsFrom(input.node)) return settling.withhold(input);
    this.#interests.asked(input);
    const find = (name: AccountName) => this.#turn.accounts.peek(name);
    const { proxies } = this;
    const abroad = proxies === null
      ? undefined
      : (item: InterestItem, node: NodeId) => proxies.answer(item, node);
    // To await those in memory as well would cost more than the answer.
    const missing = () =>
      toLoadFor(this.#turn, input.items).filter((name) => this.#accounts.get(name) === undefined);
    const again = () => {
      this.#interests.add(input);
      this.#again.push(input);
    };
    const registered = () => {
      answerInterest(this.#turn, input, find, abroad);
      this.#registered(input);
    };
    const giveUp = () => {
      this.#interests.done(input);
      this.#turn.out.push(seesNobody(input));
    };
    const answer = () => this.#attempt(input, registered, again, giveUp);
    const names = missing();
    if (names.length === 0) return answer();
    this.#interests.add(input);
    this.#accounts.whenLoaded(names, () => {
      // By now an account may be needed that was not before.
      if (missing().some((n) => this.#accounts.unread(n))) again();
      else answer();
    });
  }

  /** Ends what the node has given up while its interest waited. */
  #registered(input: ShardInput & { kind: "interest" }): void {
    const ended = this.#interests.done(input);
    if (ended.length === 0) return;
    for (const name of ended) this.#turn.presence.removeInterest(name, input.node);
    this.proxies?.unwatch();
  }

  /** Loads an account that owes packets or receipts: loading it schedules them. */
  owing(name: AccountName): void {
    this.#accounts.whenLoaded([name], () => {
      if (this.#turn.accounts.frozen(name) !== undefined) return;
      if (this.#accounts.unread(name)) this.#again.push({ kind: "owing", names: [name] });
    });
  }

  /** Ends a session, behind what its edge has asked for it; it ends whatever is known of the account. */
  sessionLost({ node, name, session }: ShardInput & { readonly kind: "session_lost" }): void {
    this.#accounts.whenLoaded([name], () => {
      const { now, presence } = this.#turn;
      const attached = presence.find(name, session);
      if (attached?.node !== node) return;
      const account = this.#accounts.get(name);
      if (account !== undefined) endSession(this.#turn, account, attached);
      else presence.detach(name, session, now.wall);
    });
  }

  /** Loads an account and trims what is over age. */
  sweep(name: AccountName): void {
    this.#accounts.whenLoaded([name], () => {
      const account = this.#accounts.get(name);
      if (account !== undefined && this.#turn.writable) this.#turn.trim(account);
    });
  }
}
