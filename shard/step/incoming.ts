/** Inputs that need accounts and are no requests: packets of other accounts, interests, sweeps. */
import type { AccountAccess } from "./account_access.ts";
import type { AccountName } from "../name/ids.ts";
import type { Requests } from "./requests.ts";
import type { ShardInput } from "./effects.ts";
import type { ShardPacket } from "../message/packets.ts";
import type { ShardTurn } from "./shard_turn.ts";
import { answerInterest, toLoadFor } from "../presence/interest.ts";
import { receivePacket } from "../message/pair.ts";

/** Handles such inputs, and takes those again that nobody repeats. */
export class Incoming {
  readonly #turn: ShardTurn;
  readonly #accounts: AccountAccess;
  readonly #requests: Requests;
  /** Inputs to be taken again at the next tick, because an account could not be loaded. */
  #again: ShardInput[] = [];

  constructor(turn: ShardTurn, accounts: AccountAccess, requests: Requests) {
    this.#turn = turn;
    this.#accounts = accounts;
    this.#requests = requests;
  }

  /** Number of inputs to be taken again. */
  get again(): number {
    return this.#again.length;
  }

  /** Takes the inputs to be taken again. */
  takeAgain(): readonly ShardInput[] {
    const again = this.#again;
    this.#again = [];
    return again;
  }

  packet(packet: ShardPacket): void {
    if (packet.kind === "resolved") {
      return this.#requests.resolved(packet.to, packet.from, packet.fromId);
    }
    this.#accounts.whenLoaded([packet.to], () => {
      const account = this.#accounts.get(packet.to);
      if (account !== undefined) receivePacket(this.#turn, account, packet);
      // The only packet that is neither sent again nor without consequence.
      else if (packet.kind === "rewatch" && this.#accounts.unread(packet.to)) {
        this.#again.push({ kind: "packet", packet });
      }
    });
  }

  /** Handles the packets that the shard has sent to its own users. */
  deliverLocal(): void {
    for (;;) {
      const packets = this.#turn.takeLocal();
      if (packets.length === 0) return;
      for (const packet of packets) this.packet(packet);
    }
  }

  /** Nobody repeats it: where an account cannot be loaded now, it is tried again. */
  interest(input: ShardInput & { kind: "interest" }): void {
    const find = (name: AccountName) => this.#turn.accounts.peek(name);
    const missing = () => toLoadFor(this.#turn, input.items);
    const names = missing();
    if (names.length === 0) return answerInterest(this.#turn, input, find);
    this.#accounts.whenLoaded(names, () => {
      // By now an account may be needed that was not before.
      if (missing().some((n) => this.#accounts.unread(n))) this.#again.push(input);
      else answerInterest(this.#turn, input, find);
    });
  }

  /** Loads an account that owes packets or receipts: loading it schedules them. */
  owing(name: AccountName): void {
    this.#accounts.whenLoaded([name], () => {
      if (this.#accounts.unread(name)) this.#again.push({ kind: "owing", names: [name] });
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
