/** Wires what is beside the protocol: the gateway for other systems, and experiments. */
import type { CellMesh } from "./peer/cells/mesh.ts";
import type { OtherCells } from "./gateway/backend/homes.ts";
import { claimOf } from "./node/claims.ts";
import type { AccountId, AccountName } from "../shard/name/ids.ts";
import type { Config } from "./config/config.ts";
import type { GatewayDeps } from "./gateway/gateway_deps.ts";
import type { OpenNode } from "./open.ts";
import type { Push } from "./open_push.ts";
import type { StoreError } from "./node/ports.ts";
import type { Trial } from "./edge/edge_deps.ts";
import { EXPERIMENTS, Experiments } from "./gateway/experiments.ts";
import { Gateway } from "./gateway/gateway.ts";
import { gatewayLimits, targetRules } from "./settings.ts";
import { Operators } from "./ops/operators.ts";
import { systemPostHook } from "./system/post_hook.ts";

/** Both, with what has been kept of them. */
export interface Services {
  readonly gateway: Gateway;
  readonly experiments: Experiments;
  /** The experiment with the offline grace, as the edge takes part in it. */
  readonly trial: Trial;
  /** What sends push messages; null where nothing does. */
  readonly push: Push | null;
}

const COUNTED = { opened: "sessions", resumed: "resumes", falseOffline: "false_offlines" } as const;

function graceTrial(experiments: Experiments): Trial {
  return {
    graceMs(account: AccountId, graceMs: number) {
      const arm = experiments.arm("offline-grace", account);
      if (arm === null) return graceMs;
      experiments.count("offline-grace", account, "exposures");
      return graceMs * EXPERIMENTS["offline-grace"].arms[arm];
    },
    count: (account, what) => experiments.count("offline-grace", account, COUNTED[what]),
  };
}

function loaded(load: (done: (error: StoreError | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) =>
    load((error) => {
      if (error === null) resolve();
      else reject(new Error(`Cannot open the store: ${error.message}`));
    })
  );
}

/** Only members of the federation are replied to: others have no part in the name space. */
function otherCells(mesh: CellMesh): OtherCells {
  return {
    one: (cell, question, done) => mesh.queries.one(cell, question, done),
    on: (what, charsMax, reply) =>
      mesh.queries.on(what, (input, done, from) => {
        if (mesh.peers.includes(from)) reply(input, from, done);
      }, charsMax),
  };
}

/** Those who use the admin API by tokens of their own, as they are stored now. */
export async function openOperators(
  { node, ports, registers }: Pick<OpenNode, "node" | "ports" | "registers">,
): Promise<Operators> {
  const operators = new Operators({ ...ports, registers, asks: node.asks });
  await loaded((done) => operators.load(done));
  return operators;
}

/** Makes them over a node's store; `openSession` is how the gateway's services are attached. */
export async function openServices(
  config: Config,
  { audit, ports, node, cells, registers }: Pick<
    OpenNode,
    "audit" | "ports" | "node" | "cells" | "registers"
  >,
  openSession: GatewayDeps["open"],
): Promise<Omit<Services, "push">> {
  const post = systemPostHook(targetRules(config));
  const { asks, id } = node;
  const cell = { node: id, asks, claimOf: (name: AccountName) => claimOf(node, name) };
  const others = {
    ...(asks.alone ? {} : { cell }),
    ...(cells === null ? {} : { cells: otherCells(cells) }),
  };
  const deps = { ...ports, audit, router: node, post, registers, open: openSession, ...others };
  const gateway = new Gateway(deps, gatewayLimits(config));
  const experiments = new Experiments({ registers, rows: ports.store }, {
    "offline-grace": config.experiments.offlineGrace,
  });
  await loaded((done) => gateway.load(done));
  await loaded((done) => experiments.load(done));
  const trial = graceTrial(experiments);
  return { gateway, experiments, trial };
}
