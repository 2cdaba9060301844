/** The accounts of a damaged store, asked one after another as an edge would ask. */
import type { AccountName, DeviceId } from "../../../shard/name/ids.ts";
import type { Failure, Result } from "../../../shard/errors.ts";
import type { MailboxEvent, OpName, Ops } from "../../../shard/ops.ts";
import type { Node } from "../../../server/node/node.ts";

/** Names of the accounts, in a store with this many. */
export function namesOf(count: number): AccountName[] {
  return Array.from({ length: count }, (_, i) => `user${i}` as AccountName);
}

/** Asks the account's shard. */
export function ask<K extends OpName>(
  node: Node,
  name: AccountName,
  op: K,
  input: Ops[K]["in"],
): Promise<Result<Ops[K]["out"]>> {
  return new Promise((resolve) => node.request(name, op, input, resolve));
}

/** Asks, and throws where it is refused. */
export async function must<K extends OpName>(
  node: Node,
  name: AccountName,
  op: K,
  input: Ops[K]["in"],
): Promise<Ops[K]["out"]> {
  const result = await ask(node, name, op, input);
  if (!result.ok) throw new Error(`${op} of ${name}: ${result.code}: ${result.message}`);
  return result.value;
}

/** Sends a message whose text says from whom it is, to whom, and its number. */
export async function send(
  node: Node,
  from: AccountName,
  to: AccountName,
  id: string,
  chars: number,
): Promise<void> {
  const body = `${from} to ${to} ${id} `.padEnd(chars, "x");
  await must(node, from, "message.send", { device: "phone" as DeviceId, to, id, body, ext: "" });
}

/** All that an account shows of itself; `rest`: contacts, settings and conversations, as text. */
export interface Look {
  readonly events: readonly MailboxEvent[];
  readonly rest: string;
}

/** Reads all that an account shows of itself. */
export async function readAccount(node: Node, name: AccountName): Promise<Look | Failure> {
  const events: MailboxEvent[] = [];
  let cursor: Ops["mailbox.read"]["in"]["cursor"] = null;
  for (;;) {
    const page: Result<Ops["mailbox.read"]["out"]> = await ask(node, name, "mailbox.read", {
      cursor,
      limit: 100,
      bytesMax: 65_536,
    });
    if (!page.ok) return page;
    events.push(...page.value.events);
    const last: number = page.value.events.at(-1)?.seq ?? page.value.seq;
    if (last >= page.value.seq) break;
    cursor = { mailboxId: page.value.mailboxId, seq: last };
  }
  const snapshot = await ask(node, name, "mailbox.snapshot", {});
  if (!snapshot.ok) return snapshot;
  const { roster, messagesFrom, conversations, seq } = snapshot.value.snapshot;
  return { events, rest: JSON.stringify({ roster, messagesFrom, conversations, seq }) };
}

/** The same as text. */
export async function lookAt(node: Node, name: AccountName): Promise<string | Failure> {
  const look = await readAccount(node, name);
  return "events" in look ? JSON.stringify(look) : look;
}
