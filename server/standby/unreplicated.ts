/**
 * What a former primary has acknowledged alone, and another place that took over does not have: the
 * messages of its users, as they are in rows that are about to be replaced. They are sent again under
 * their own ids: one that the other place has after all gets the result of the first time.
 */
import type { AccountId, AccountName, DeviceId } from "../../shard/name/ids.ts";
import { CorruptBytes } from "../../shard/record/bytes.ts";
import { decodeBlock, decodeEvent } from "../../shard/mailbox/mailbox_event.ts";
import { headTail } from "../../shard/account/head_tail.ts";
import { checkRow } from "../store/row_checksum.ts";
import { readRecord } from "../../shard/account/records.ts";
import type { Row } from "../node/ports.ts";

/** A message that a user has sent, as its own mailbox or the log has it. */
export interface UnreplicatedMessage {
  readonly from: AccountName;
  readonly to: AccountName;
  readonly id: string;
  readonly body: string;
  readonly ext: string;
  readonly device: DeviceId;
  /** When it was accepted (ms since 1970). */
  readonly at: number;
}

/** What a row has: messages of an account of which the name or only the id is known, and names. */
export type Unreplicated =
  | { readonly kind: "name"; readonly account: AccountId; readonly name: AccountName }
  | { readonly kind: "sent"; readonly message: UnreplicatedMessage }
  | {
    readonly kind: "sent by";
    readonly account: AccountId;
    readonly message: Omit<UnreplicatedMessage, "from">;
  };

/** What a row of before has, as it is stored; nothing where it is damaged. */
export function unreplicatedIn({ key, value: stored }: Row): readonly Unreplicated[] {
  const row = checkRow(key, stored, false);
  if (row.kind === "damaged") return [];
  const { value } = row;
  const [table, , owner, part] = key;
  try {
    if (table === "log") return inRecord(value);
    if (table === "m") return sentBy(owner as AccountId, decodeBlock(value));
    if (table === "u" && part === 0 && key.length === 4) return inHead(owner as AccountName, value);
  } catch (error) {
    if (!(error instanceof CorruptBytes)) throw error;
  }
  return [];
}

function inRecord(record: Uint8Array): readonly Unreplicated[] {
  return readRecord(record).flatMap(({ account, entry }): Unreplicated[] => {
    if (entry.kind !== "sent" && entry.kind !== "sent_waiting") return [];
    const { at, body, device, ext, id, to } = entry;
    return [{ kind: "sent", message: { from: account, to, id, body, ext, device, at } }];
  });
}

/** The events behind the blocks: the first row of a head has them, however large the head is. */
function inHead(name: AccountName, first: Uint8Array): readonly Unreplicated[] {
  const tail = headTail(name, first);
  if (tail === null) return [];
  // Blocks of the same account have its id alone.
  return [{ kind: "name", account: tail.id, name }, ...sentBy(tail.id, tail.events)];
}

function sentBy(account: AccountId, events: readonly Uint8Array[]): readonly Unreplicated[] {
  return events.flatMap((bytes): Unreplicated[] => {
    const event = decodeEvent(bytes, 0);
    if (event.kind !== "message" || !event.out) return [];
    const { at, body, device, ext, id, with: to } = event;
    const message = { to, id, body, ext, device: device as DeviceId, at };
    return [{ kind: "sent by", account, message }];
  });
}

/** Where the messages of a file are, and the names of their senders, which may come behind them. */
export class UnreplicatedIndex {
  readonly #names = new Map<AccountId, AccountName>();
  readonly #found: { readonly place: number; readonly at: number }[] = [];

  add(one: Unreplicated, place: number): void {
    if (one.kind === "name") this.#names.set(one.account, one.name);
    else this.#found.push({ place, at: one.message.at });
  }

  /** The places, in the order of the messages' times. */
  get places(): readonly number[] {
    return this.#found.sort((a, b) => a.at - b.at).map(({ place }) => place);
  }

  /** A message under its sender's name; null where it is none, or nobody has the account any more. */
  messageOf(one: Unreplicated | null): UnreplicatedMessage | null {
    if (one === null || one.kind === "name") return null;
    if (one.kind === "sent") return one.message;
    const from = this.#names.get(one.account);
    return from === undefined ? null : { ...one.message, from };
  }
}
