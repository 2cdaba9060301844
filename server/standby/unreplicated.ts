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

/** Messages under their senders' names, each once, in the order of their times. */
export function messagesOf(all: readonly Unreplicated[]): readonly UnreplicatedMessage[] {
  const names = new Map<AccountId, AccountName>();
  for (const one of all) if (one.kind === "name") names.set(one.account, one.name);
  const found = new Map<string, UnreplicatedMessage>();
  for (const one of all) {
    if (one.kind === "name") continue;
    const from = one.kind === "sent" ? one.message.from : names.get(one.account);
    if (from === undefined) continue;
    const key = JSON.stringify([from, one.message.id]);
    if (!found.has(key)) found.set(key, { ...one.message, from });
  }
  return [...found.values()].sort((a, b) => a.at - b.at);
}
