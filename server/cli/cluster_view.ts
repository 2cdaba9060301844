/** What the admin API says of a cell, as the commands read it. */
import { z } from "zod";

const GOSSIP = z.object({
  state: z.enum(["alive", "suspect", "dead"]),
  silentMs: z.number(),
  rttMs: z.number().nullable(),
  says: z.object({ load: z.number(), version: z.string() }).nullable(),
});

const NODE = z.object({
  id: z.string(),
  incarnation: z.number(),
  address: z.string(),
  state: z.enum(["this", "linked", "unlinked", "dead"]),
  shards: z.array(z.number()),
  drained: z.boolean(),
  leaving: z.boolean(),
  gossip: GOSSIP.nullable(),
  healthScore: z.number().nullable(),
  clockOffsetMs: z.number().nullable(),
  linkFault: z.string().nullable(),
});

const WORK = z.object({
  by: z.object({ id: z.string() }),
  state: z.enum(["running", "done", "failed"]),
  error: z.string().nullable(),
  steps: z.number(),
  changesMs: z.array(z.number()),
});

/** The reply to `GET /admin/cluster`, and to orders that change the cell. */
export const VIEW = z.object({
  nodes: z.array(NODE),
  shards: z.number(),
  unowned: z.number(),
  moving: z.number(),
  balancing: z.boolean(),
  work: WORK.nullable(),
});

/** The cell as one of its nodes sees it. */
export type ClusterView = z.output<typeof VIEW>;

/** A node of it. */
export type ClusterNode = z.output<typeof NODE>;
