/**
 * The questions that the shard which stands for a user of another cell asks the home: who may watch.
 * They are numbered, and of each watcher only the reply to the last one counts: what a home says goes
 * over several links, so that an earlier reply may come later.
 */
import type { AccountName } from "../name/ids.ts";
import type { Asking, ProxyMessage } from "../federation/proxy_message.ts";
import type { Presentity } from "../presence/presence.ts";
import type { Proxied } from "../presence/proxied.ts";
import type { ShardTurn } from "./shard_turn.ts";

/** A user of another cell, and what this one knows of it. */
export type Standing = Presentity & { readonly proxied: Proxied };

/** See the head of this file. */
export class Questions {
  readonly #turn: ShardTurn;
  /** The last number that was given. */
  #asked = 0;

  constructor(turn: ShardTurn) {
    this.#turn = turn;
  }

  /** The next number at this epoch. They follow the time, so that those of successors are higher. */
  next(): Asking {
    const { now, row: { epoch } } = this.#turn;
    this.#asked = Math.max(this.#asked + 1, Math.floor(now.mono * 1000));
    return { epoch, asked: this.#asked };
  }

  /** The question whether these may watch; replies to earlier ones do not count any more. */
  about({ id, proxied }: Standing, names: readonly AccountName[]): ProxyMessage {
    const { asked, epoch } = this.next();
    const watchers = names.map((watcher) => {
      const of = proxied.watchers.get(watcher)!;
      of.asked = asked;
      of.askedSince = false;
      return { watcher, watcherId: of.id };
    });
    return { kind: "interest", epoch, asked, watchedId: id, watchers };
  }
}
