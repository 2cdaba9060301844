/** Requests that a bug or a reload of their shard interrupts, in a quiescent cluster. */
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import type { Account } from "../../shard/account/account.ts";
import type { Cluster } from "./cluster.ts";
import type { Effect } from "../../shard/effects.ts";
import type { OpName, Ops } from "../../shard/ops.ts";
import type { Result } from "../../shard/errors.ts";
import { apart, createOpen, hasMessage, must } from "./scenes.ts";
import { Violation } from "./history.ts";

/** What was interrupted has its reply within this time (ms), far below a caller's timeout. */
const REPLY_MS = 5000;
/** Until the batch of a request is on its way to the disk (ms). */
const SEALED_MS = 100;
const STALL_MS = 300;
/** A shard serves again within this time (ms). */
const SERVES_MS = 10_000;
const HURRIED = "interrupted-hurried";

/** One of the two, in some clusters. */
export function interrupted(cluster: Cluster): void {
  // An owner that does not know yet that its shard was claimed refuses the first request.
  if (cluster.config.faults.includes("usurp")) return;
  const prng = cluster.prng.fork("interrupted");
  if (prng.chance(0.15)) bugInFlight(cluster);
  else if (prng.chance(0.2)) anothersRequest(cluster);
}

/** What became of a request. */
interface Asked<K extends OpName> {
  result: Result<Ops[K]["out"]> | null;
}

function begin<K extends OpName>(
  cluster: Cluster,
  name: string,
  op: K,
  input: Ops[K]["in"],
): Asked<K> {
  const asked: Asked<K> = { result: null };
  const { node } = cluster.nodes[0]!.running;
  node.request(name as AccountName, op, input, (result) => asked.result = result);
  return asked;
}

function outcome({ result }: Asked<OpName>): string {
  if (result === null) return "has no reply";
  return result.ok ? "is done" : result.code;
}

/**
 * A shard meets a bug while a batch is on its way to the disk: what waits for the batch is released
 * when it is durable, though everything after it is forgotten.
 */
function bugInFlight(cluster: Cluster): void {
  must(cluster, HURRIED, "account.create", { credentials: null });
  const { disk, running } = cluster.nodes[0]!;
  const shard = running.node.shardOf(HURRIED as AccountName);
  disk.stall(STALL_MS);
  const asked = begin(cluster, HURRIED, "settings.set", { messagesFrom: "anyone" });
  cluster.time.runFor(SEALED_MS);
  // Behind an earlier write it is not on its way yet, and the bug takes it with it.
  if (shard.open || shard.inspect().settled) return;
  cluster.stepFaults.strikeNext((method, [account, effect]) => {
    const of = (account as Account | null)?.name;
    return method === "emit" && of === HURRIED && (effect as Effect).kind === "reply";
  });
  begin(cluster, HURRIED, "account.info", {});
  cluster.time.runFor(REPLY_MS);
  if (asked.result?.ok === true) return;
  const text = `the change of ${HURRIED} ${outcome(asked)}`;
  throw new Violation("a bug forgets no reply of what is durable", text, [HURRIED]);
}

/**
 * A request waits for another shard while its account is deleted, the name gets another account, and
 * its shard is reloaded: it is not done for that account.
 */
function anothersRequest(cluster: Cluster): void {
  const pair = apart(cluster, "interrupted");
  if (pair === null) return;
  const [from, to] = pair;
  const release = cluster.wire.hold(({ kind }) => kind === "resolve");
  const message = { device: "d1" as DeviceId, to: to as AccountName, id: "former", ext: "" };
  const asked = begin(cluster, from, "message.send", { ...message, body: "of the former" });
  cluster.time.runFor(SEALED_MS);
  must(cluster, from, "account.remove", {});
  must(cluster, from, "account.release", {});
  createOpen(cluster, from);
  const { node } = cluster.nodes[0]!.running;
  let reloaded = false;
  node.reload(node.shardOf(from as AccountName).id, () => reloaded = true);
  cluster.await("a reload", () => !reloaded, SERVES_MS);
  release();
  cluster.time.runFor(REPLY_MS);
  if (asked.result?.ok !== true && !hasMessage(cluster, to, message.id)) return;
  const text = `a message of the former ${from} ${outcome(asked)}`;
  throw new Violation("a request is of the account that it was begun for", text, [from, to]);
}
