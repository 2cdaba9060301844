/** How a node is, in one word and the reasons for it. */
import type { AdmissionKind } from "../../http/admission.ts";

/** From good to bad; `busy` does all its work, `degraded` refuses some of it. */
export type HealthState = "healthy" | "busy" | "degraded" | "failing" | "starting" | "draining";

/** A state and why it is not `healthy`, for people. */
export interface Health {
  readonly state: HealthState;
  readonly reasons: readonly string[];
}

/** What it is judged by. */
export interface Signs {
  readonly draining: boolean;
  readonly ready: boolean;
  /** The store takes no writes. */
  readonly storeFailing: boolean;
  /** Shards that do not serve, because of bugs or of a damaged log. */
  readonly shardsDown: number;
  /** Damaged rows of the store that were read. */
  readonly damaged: number;
  /** What is refused for overload at the moment. */
  readonly overloaded: Readonly<Record<AdmissionKind, boolean>>;
  readonly connections: number;
  readonly connectionsMax: number;
  /** Sign-ins that wait in line. */
  readonly waiting: number;
  /** How late the event loop runs on average (ms). */
  readonly lagMs: number;
}

/** From so many on those who wait in line are a crowd. */
const WAITING_BUSY = 64;
/** From this lateness on people notice (ms): presence should arrive within 100. */
const LAG_BUSY_MS = 50;
/** This share of all connections leaves little room. */
const NEARLY_FULL = 0.9;

const REFUSED: Readonly<Record<AdmissionKind, string>> = {
  signIn: "new sign-ins",
  connection: "new connections",
  write: "writes",
};

/** Judges; the worst state wins, and its reasons come first. */
export function healthOf(signs: Signs): Health {
  const { overloaded, connections, connectionsMax, waiting, lagMs } = signs;
  const found: [HealthState, string][] = [];
  if (signs.draining) found.push(["draining", "It is stopping and sends its clients away"]);
  if (!signs.ready) found.push(["starting", "It is still reading its log"]);
  if (signs.storeFailing) found.push(["failing", "The store takes no writes"]);
  if (signs.shardsDown > 0) {
    const what = signs.shardsDown === 1 ? "1 shard does" : `${signs.shardsDown} shards do`;
    found.push(["failing", `${what} not serve: see shard_damaged and node.bug in the log`]);
  }
  if (signs.damaged > 0) {
    const what = signs.damaged === 1 ? "1 record is" : `${signs.damaged} records are`;
    found.push(["degraded", `${what} damaged: stop it and run roost check`]);
  }
  const refused = (["signIn", "connection", "write"] as const).filter((kind) => overloaded[kind]);
  if (refused.length > 0) {
    const what = refused.map((kind) => REFUSED[kind]).join(", ");
    found.push(["degraded", `Overloaded: refuses ${what}`]);
  }
  if (connections >= connectionsMax) {
    found.push(["degraded", `Full: ${connections} of ${connectionsMax} connections`]);
  } else if (connections >= connectionsMax * NEARLY_FULL) {
    found.push(["busy", `Nearly full: ${connections} of ${connectionsMax} connections`]);
  }
  if (waiting >= WAITING_BUSY) found.push(["busy", `${waiting} sign-ins wait in line`]);
  if (lagMs >= LAG_BUSY_MS) {
    found.push(["busy", `The event loop runs ${Math.round(lagMs)} ms late`]);
  }
  return { state: found[0]?.[0] ?? "healthy", reasons: found.map(([, reason]) => reason) };
}
