/** The metrics of all workers of a machine and of their supervisor, at the address of any. */
import type { OpenNode } from "./open.ts";
import { mergeMetrics } from "./ops/merge_metrics.ts";
import { readSocketText } from "./ops/socket.ts";
import { meterSocketPath, workerNodeId, workerSockets } from "./system/data_dir.ts";
import type { NodeId } from "../shard/name/ids.ts";

/** Where each worker serves its own metrics over its admin socket. */
export const OWN_METRICS_PATH = "/admin/metrics/own";
/** How long another worker may take (ms). */
const OTHER_MS = 2000;

/** The label of the supervisor's samples. */
const SUPERVISOR = "supervisor";

/**
 * The handler of the metrics of all workers and their supervisor, over that of the own ones: each
 * sample has its node. A process that does not reply is not among them.
 */
export function workerMetrics(
  { dir, node, share }: Pick<OpenNode, "dir" | "node" | "share">,
  own: () => Promise<Response>,
): () => Promise<Response> {
  if (share === null) return own;
  const cell = node.id.slice(0, -`-${share.number}`.length) as NodeId;
  return async () => {
    const response = await own();
    const meter = readSocketText(meterSocketPath(dir.path), OWN_METRICS_PATH, OTHER_MS);
    const texts = await Promise.all(
      Array.from({ length: share.count }, async (_, i) => {
        const number = i + 1;
        const id = workerNodeId(cell, number);
        if (number === share.number) return [[id, await response.text()] as const];
        const { admin } = workerSockets(dir.path, number);
        const text = await readSocketText(admin, OWN_METRICS_PATH, OTHER_MS);
        return text === null ? [] : [[id, text] as const];
      }),
    );
    const supervisor = await meter;
    const all = [
      ...texts.flat(),
      ...supervisor === null ? [] : [[SUPERVISOR, supervisor] as const],
    ];
    return new Response(mergeMetrics(all), { headers: response.headers });
  };
}
