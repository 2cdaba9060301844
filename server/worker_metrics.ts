/** The metrics of all workers of a machine, at the address of any. */
import type { OpenNode } from "./open.ts";
import { mergeMetrics } from "./ops/merge_metrics.ts";
import { readSocketText } from "./ops/socket.ts";
import { workerNodeId, workerSockets } from "./system/data_dir.ts";
import type { NodeId } from "../shard/name/ids.ts";

/** Where each worker serves its own metrics over its admin socket. */
export const OWN_METRICS_PATH = "/admin/metrics/own";
/** How long another worker may take (ms). */
const OTHER_MS = 2000;

/**
 * The handler of the metrics of all workers, over that of the own ones: each sample has its node. A
 * worker that does not reply is not among them.
 */
export function workerMetrics(
  { dir, node, share }: Pick<OpenNode, "dir" | "node" | "share">,
  own: () => Promise<Response>,
): () => Promise<Response> {
  if (share === null) return own;
  const cell = node.id.slice(0, -`-${share.number}`.length) as NodeId;
  return async () => {
    const response = await own();
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
    return new Response(mergeMetrics(texts.flat()), { headers: response.headers });
  };
}
