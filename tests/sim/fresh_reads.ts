/**
 * Reads of accounts through any node are never behind what any node has replied before they began: an
 * owner that another one has followed serves nothing from memory.
 */
import type { Withdraw } from "../../server/node/router.ts";
import type { AccountId, AccountName } from "../../shard/name/ids.ts";
import type { InterestAnswer, InterestItem } from "../../shard/edge_packet.ts";
import type { OpName, Ops } from "../../shard/ops.ts";
import type { Result } from "../../shard/errors.ts";
import { isUndecided } from "../../shard/presence/returning.ts";
import { Violation } from "./history.ts";

/** How far mailboxes of a user are known to be, by their ids. */
type Marks = ReadonlyMap<string, number>;

const NONE: Marks = new Map();

/** What it looks at. */
export interface Watched {
  request<K extends OpName>(
    name: AccountName,
    op: K,
    input: Ops[K]["in"],
    done: (result: Result<Ops[K]["out"]>) => void,
    account?: AccountId,
  ): Withdraw | void;
  interest(
    items: readonly InterestItem[],
    done: (answers: readonly InterestAnswer[]) => void,
  ): void;
}

/** See the head of this file. One for all nodes. */
export class FreshReads {
  readonly #marks = new Map<AccountName, Marks>();
  readonly #mailboxes = new Map<AccountId, string>();
  readonly #epochs = new Map<AccountName, number>();

  /** Looks at everything that `node` is asked from now on. */
  watch(node: Watched): void {
    const request = node.request.bind(node);
    node.request = (name, op, input, done, account) => {
      const before = this.#marks.get(name) ?? NONE;
      return request(name, op, input, (result) => {
        if (result.ok) this.#replied(name, op, result.value, before, account);
        done(result);
      }, account);
    };
    const interest = node.interest.bind(node);
    node.interest = (items, done) => {
      const before = new Map(items.map(({ watched }) => [watched, this.#epochs.get(watched) ?? 0]));
      interest(items, (answers) => {
        for (const answer of answers) this.#answered(answer, before.get(answer.watched) ?? 0);
        done(answers);
      });
    };
  }

  #replied(
    name: AccountName,
    op: OpName,
    value: unknown,
    before: Marks,
    account: AccountId | undefined,
  ): void {
    if (op === "message.send") {
      const mailbox = account === undefined ? undefined : this.#mailboxes.get(account);
      if (mailbox === undefined) return;
      return this.#know(name, mailbox, (value as Ops["message.send"]["out"]).seq);
    }
    const read = readOf(op, value);
    if (read === null) return;
    const { mailboxId, seq } = read;
    const known = before.get(mailboxId) ?? 0;
    if (seq < known) {
      const text = `${op} of ${name} returns ${mailboxId}:${seq}, though ${known} was known before`;
      throw new Violation("reads are not stale", text, [name]);
    }
    this.#know(name, mailboxId, seq);
    if (op !== "session.attach") return;
    this.#mailboxes.set((value as Ops["session.attach"]["out"]).id, mailboxId);
  }

  #know(name: AccountName, mailboxId: string, seq: number): void {
    const marks = this.#marks.get(name) ?? NONE;
    if ((marks.get(mailboxId) ?? 0) < seq) {
      this.#marks.set(name, new Map(marks).set(mailboxId, seq));
    }
  }

  #answered({ watched, presence }: InterestAnswer, known: number): void {
    if (presence === null || isUndecided(presence)) return;
    const { epoch } = presence;
    if (epoch < known) {
      const text = `presence of ${watched} is of epoch ${epoch}, though ${known} was known before`;
      throw new Violation("reads are not stale", text, [watched]);
    }
    if (epoch > (this.#epochs.get(watched) ?? 0)) this.#epochs.set(watched, epoch);
  }
}

/** How far a mailbox is, as the reply to a read says; null: it says nothing of that. */
function readOf(op: OpName, value: unknown): { mailboxId: string; seq: number } | null {
  switch (op) {
    case "session.attach":
    case "mailbox.read":
      return value as Ops["session.attach" | "mailbox.read"]["out"];
    case "mailbox.snapshot": {
      const { mailboxId, snapshot } = value as Ops["mailbox.snapshot"]["out"];
      return { mailboxId, seq: snapshot.seq };
    }
    default:
      return null;
  }
}
