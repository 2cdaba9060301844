/** What a node shows and does of its part in its cell's store, which may have a standby. */
import type { Config } from "./config/config.ts";
import type { Front } from "./front_types.ts";
import { LOST_EXIT, LOST_MS } from "./process_life.ts";
import type { MemberView } from "./standby/member_options.ts";
import { meterSocketPath } from "./system/data_dir.ts";
import type { OpenNode } from "./open.ts";
import { OWN_STANDBY_PATH } from "./ops/standby_api.ts";
import type { Process } from "./system/process.ts";
import { readSocketText } from "./ops/socket.ts";
import { resubmitter } from "./standby/resubmit.ts";
import { shardLimits } from "./settings.ts";
import type { TakeUnreplicated } from "./standby/unreplicated_delivery.ts";
import { within } from "./system/within.ts";

/** How long the supervisor may take to reply to its worker (ms). */
const SUPERVISOR_MS = 2000;

/** What there is of this cell's store and its standby; of several workers the supervisor has it. */
export async function ownStandby(
  { dir, share, standby }: OpenNode,
): Promise<MemberView | null> {
  if (share === null) return standby?.member.view ?? null;
  const text = await readSocketText(meterSocketPath(dir.path), OWN_STANDBY_PATH, SUPERVISOR_MS);
  return text === null ? null : JSON.parse(text);
}

/** What a process may have the node do that it has started. */
export interface RoleParts {
  /** Makes the standby of its store the primary; `done(false)` where none is in sync. */
  handOver(done: (handed: boolean) => void): void;
  /** Another place serves the cell, as ordered: sends the clients away and ends the process. */
  leave(): void;
  /** Sends messages again that a former primary has acknowledged alone. */
  readonly resubmit: TakeUnreplicated;
}

/** Of a node that serves; where it is the primary itself, it does the same as its member says. */
export function beginRole(
  open: OpenNode,
  config: Config,
  front: Front,
  process: Process,
): RoleParts {
  const member = open.standby?.member ?? null;
  const leave = leaver(open, front, process);
  const resubmit = resubmitterOf(open, config);
  open.standby?.onLost(leave);
  if (member !== null) member.takeUnreplicated = resubmit;
  return {
    handOver: (done) => member === null ? done(false) : member.handOver(done),
    leave: () => leave(true),
    resubmit,
  };
}

/** What a former primary has acknowledged alone is sent again here. */
function resubmitterOf({ node, ports }: OpenNode, config: Config): TakeUnreplicated {
  const ageMsMax = shardLimits(config).dedupeWindowMs / 2;
  return resubmitter({ ...ports, node, ageMsMax });
}

/** Ends the process once another place serves its cell: started again, it is the standby. */
function leaver({ cells, flushLog, log, ports }: OpenNode, front: Front, process: Process) {
  const { timers } = ports;
  // Other cells would list it as one that they cannot reach.
  const say = () =>
    within(
      timers,
      LOST_MS,
      new Promise<void>((done) => cells === null ? done() : cells.stop(done)),
    );
  return (handedOver: boolean) => {
    log.warn("another place serves this cell: the process ends", { handedOver });
    const exit = () => process.exit(handedOver ? 0 : LOST_EXIT);
    const flush = () => flushLog(exit);
    timers.after(LOST_MS * 2, exit);
    const drained = handedOver ? within(timers, LOST_MS, front.drain()) : Promise.resolve();
    drained.then(say, say).then(flush, flush);
  };
}
