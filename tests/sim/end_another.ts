/**
 * An account has as many sessions as it may have, and one more device signs in: it is refused,
 * unless it names a device whose session is to end for it.
 */
import type { AccountName, DeviceId, SessionId } from "../../shard/name/ids.ts";
import type { Link, LinkHost } from "./link.ts";
import type { Cluster } from "./cluster.ts";
import { ask } from "./dump.ts";
import { PollLink, SocketLink } from "./link.ts";
import { SESSIONS_MAX } from "./config.ts";
import { Violation } from "./history.ts";

/** A sign-in has an answer within this time (ms). */
const ANSWER_MS = 20_000;
/** An ended session is notified within this time (ms): its last frame and the end may both be slow. */
const TOLD_MS = 4000;
const NAME = "crowded";
const PASSWORD = "password of crowded";

/** A device that connects once: `welcome`, then "open" or the code that it was sent away with. */
interface Guest {
  readonly device: string;
  readonly link: Link;
  state: "connecting" | "open" | { readonly code: string | null };
}

/** For a quiescent cluster. */
export function endAnother(cluster: Cluster): void {
  const prng = cluster.prng.fork("end another");
  let made = false;
  cluster.deriveCredentials(PASSWORD, (credentials) => {
    cluster.insist(NAME, "account.create", { credentials }, ["conflict"], () => made = true);
  });
  cluster.await(`an account ${NAME}`, () => !made, ANSWER_MS);
  const guests = Array.from({ length: SESSIONS_MAX }, (_, i) => connect(cluster, `s${i}`));
  for (const guest of guests) expect(guest, "open");
  const loser = prng.pick(guests);
  expect(connect(cluster, "late"), "limit_reached");
  expect(connect(cluster, "late", "nobody"), "limit_reached");
  checkBound(cluster);
  const late = connect(cluster, "late", loser.device, prng.chance(0.5) ? "poll" : "socket");
  expect(late, "open");
  cluster.time.runFor(TOLD_MS);
  for (const guest of guests) expect(guest, guest === loser ? "replaced" : "open");
  const left = [...guests.filter((g) => g !== loser), late];
  checkKnown(cluster, left.map(({ device }) => device).sort());
  for (const { link } of left) link.close(false);
}

function connect(
  cluster: Cluster,
  device: string,
  end?: string,
  by: Link["kind"] = "socket",
): Guest {
  const greeting = {
    proof: { user: NAME, password: PASSWORD },
    device,
    after: null,
    session: null,
    presence: {},
    ...(end === undefined ? {} : { end }),
  };
  const host: LinkHost = {
    welcome: () => guest.state = "open",
    events: () => {},
    token: () => {},
    down: (code) => guest.state = { code },
  };
  const Kind = by === "socket" ? SocketLink : PollLink;
  const link = new Kind(cluster.network, cluster.nodes[0]!, `10.9.0.${device}`, greeting, host);
  const guest: Guest = { device, link, state: "connecting" };
  cluster.await(`an answer to ${device}`, () => guest.state === "connecting", ANSWER_MS);
  return guest;
}

function expect({ device, state }: Guest, wanted: string): void {
  const found = typeof state === "string" ? state : state.code;
  if (found === wanted) return;
  const text = `${NAME}/${device} is ${found}, should be ${wanted}`;
  throw new Violation("one session ends for another", text, [NAME]);
}

/** The account's sessions at other nodes count, too: its shard refuses what an edge would open. */
function checkBound(cluster: Cluster): void {
  const auth = { kind: "issuer", expiresAt: Number.MAX_SAFE_INTEGER } as const;
  const [session, device] = ["s".repeat(16) as SessionId, "elsewhere" as DeviceId];
  const input = { session, device, auth, cursor: null, presence: null };
  const result = ask(cluster, cluster.nodes[0]!, NAME, "session.attach", input);
  if (!result.ok && result.code === "limit_reached") return;
  throw new Violation("an account has a bounded number of sessions", "one more opens", [NAME]);
}

/** The account's shard and the edge have these devices' sessions, and no others. */
function checkKnown(cluster: Cluster, devices: readonly string[]): void {
  const { node, edge } = cluster.nodes[0]!.running;
  const name = NAME as AccountName;
  const sessions = node.shardOf(name).presence.sessions(name);
  const known = sessions.filter((s) => edge.find(s.session, name, s.device) !== null);
  for (const list of [sessions, known]) {
    const found = list.map(({ device }) => device).sort();
    if (found.join() === devices.join()) continue;
    const text = `${NAME} has sessions of ${found}, should have them of ${devices}`;
    throw new Violation("one session ends for another", text, [NAME]);
  }
  const info = ask(cluster, cluster.nodes[0]!, NAME, "account.info", {});
  if (info.ok && info.value.sessions === devices.length) return;
  throw new Violation("one session ends for another", `${NAME} counts other sessions`, [NAME]);
}
