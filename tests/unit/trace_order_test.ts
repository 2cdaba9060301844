import assert from "node:assert/strict";
import type { NodeId } from "../../shard/name/ids.ts";
import type { TraceStep, TraceStepKind } from "../../server/node/trace.ts";
import { inOrder } from "../../server/ops/trace_order.ts";
import { otelTraceId } from "../../server/system/telemetry.ts";
import { traceOf, Traces } from "../../server/node/trace.ts";

const [A, B, C] = ["a", "b", "c"] as unknown as readonly [NodeId, NodeId, NodeId];

function step(step: TraceStepKind, node?: NodeId): TraceStep {
  const message = { from: "ann", to: "bob", id: "k" };
  return { step, at: 0, ...message, ...(node === undefined ? {} : { node }) };
}

function shown(nodes: Parameters<typeof inOrder>[0]): string {
  return inOrder(nodes).map(({ node, step }) => `${node} ${step}`).join(", ");
}

Deno.test("11: inOrder puts steps of several nodes behind those that caused them, whatever the clocks say", () => {
  const nodes = [
    { node: A, steps: [step("received"), step("routed", B), step("replied"), step("pushed", C)] },
    { node: B, steps: [step("taken", A), step("accepted"), step("forwarded")] },
    { node: C, steps: [step("arrived", B), step("settled"), step("delivered", A)] },
  ];
  const way = "a received, a routed, b taken, b accepted, a replied, b forwarded, c arrived, " +
    "c settled, c delivered, a pushed";
  assert.equal(shown(nodes), way);
  assert.equal(shown([...nodes].reverse()), way);
});

Deno.test("11: inOrder keeps repetitions in order, and ends where some wait for each other", () => {
  const twice = [
    { node: A, steps: [step("forwarded"), step("forwarded")] },
    { node: B, steps: [step("arrived", A), step("settled"), step("arrived", A)] },
  ];
  assert.equal(
    shown(twice),
    "a forwarded, a forwarded, b arrived, b settled, b arrived",
  );
  const crossed = [
    { node: A, steps: [step("pushed", B), step("delivered", B)] },
    { node: B, steps: [step("pushed", A), step("delivered", A)] },
  ];
  assert.equal(inOrder(crossed).length, 4);
});

Deno.test("11: Traces keeps the latest steps alone, finds them by id and lists messages", () => {
  let nowMs = 0;
  const traces = new Traces({
    clock: { wallMs: () => nowMs++ },
    log: { debug: () => {}, debugOn: false },
  }, 6);
  const send = (id: string) => {
    const request = { name: "ann" as never, op: "message.send", input: { to: "bob", id } } as never;
    traces.request(request, null, () => true, () => {})({ ok: true, value: { seq: 1 } } as never);
  };
  for (const id of ["1", "2", "3", "4"]) send(id);
  assert.deepEqual(traces.find(traceOf("ann", "bob", "1")), []);
  const found = traces.find(traceOf("ann", "bob", "2"));
  assert.deepEqual(found.map(({ step }) => step), ["received", "accepted"]);
  assert.deepEqual(traces.latest("", 2).map(({ id, steps }) => [id, steps]), [["4", 2], ["3", 2]]);
  assert.deepEqual(traces.latest("carl", 5), []);
  assert.match(otelTraceId(traceOf("ann", "bob", "1")), /^[0-9a-f]{32}$/);
});
