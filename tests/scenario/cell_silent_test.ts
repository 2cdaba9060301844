/** A node of a cell that is linked and replies to no request. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { CellNodes } from "./cell_nodes.ts";
import type { AccountName } from "../../shard/name/ids.ts";
import { SILENT_MS, TRIAL_MS } from "../../server/node/peer_requests.ts";
import type { SimNode } from "../sim/sim_node.ts";

/** Requests that are made of it in a second. */
const EACH_SECOND = 50;

Deno.test("11: a node that replies to nothing costs its callers no time, and others nothing", () => {
  const cell = new CellNodes(3, 6);
  const [asking, silent, other] = cell.cluster.nodes as [SimNode, SimNode, SimNode];
  const nameAt = ({ running: { node } }: SimNode) => {
    for (let i = 0;; i++) {
      const name = `user${i}` as AccountName;
      if (node.owns(name)) return name;
    }
  };
  const [ann, bob] = [nameAt(silent), nameAt(other)];
  const { time } = cell.cluster;
  const codes = new Map<string, number>();
  let slowestMs = 0;
  const ask = (name: AccountName, seen: (code: string) => void) => {
    asking.running.node.request(name, "mailbox.snapshot", {}, (result) => {
      seen(result.ok ? "ok" : result.code);
    });
  };
  const askFor = (seconds: number) => {
    for (let i = 0; i < seconds * EACH_SECOND; i++) {
      const beganMs = time.nowMs;
      ask(ann, (code) => {
        codes.set(code, (codes.get(code) ?? 0) + 1);
        slowestMs = Math.max(slowestMs, time.nowMs - beganMs);
      });
      ask(bob, (code) => equal(code, "unauthorized"));
      time.runFor(1000 / EACH_SECOND);
    }
  };
  const remote = silent.running.node.cell!.remote;
  const take = remote.take.bind(remote);
  let reached = 0;
  remote.take = (from, frame) => {
    if (frame.kind !== "request") return take(from, frame);
    reached++;
    return true;
  };
  askFor(SILENT_MS / 1000 + 1);
  // From now on they are refused at once, but for those that try whether it replies.
  [reached, slowestMs] = [0, 0];
  codes.clear();
  askFor(3);
  ok(reached <= 3000 / TRIAL_MS + 1, `${reached} requests`);
  ok(codes.get("unavailable")! >= 3 * EACH_SECOND - reached, JSON.stringify([...codes]));
  equal(slowestMs, 0);
  const { refused } = asking.running.node.cell!.remote;
  ok(refused.silent > 0 && refused.full === 0);
  remote.take = take;
  time.runFor(12_000);
  askFor(1);
  codes.clear();
  askFor(1);
  time.runFor(100);
  deepEqual([...codes], [["unauthorized", EACH_SECOND]]);
});
