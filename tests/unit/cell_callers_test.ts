/** Connections of addresses over the nodes of a cell. */
import { deepEqual, equal } from "node:assert/strict";
import type { Asks } from "../../server/node/asks.ts";
import { Callers } from "../../server/http/callers.ts";
import { CellCallers, KEPT_MS, TELL_MS, TOLD_MAX } from "../../server/http/cell_callers.ts";
import { memoryLog } from "../sim/sim_ports.ts";
import type { NodeId } from "../../shard/name/ids.ts";
import { ok } from "../../shard/errors.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

const A = "192.0.2.1";

/** So many nodes that take `max` connections of one address; `told`: keys of each frame. */
function cellOf(nodes: number, max: number) {
  const time = new VirtualTime();
  const told: number[] = [];
  const cut = new Set<NodeId>();
  const repliers = new Map<string, (input: unknown) => void>();
  const ids = Array.from({ length: nodes }, (_, n) => `node${n}` as NodeId);
  const callers = ids.map((id) => {
    const asks: Pick<Asks, "on" | "one"> = {
      on: (_question, reply) => repliers.set(id, (input) => reply(input as never, () => {})),
      one(node, _question, input, done) {
        const { many } = input as { many: Record<string, readonly unknown[]> };
        told.push(Object.values(many).reduce((sum, keys) => sum + keys.length, 0));
        repliers.get(node.id)!(structuredClone(input));
        done(ok(null as never));
      },
    };
    const others = () =>
      ids.filter((n) => n !== id && !cut.has(id)).map((n) => ({ id: n, incarnation: 1 }));
    const { log } = memoryLog();
    const host = { ...time.global, log, node: id, asks, several: nodes > 1, others };
    const made = new Callers();
    new CellCallers(host).share("sockets", made, max);
    return made;
  });
  return { callers, cut, ids, time, told };
}

function add(callers: Callers, address: string, count: number): void {
  for (let i = 0; i < count; i++) callers.add(address);
}

Deno.test("11: connections of an address at other nodes count, within half a second", () => {
  const { callers, time } = cellOf(3, 100);
  const [first, second, third] = callers as [Callers, Callers, Callers];
  add(first, A, 40);
  add(second, A, 30);
  equal(third.of(A), 0);
  time.runFor(TELL_MS);
  deepEqual(callers.map((c) => c.of(A)), [70, 70, 70]);
  // What is free at a node is its own matter.
  equal(third.hasRoom(A, 8), true);
  for (let i = 0; i < 40; i++) first.remove(A);
  time.runFor(TELL_MS);
  deepEqual(callers.map((c) => c.of(A)), [30, 30, 30]);
});

Deno.test("11: few connections of an address are not told, and cost no frames", () => {
  const { callers, time, told } = cellOf(2, 160);
  const [first, second] = callers as [Callers, Callers];
  for (let i = 0; i < 2000; i++) add(first, `198.51.${i >> 8}.${i & 255}`, 9);
  time.runFor(60_000);
  deepEqual([told, second.of("198.51.0.1")], [[], 0]);
  // Of many that have more, others learn a bounded number, which have most.
  for (let i = 0; i < 2000; i++) add(first, `198.51.${i >> 8}.${i & 255}`, 1 + i % 2);
  time.runFor(TELL_MS);
  deepEqual([told, second.of("198.51.0.1"), second.of("198.51.0.2")], [[TOLD_MAX], 11, 0]);
});

Deno.test("11: connections of a node that has ended count no more, and those of IPv6 networks do", () => {
  const { callers, cut, ids, time, told } = cellOf(2, 16);
  const [first, second] = callers as [Callers, Callers];
  for (let i = 0; i < 64; i++) first.add(`2001:db8:0:${i.toString(16)}::1`);
  time.runFor(TELL_MS);
  equal(second.of("2001:db8:0:ff::1"), 16, "a quarter of the same /56");
  cut.add(ids[0]!);
  time.runFor(KEPT_MS - 1);
  equal(second.of("2001:db8:0:ff::1"), 16);
  time.runFor(TELL_MS);
  equal(second.of("2001:db8:0:ff::1"), 0);
  cut.clear();
  for (let i = 0; i < 64; i++) first.remove(`2001:db8:0:${i.toString(16)}::1`);
  time.runFor(2 * TELL_MS);
  const frames = told.length;
  time.runFor(60_000);
  equal(told.length, frames, "nothing is sent of nothing");
});

Deno.test("11: the only node of a cell tells nobody", () => {
  const { callers: [only], time, told } = cellOf(1, 16);
  add(only!, A, 10);
  time.runFor(60_000);
  deepEqual([told, only!.of(A)], [[], 10]);
});
