/**
 * An account is removed and released while the log still has some of its rows, but not its
 * beginning: a start must not take them for anything.
 */
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import type { Cluster } from "./cluster.ts";
import { ask } from "./dump.ts";
import { Violation } from "./history.ts";

/** For a quiescent cluster. */
export function leftovers(cluster: Cluster): void {
  const { nodes, time, config } = cluster;
  const node = nodes[0]!;
  const { checkpointMs } = config.limits;
  const must = (name: string, op: "account.create" | "account.remove" | "account.release") => {
    const input = op === "account.create" ? { credentials: null } : {};
    const result = ask(cluster, node, name, op, input as { readonly credentials: null });
    if (!result.ok) throw new Violation("liveness", `${op} of ${name}: ${result.code}`, [name]);
  };
  const names = namesOfOneShard(cluster, 3);
  const [gone, writer, late] = names as [string, string, string];
  for (const name of names) must(name, "account.create");
  ask(cluster, node, gone, "settings.set", { messagesFrom: "anyone" });
  const write = (id: string) =>
    ask(cluster, node, writer, "message.send", {
      device: "d1" as DeviceId,
      to: gone as AccountName,
      id,
      body: id,
      ext: "",
    });
  write("m0");
  time.runFor(checkpointMs * 2 + 1000);
  // The log keeps what comes after the first change of the account whose checkpoint is due last.
  write("m1");
  time.runFor(checkpointMs / 2);
  ask(cluster, node, late, "settings.set", { messagesFrom: "anyone" });
  write("m2");
  must(gone, "account.remove");
  must(gone, "account.release");
  time.runFor(checkpointMs / 2 + 300);
  cluster.kill(node);
  node.start();
  cluster.await("a start after a release", () => !node.serving, 20_000);
  must(gone, "account.create");
}

function namesOfOneShard(cluster: Cluster, count: number): string[] {
  const { node } = cluster.nodes[0]!.running;
  const names: string[] = [];
  for (let i = 0; names.length < count; i++) {
    const name = `leftover-${i}`;
    if (node.shardOf(name as AccountName) === node.shards[0]) names.push(name);
  }
  return names;
}
