/** What an account of 10,000 conversations costs: a change of one, and a load. */
import type { AccountId, AccountName, MailboxId } from "../../shard/name/ids.ts";
import { AccountState } from "../../shard/account/account.ts";
import { apply } from "../../shard/account/apply.ts";
import { checkpointRows } from "../../shard/account/checkpoint.ts";
import { encodeHead } from "../../shard/account/head.ts";
import { type HeadRow, readHeadRows } from "../../shard/account/head_rows.ts";
import { type Figure, measure } from "./bench.ts";

const CONVERSATIONS = 10_000;
const NAME = "service" as AccountName;

/** An account that so many users have written to; `write` has one of them write again. */
class Service {
  readonly account = new AccountState(NAME, 0);
  readonly rows = new Map<string, HeadRow>();
  /** Bytes of heads that were written. */
  written = 0;
  #packets = 0;

  constructor() {
    const id = "A".repeat(16) as AccountId;
    const mailboxId = "M".repeat(16) as MailboxId;
    apply(this.account, { kind: "created", id, mailboxId, at: 1, credentials: null });
    for (let i = 0; i < CONVERSATIONS; i++) this.write(i);
    this.account.runtime.measured = false;
    this.checkpoint(1);
  }

  write(i: number): void {
    const from = `user-of-a-bot-${i}` as AccountName;
    const fromId = String(i).padStart(16, "B") as AccountId;
    const seq = this.account.mailbox.last + 1;
    const message = { num: 1, id: "m", body: "x", ext: "" };
    const n = ++this.#packets;
    apply(this.account, { kind: "received", from, fromId, n, seq, at: seq, ...message });
    apply(this.account, { kind: "read", with: from, upTo: seq });
  }

  checkpoint(lsn: number): void {
    for (let complete = false; !complete;) {
      const part = checkpointRows(this.account, lsn);
      complete = part.complete;
      this.account.dedupe.saved();
      for (const { key, value } of part.rows) {
        if (key[0] !== "u") continue;
        if (value === null) this.rows.delete(key.join(" "));
        else this.rows.set(key.join(" "), { key, value });
        this.written += value?.length ?? 0;
      }
    }
  }

  stored(): HeadRow[] {
    const compare = (x: HeadRow, y: HeadRow): number => {
      const at = x.key.findIndex((part, i) => part !== y.key[i]);
      return at < 0 ? x.key.length - y.key.length : Number(x.key[at]) - Number(y.key[at]);
    };
    return [...this.rows.values()].sort(compare);
  }
}

/** Figures of a large account. */
export function largeAccount(): Figure[] {
  const service = new Service();
  const { written } = service;
  let lsn = 1;
  const change = measure(500, () => {
    service.write((37 * ++lsn) % CONVERSATIONS);
    service.checkpoint(lsn);
  });
  const bytes = Math.round((service.written - written) / (lsn - 1));
  const rows = service.stored();
  const load = measure(20, () => readHeadRows(new AccountState(NAME, 0), rows));
  const whole = measure(20, () => encodeHead(service.account, 1));
  return [
    [`account: one changed of ${CONVERSATIONS} conversations, with its checkpoint`, change, "µs"],
    ["account: bytes of that checkpoint", bytes, "B"],
    ["account: load of that account", load, "µs"],
    ["account: all of it as one piece", whole, "µs"],
  ];
}
