/**
 * Packets with a change of a message that is in a block of the store: they are taken once that block
 * was read. What cannot wait is dropped, for its sender sends it again.
 */
import type { Account } from "../account/account.ts";
import type { AccountAccess } from "./account_access.ts";
import type { AccountId } from "../name/ids.ts";
import { CorruptBytes } from "../record/bytes.ts";
import { MailNeeded } from "../handlers/peer_changes.ts";
import { receivePacket } from "../handlers/pair.ts";
import type { RequestId, ShardInput } from "../effects.ts";
import type { ShardPacket } from "../message/packets.ts";
import type { ShardTurn } from "./shard_turn.ts";

/** Packets that wait at once. */
const WAITING_MAX = 64;

interface Waiting {
  readonly packet: ShardPacket;
  readonly account: Account;
  readonly replaced: number;
  readonly blocks: ReadonlyMap<number, Uint8Array>;
}

/** See the head of this file. */
export class ChangePackets {
  readonly #turn: ShardTurn;
  readonly #accounts: AccountAccess;
  readonly #waiting = new Map<RequestId, Waiting>();
  /** Requests of callers have positive numbers. */
  #last: RequestId = 0;

  constructor(turn: ShardTurn, accounts: AccountAccess) {
    this.#turn = turn;
    this.#accounts = accounts;
  }

  /** Packets that wait. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Takes a packet, now or once the blocks that it needs were read. */
  take(account: Account, packet: ShardPacket, mail = new MailNeeded()): void {
    receivePacket(this.#turn, account, packet, mail);
    const first = mail.need;
    if (first === null || this.#waiting.size >= WAITING_MAX) return;
    const { name, point, mailbox } = account;
    const request = --this.#last;
    const { replaced } = mailbox;
    this.#waiting.set(request, { packet, account, replaced, blocks: mail.blocks });
    const of = { request, name, point, id: account.id as AccountId };
    this.#turn.emit(null, { kind: "load_block", ...of, table: "m", first });
  }

  /** A block was read; returns whether a packet has waited for it. */
  loaded(input: ShardInput & { readonly kind: "block_loaded" }): boolean {
    const { request, first, bytes, damage } = input;
    const waiting = this.#waiting.get(request);
    if (waiting === undefined) return request < 0;
    this.#waiting.delete(request);
    const { packet, account, replaced, blocks } = waiting;
    const { name, mailbox } = account;
    // Another one has its place, or it has changed since: the packet comes again.
    if (this.#accounts.get(name) !== account || mailbox.replaced !== replaced) return true;
    if (bytes === "failed") return true;
    if (bytes !== null && damage === undefined) {
      const more = new MailNeeded(new Map(blocks).set(first, bytes));
      const taken = this.#accounts.readable(name, () => {
        this.take(account, packet, more);
        return true;
      });
      if (taken !== null) return true;
    } else if (damage !== undefined) {
      this.#accounts.readable(name, () => {
        throw new CorruptBytes(`account ${name}: ${damage}`);
      });
    }
    this.take(account, packet, new MailNeeded(blocks, true));
    return true;
  }
}
