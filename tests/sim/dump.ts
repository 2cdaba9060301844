/** Everything durable that a cluster's nodes know of its accounts, read when nothing moves. */
import type { AccountName } from "../../shard/name/ids.ts";
import type { AccountView, MailboxEvent, OpName, Ops, Snapshot } from "../../shard/ops.ts";
import type { Result } from "../../shard/errors.ts";
import type { SimNode } from "./sim_node.ts";
import type { Cluster } from "./cluster.ts";
import { Violation } from "./history.ts";

/** One account as its shard knows it; null parts where there is no active account. */
export interface AccountDump {
  readonly name: string;
  readonly info: AccountView | null;
  readonly snapshot: Snapshot | null;
  readonly mailboxId: string;
  readonly events: readonly MailboxEvent[];
}

/** Longest wait for an answer in a quiescent cluster, ms. */
const ANSWER_MS = 15_000;

/** Asks a node and lets time run until it answers. */
export function ask<K extends OpName>(
  cluster: Cluster,
  node: SimNode,
  name: string,
  op: K,
  input: Ops[K]["in"],
): Result<Ops[K]["out"]> {
  let result: Result<Ops[K]["out"]> | null = null;
  node.running.node.request(name as AccountName, op, input, (r) => result = r);
  cluster.await(`${op} of ${name}`, () => result === null, ANSWER_MS);
  return result!;
}

function must<T>(what: string, name: string, result: Result<T>): T {
  if (result.ok) return result.value;
  throw new Violation("liveness", `${what} of ${name}: ${result.code} ${result.message}`, [name]);
}

/** Reads one account. */
export function dumpAccount(cluster: Cluster, node: SimNode, name: string): AccountDump {
  const info = ask(cluster, node, name, "account.info", {});
  if (!info.ok || info.value.state !== "active") {
    const view = info.ok ? { ...info.value, sessions: 0 } : null;
    return { name, info: view, snapshot: null, mailboxId: "", events: [] };
  }
  const taken = ask(cluster, node, name, "mailbox.snapshot", {});
  const { snapshot, mailboxId } = must("snapshot", name, taken);
  const events: MailboxEvent[] = [];
  let cursor: Ops["mailbox.read"]["in"]["cursor"] = null;
  for (;;) {
    const input: Ops["mailbox.read"]["in"] = { cursor, limit: 100, bytesMax: 30_000 };
    const page: Ops["mailbox.read"]["out"] = must(
      "mailbox",
      name,
      ask(cluster, node, name, "mailbox.read", input),
    );
    events.push(...page.events);
    const seq = page.events.at(-1)?.seq ?? page.seq;
    if (seq >= page.seq) break;
    cursor = { mailboxId: page.mailboxId, seq };
  }
  return { name, info: { ...info.value, sessions: 0 }, snapshot, mailboxId, events };
}

/** Reads all accounts, and a name that nobody has. */
export function dumpAll(cluster: Cluster): AccountDump[] {
  const names = [...cluster.people.map((p) => p.name), "nobody"];
  return names.map((name) => dumpAccount(cluster, cluster.nodeOf(name), name));
}
