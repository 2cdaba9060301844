/**
 * A shard is reloaded, and what a user may see changes before the user's session is announced: the
 * shard notifies no session of the change, and the announcement has to bring it.
 */
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import type { LiveSession } from "../../server/edge/session.ts";
import type { Cluster } from "./cluster.ts";
import type { Sink } from "../../server/edge/types.ts";
import type { SubscriptionType } from "../../shard/roster/subscription.ts";
import { must } from "./scenes.ts";
import { Violation } from "./history.ts";

/** What is on its way arrives within this time (ms). */
const ARRIVES_MS = 1000;
/** A shard serves again within this time (ms). */
const SERVES_MS = 10_000;
const READER = "unannounced-reader";
/** Accepts the reader's request while the reader's sessions are unknown. */
const ACCEPTS = "unannounced-accepts";
/** Has blocked the reader, whose contact it is until then. */
const BLOCKS = "unannounced-blocks";
const AWAY = { show: "away", status: "", priority: 0, ext: "" } as const;
const DEVICE = "d1" as DeviceId;

/** For a quiescent cluster, in some of them. */
export function unannounced(cluster: Cluster): void {
  // An owner that does not know yet that its shard was claimed refuses the first request.
  if (cluster.config.faults.includes("usurp")) return;
  if (!cluster.prng.fork("unannounced").chance(0.2)) return;
  for (const name of [READER, ACCEPTS, BLOCKS]) {
    must(cluster, name, "account.create", { credentials: null });
  }
  relate(cluster, READER, BLOCKS, "subscribe");
  relate(cluster, BLOCKS, READER, "subscribed");
  relate(cluster, READER, ACCEPTS, "subscribe");
  const session = open(cluster);
  must(cluster, BLOCKS, "roster.block", { contact: READER as AccountName, blocked: true });
  cluster.time.runFor(ARRIVES_MS);
  expect(session, "watched", [READER]);
  expect(session, "frozen", [BLOCKS]);
  const announce = cluster.wire.holdAnnouncements();
  reload(cluster);
  relate(cluster, ACCEPTS, READER, "subscribed");
  must(cluster, READER, "roster.remove", { contact: BLOCKS as AccountName });
  cluster.time.runFor(ARRIVES_MS);
  announce();
  cluster.time.runFor(ARRIVES_MS);
  expect(session, "watched", [ACCEPTS, READER]);
  expect(session, "frozen", []);
  session.end("signed_out");
}

function relate(cluster: Cluster, name: string, contact: string, type: SubscriptionType): void {
  must(cluster, name, "roster.subscription", { contact: contact as AccountName, type });
  cluster.time.runFor(ARRIVES_MS);
}

/** A session that reads everything at once. */
function open(cluster: Cluster): LiveSession {
  const { edge } = cluster.nodes[0]!.running;
  const sink: Sink = { send() {}, bufferedBytes: () => 0, close() {}, terminate() {} };
  const expiresAt = cluster.time.global.clock.wallMs() + 86_400_000;
  const auth = { kind: "issuer", expiresAt } as const;
  const options = { user: READER as AccountName, device: DEVICE, auth, presence: AWAY, sink };
  let session: LiveSession | null = null;
  edge.open({ ...options, provedUntil: null, cursor: null, resume: null }, (result) => {
    if (!result.ok) throw new Violation("liveness", `a session of ${READER}: ${result.code}`);
    session = result.value.session as LiveSession;
    session.start();
  });
  cluster.await(`a session of ${READER}`, () => session === null, ARRIVES_MS);
  cluster.time.runFor(ARRIVES_MS);
  return session!;
}

/** Until the reader's shard serves again, with no session. */
function reload(cluster: Cluster): void {
  const { node } = cluster.nodes[0]!.running;
  let done = false;
  node.reload(node.shardOf(READER as AccountName).id, () => done = true);
  cluster.await("a reload", () => !done, SERVES_MS);
}

/** Whom the session has to know in this way, in the order of names. */
function expect(
  { watched, frozen }: LiveSession,
  how: "watched" | "frozen",
  wanted: readonly string[],
): void {
  const users = how === "watched" ? watched : [...frozen?.values() ?? []];
  const found = users.map(({ name }) => name).sort();
  if (found.join() === wanted.join()) return;
  const text = `${READER} has ${how} ${found.join() || "nobody"}, should have ${wanted.join()}`;
  throw new Violation("an announced session sees whom it may see", text, [READER]);
}
