/** A vote on a name's home is durable before it leaves: else it is forgotten by a crash. */
import { type AccountName, pointOf } from "../../shard/name/ids.ts";
import { compareBallots, NO_BALLOT } from "../../shard/federation/caspaxos.ts";
import type { NameMessage } from "../../shard/federation/name_packets.ts";
import { readDurable } from "./check_replay.ts";
import type { SimNode } from "./sim_node.ts";
import { Violation } from "./history.ts";

/** Looks at what a node says of a name as it leaves. */
export function checkVote(node: SimNode, name: AccountName, message: NameMessage): void {
  if (message.kind !== "promise" && message.kind !== "accepted") return;
  const shard = node.running.node.shards.find((s) => s.owns(name));
  // It may have got another owner since.
  if (shard === undefined || !shard.ready) return;
  const { register } = readDurable(node.disk, shard, { name, point: pointOf(name) });
  const { ballot, kind } = message;
  const durable = kind === "promise" ? register?.promised : register?.accepted?.ballot;
  if (compareBallots(durable ?? NO_BALLOT, ballot) >= 0) return;
  const text = `${node.who} says ${JSON.stringify(message)}, and has ${JSON.stringify(register)}`;
  throw new Violation("votes are durable before they leave", `${name}: ${text}`, [name]);
}
