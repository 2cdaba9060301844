/**
 * The steps of one message from several nodes in one order. Clocks of nodes are not compared: each
 * node's steps keep their order, and a step that a frame from another node has caused comes after the
 * step that sent it.
 */
import { cellOf } from "../../shard/federation/cell_node.ts";
import type { NodeId } from "../../shard/name/ids.ts";
import { TRACE_STEPS, type TraceStep, type TraceStepKind } from "../node/trace.ts";

/** A step with the node that took it; `other` is what `TraceStep` calls `node`. */
export interface PlacedStep extends Omit<TraceStep, "node"> {
  readonly node: NodeId;
  readonly other: NodeId | null;
}

/** The steps of one node, in its order. */
export interface NodeSteps {
  readonly node: NodeId;
  readonly steps: readonly TraceStep[];
}

/** What sends a frame, and the step that the frame causes at the other node. */
const SENDS: Partial<Readonly<Record<TraceStepKind, TraceStepKind>>> = {
  taken: "routed",
  replied: "accepted",
  arrived: "forwarded",
  pushed: "delivered",
};

function rank({ step }: PlacedStep): number {
  return TRACE_STEPS.indexOf(step);
}

function place({ node, steps }: NodeSteps): readonly PlacedStep[] {
  return steps.map(({ node: other = null, ...step }) => ({ ...step, node, other }));
}

/** The step at another node that has caused one; undefined where it is not known. */
function causeOf(step: PlacedStep, all: readonly PlacedStep[]): PlacedStep | undefined {
  const sends = SENDS[step.step];
  if (sends === undefined) return undefined;
  // A repeated step is caused by the repetition with the same number.
  const same = (s: PlacedStep) => s.node === step.node && s.step === step.step;
  const times = all.filter(same).indexOf(step);
  const aims = (s: PlacedStep) =>
    s.other === null || s.other === step.node || cellOf(s.other) !== null;
  const causes = all.filter((s) => s.step === sends && s.node !== step.node && aims(s));
  return causes[times] ?? causes.at(-1);
}

/** Merges them. */
export function inOrder(nodes: readonly NodeSteps[]): readonly PlacedStep[] {
  const lists = nodes.map((node) => [...place(node)]);
  const all = lists.flat();
  const causes = new Map(all.map((step) => [step, causeOf(step, all)]));
  const ordered: PlacedStep[] = [];
  const done = new Set<PlacedStep>();
  while (ordered.length < all.length) {
    const heads = lists.filter((list) => list.length > 0);
    const free = heads.filter(([head]) => {
      const cause = causes.get(head!);
      return cause === undefined || done.has(cause);
    });
    // Repetitions that crossed may wait for each other.
    const [next] = (free.length > 0 ? free : heads).sort(([a], [b]) => rank(a!) - rank(b!));
    const step = next!.shift()!;
    ordered.push(step);
    done.add(step);
  }
  return ordered;
}
