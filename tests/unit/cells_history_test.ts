/** What operators see of other cells: samples of links, and questions to them. */
import assert from "node:assert/strict";
import { CellQueries } from "../../server/peer/cells/cell_queries.ts";
import { CellsHistory } from "../../server/ops/live/cells_history.ts";
import type { CellName } from "../../shard/name/ids.ts";
import { inOrder } from "../../server/ops/trace_order.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

const [B, C] = ["b", "c"] as readonly string[] as readonly [CellName, CellName];

Deno.test("12: CellsHistory: samples each cell every two seconds, for a quarter of an hour", () => {
  const time = new VirtualTime();
  let rttMs = 1;
  const node = (ms: number | null) => ({ rttMs: ms, lagMs: 2, queueBytes: 3, users: 4 });
  const view = () =>
    ({ cells: [{ cell: B, nodes: [node(rttMs++), node(null)] }] }) as unknown as ReturnType<
      ConstructorParameters<typeof CellsHistory>[1]
    >;
  const history = new CellsHistory(time.global, view);
  history.start();
  time.runFor(2000 * 500);
  const { at, cells: { b } } = history.columns;
  assert.equal(at.length, 450);
  assert.equal(at[1]! - at[0]!, 2000);
  assert.deepEqual([b!.rttMs.at(-1), b!.rttMs[0]], [501, 52]);
  assert.deepEqual([b!.lagMs[0], b!.queueBytes[0], b!.users[0]], [2, 6, 8]);
});

Deno.test("12: CellQueries: other cells reply, and those that do not are named", () => {
  const time = new VirtualTime();
  const answering = new CellQueries({
    ...time.global,
    cells: () => [],
    isLinked: () => true,
    send() {},
  });
  answering.on("trace", (input, done) => done(`steps of ${input}`));
  const asking: CellQueries = new CellQueries({
    ...time.global,
    cells: () => [B, C, "d" as CellName],
    isLinked: (cell) => cell !== "d",
    send: (cell, frame) => {
      if (cell !== B) return;
      const back = {
        node: { cell: "a" },
        link: { send: (f: never) => asking.take({ node: { cell: B } } as never, f) },
      };
      answering.take(back as never, frame);
    },
  });
  let all: unknown = null;
  asking.all("trace", "x", (replies) => all = replies);
  time.runFor(10_000);
  assert.deepEqual(all, { replies: [{ cell: B, reply: "steps of x" }], missing: ["d", C] });
});

Deno.test("13: CellQueries: one cell replies to a long question where it takes such, and knows of whom", () => {
  const time = new VirtualTime();
  const asked: string[] = [];
  const replying = new CellQueries({
    ...time.global,
    cells: () => [],
    isLinked: () => true,
    send() {},
  });
  replying.on("short", (_input, done) => done("short"));
  replying.on("long", (input, done, from) => done(`${input.length} of ${from}`), 3000);
  const asking: CellQueries = new CellQueries({
    ...time.global,
    cells: () => [B],
    isLinked: (cell) => cell === B,
    send: (_cell, frame) => {
      asked.push(frame.kind);
      const back = {
        node: { cell: "a" },
        link: { send: (f: never) => asking.take({ node: { cell: B } } as never, f) },
      };
      replying.take(back as never, frame);
    },
  });
  const one = (cell: CellName, what: string, chars: number) => {
    const replies: (string | null)[] = [];
    const question = { what, input: "x".repeat(chars), replyMs: 500 };
    asking.one(cell, question, (reply) => replies.push(reply));
    time.runFor(499);
    const early = replies.length;
    time.runFor(1);
    return [early, ...replies];
  };
  assert.deepEqual(one(B, "long", 3000), [1, "3000 of a"]);
  assert.deepEqual(one(B, "long", 3001), [0, null]);
  assert.deepEqual(one(B, "short", 1025), [0, null]);
  assert.deepEqual(one(B, "other", 1), [0, null]);
  assert.deepEqual(one(C, "long", 1), [1, null]);
  assert.equal(asked.length, 4);
});

Deno.test("12: inOrder: what arrives from another cell comes after it was forwarded there", () => {
  const message = { from: "ann", to: "bob", id: "k1" };
  const step = (step: string, at: number, node?: string) => ({ step, at, ...message, node });
  const steps = inOrder([
    { node: "b/n1", steps: [step("arrived", 1, "cell:a"), step("delivered", 2)] },
    { node: "n1", steps: [step("accepted", 90), step("forwarded", 91, "cell:b")] },
  ] as never);
  assert.deepEqual(steps.map((s) => s.step), ["accepted", "forwarded", "arrived", "delivered"]);
});
