/** Makes the parts of a node and connects them with each other. */
import type { NodeRef } from "../../shard/name/ids.ts";
import type { NodeOptions, NodeParts } from "./parts.ts";
import type { Ports } from "./ports.ts";
import type { Reshape } from "../../shard/table/table.ts";
import { Abroad } from "./abroad.ts";
import { Asks } from "./asks.ts";
import { Bugs } from "./bugs.ts";
import { Callers } from "./callers.ts";
import { Cell } from "./cell.ts";
import { Committer } from "./committer.ts";
import { ClusterControl } from "./control.ts";
import { Dispatch } from "./dispatch.ts";
import { Effects } from "./effects.ts";
import { EvenResolves } from "./even_resolves.ts";
import type { Result } from "../../shard/errors.ts";
import { Inbox } from "./inbox.ts";
import { Loader } from "./loader.ts";
import { Ownership } from "./ownership.ts";
import type { Takeovers } from "./takeovers.ts";
import type { Reshaping, Resharder } from "./resharder.ts";
import type { Shard } from "../../shard/step/shard.ts";
import type { ShardInput } from "../../shard/effects.ts";
import { ShardMap } from "./shard_map.ts";
import { SteadyClock } from "./steady_clock.ts";
import { Members } from "./members.ts";
import { Traces } from "./trace.ts";

/** What parts need of the node; those that are made later are functions. */
export interface NodeInside {
  takeovers(): Takeovers;
  resharder(): Resharder;
  committer(): Committer;
  /** Makes a change of the shard table. */
  reshape(change: Reshape, done: (result: Result<Reshaping>) => void): void;
  /** A turn of shards has ended. */
  turnEnded(): void;
  stopped(): boolean;
}

/** Makes the parts of a node, but for those that `node` gives when they exist. */
export function makeParts(
  ports: Ports,
  options: NodeOptions,
  clock: SteadyClock,
  node: NodeInside,
): NodeParts {
  const { cells, limits, cacheUsersMax } = options;
  const map = new ShardMap(limits, cacheUsersMax, ports.retries, cells ?? null);
  const bugs = new Bugs(ports.log);
  const callers = new Callers(bugs);
  const inbox = new Inbox({
    bugs,
    now: () => clock.now(),
    execute: (shard, effect) => effects.execute(shard, effect),
    turnEnded: () => node.turnEnded(),
  });
  const dispatch = new Dispatch(options.id, map, callers, inbox);
  const submit = (shard: Shard, input: ShardInput) => dispatch.submit(shard, input);
  const loader = new Loader(ports, submit, (put) => inbox.together(put));
  const ownership = new Ownership(options.id, {
    ports,
    claimed: (owned) => map.claimed(owned, ownership.self),
    outdated: (shard) => dispatch.submit(shard, { kind: "commit_failed" }),
    fenced: (shard) => node.takeovers().fenced(shard),
  });
  const resolves = new EvenResolves(ports);
  dispatch.onResolve = (packet) => resolves.asked(packet);
  const execute: Effects["execute"] = (...effect) => effects.execute(...effect);
  const cell = makeCell(ports, options, () => parts, execute, node);
  if (cell !== null) dispatch.elsewhere = cell.remote;
  const parts: NodeParts = {
    ports,
    options,
    bugs,
    callers,
    dispatch,
    loader,
    map,
    ownership,
    resolves,
    control: new ClusterControl(ports.store, ports.log),
    cell,
    abroad: cells === undefined ? null : new Abroad(cells, () => parts),
    asks: new Asks(() => parts),
    traces: new Traces({ ...ports, observe: options.observeStep }, options.traceStepsMax ?? 1000),
    stopped: () => node.stopped(),
  };
  const effects = new Effects(parts);
  return parts;
}

function makeCell(
  ports: Ports,
  { about, id, links, process, withoutStoreMs }: NodeOptions,
  parts: () => NodeParts,
  execute: Effects["execute"],
  node: NodeInside,
): Cell | null {
  if (links === undefined) return null;
  const hasLeft = (who: NodeRef) => parts().control.hasLeft(who);
  const said = { hasLeft, withoutStoreMs, publicUrl: about?.addresses[0], process };
  return new Cell(parts, new Members(id, ports, said), links, {
    takeovers: node.takeovers,
    reshaping: () => node.resharder().busy,
    writing: () => node.resharder().writing,
    execute,
    hurry: () => node.committer().hurry(),
    reshape: node.reshape,
    tableChanged: (table, version) => {
      node.resharder().registerVersion = version;
      node.takeovers().adopt(table, [], () => false);
    },
  });
}

/** Makes what commits the batches of a node's shards. */
export function makeCommitter(
  { bugs, dispatch, map, options, ownership, ports }: NodeParts,
  clock: SteadyClock,
  takeovers: Takeovers,
): Committer {
  return new Committer({
    ports,
    get shards() {
      return map.shards;
    },
    writers: options.writers ?? 1,
    now: () => clock.now(),
    committed: (shard, batch) => dispatch.submit(shard, { kind: "committed", batch }),
    checkpointed: (shard) => dispatch.submit(shard, { kind: "checkpointed" }),
    commitFailed: (shard) => dispatch.submit(shard, { kind: "commit_failed" }),
    fenced: (shard) => takeovers.fenced(shard),
    waits: options.links !== undefined,
    reclaim: (...args) => ownership.reclaim(...args),
    writable: (writable, retryAfterMs) => {
      for (const s of map.shards) {
        dispatch.submit(s, { kind: "writable", writable, retryAfterMs });
      }
    },
    observe: (...commit) => bugs.guard("observe commit", () => options.observeCommit(...commit)),
  });
}
