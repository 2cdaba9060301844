/**
 * Shards are taken from their owner: by an operator, as if the owner had died, or by a claim that
 * the owner does not know of, with a record that it must not write over.
 */
import type { AccountName } from "../../shard/name/ids.ts";
import type { LiveSession } from "../../server/edge/session.ts";
import type { Person } from "./person.ts";
import type { NodeId, SessionId } from "../../shard/name/ids.ts";
import type { EdgePacket } from "../../shard/edge_packet.ts";
import type { Shard } from "../../shard/step/shard.ts";
import type { Prng } from "./prng.ts";
import type { Result } from "../../shard/errors.ts";
import type { SimNode } from "./sim_node.ts";
import type { Cluster } from "./cluster.ts";
import { ask } from "./dump.ts";
import { ByteWriter } from "../../shard/record/bytes.ts";
import { newId, pointOf } from "../../shard/name/ids.ts";
import { RECORD_VERSION, writeEntry } from "../../shard/account/records.ts";
import { simRandom } from "./prng.ts";
import { Violation } from "./history.ts";

/** A shard serves again within this time, whatever else goes wrong (ms): with its disk. */
const SERVES_MS = 30_000;
/** What has waited for a reload is done so long after it (ms). */
const AFTER_MS = 1000;
const USURPER = { id: "node999999999999" as NodeId, incarnation: 1 };

/** An operator reloads a shard. */
export function reloadShard(cluster: Cluster, node: SimNode, prng: Prng): void {
  const { running } = node;
  const shard = prng.pick(running.node.shards);
  // What comes meanwhile waits for the claim, and is done before sessions are announced.
  if (prng.chance(0.5)) node.disk.stall(prng.int(20, 300));
  const old = [...running.visible.packets.values()];
  let answered = false;
  let asked = 0;
  for (const { name } of cluster.people.filter((p) => shard.owns(p.name as AccountName))) {
    asked++;
    running.node.request(name as AccountName, "device.list", {}, () => asked--);
  }
  running.node.reload(shard.id, (result) => {
    answered = true;
    cluster.history.add("shards", `${shard.id} reloaded: ${result.ok ? "done" : result.code}`);
    if (!result.ok) return;
    const look = () => {
      const now = running.node.shards.find(({ id }) => id === shard.id);
      if (!now?.ready || now.row.epoch !== result.value.epoch) return;
      // After bugs in a row it refuses announcements: sessions learn of events by being announced.
      if (now.presence.settling.active) return void running.process.timers.after(AFTER_MS, look);
      if (asked > 0) throw new Violation("what was asked is repeated", `shard ${shard.id}`);
      for (const person of cluster.people) {
        if (shard.owns(person.name as AccountName)) knowsAll(node, person);
      }
      const { pending } = running.visible;
      for (const packet of old) {
        // What is pending has no version: every packet of the epoch is newer, and comes in order.
        if (packet.kind === "presence" && pending.has(packet.watched)) continue;
        // Of whom nothing is known the last packet counts again: a home that is back may say no more.
        if (packet.kind === "presence" && running.visible.isBack(packet)) continue;
        comesLate(packet, running.edge.deliver(packet));
      }
    };
    running.process.timers.after(AFTER_MS, look);
  });
  writeToReader(cluster, shard);
  cluster.time.global.timers.after(SERVES_MS, () => {
    if (answered || !node.up || node.running !== running || !running.serving) return;
    if (running.process.state !== "running") return;
    throw new Violation(
      "liveness",
      `shard ${shard.id} does not serve ${SERVES_MS} ms after a reload`,
    );
  });
}

/** Somebody is written to whose session is not announced yet. */
function writeToReader(cluster: Cluster, shard: Shard): void {
  const online = cluster.people.filter((p) => p.online.length > 0);
  const reader = online.find((p) => shard.owns(p.name as AccountName));
  const writer = online.find((p) => p !== reader && p.online[0]!.life === p.life);
  if (reader !== undefined) writer?.write(writer.online[0]!, reader.name, 40);
}

/**
 * Some connect anew while the shard's sessions are not announced: they must not see them offline.
 */
export function lookAgain(cluster: Cluster, prng: Prng, lo: number, hi: number): void {
  for (const { name, online } of cluster.people) {
    const [device] = online;
    const point = pointOf(name);
    if (device === undefined || (point >= lo && point < hi) || !prng.chance(0.5)) continue;
    cluster.time.global.timers.after(0, () => device.online && device.reconnect());
  }
}

/** Sessions know of everything that is committed, although nobody pushed it to them. */
function knowsAll({ running }: SimNode, { name, devices }: Person): void {
  const sessions = devices.map((d) => running.edge.session(d.session as SessionId));
  const epochNow = () => running.node.shardOf(name as AccountName).row.epoch;
  const epoch = epochNow();
  running.node.request(name as AccountName, "mailbox.snapshot", {}, (result) => {
    // The reply of the next owner may come before the sessions are announced to that one.
    if (!result.ok || epochNow() !== epoch) return;
    const { mailboxId, snapshot: { seq } } = result.value;
    for (const session of sessions as (LiveSession | null)[]) {
      if (session?.user !== name || !session.alive || session.feed.mailboxId !== mailboxId) {
        continue;
      }
      if (session.feed.known >= seq) continue;
      const text = `a session of ${name} knows ${session.feed.known} events of ${seq}`;
      throw new Violation("sessions know what is committed", text, [name]);
    }
  });
}

/** A packet that an edge has had comes once more, after its shard has another owner. */
function comesLate(packet: EdgePacket, concerned: number): void {
  if (packet.kind !== "presence" || concerned === 0) return;
  const text = `an old packet about ${packet.watched} is taken, of epoch ${packet.epoch}`;
  throw new Violation("presence never goes back", text, [packet.watched]);
}

/** Somebody else claims a shard and appends an account, which its former owner must find. */
export function usurpShard(cluster: Cluster, node: SimNode, prng: Prng): void {
  const { running } = node;
  const { store } = running.ports;
  const shard = prng.pick(running.node.shards);
  const note = (text: string) => cluster.history.add("usurper", `shard ${shard.id}: ${text}`);
  const claim = { shard: shard.id, epoch: shard.row.epoch };
  store.claim([claim], USURPER, (error, [owned]) => {
    note(error?.kind ?? (owned ? `has epoch ${owned.epoch}, head ${owned.head}` : "is too late"));
    if (error !== null || owned == null) return;
    let name: AccountName;
    do name = `usurper-${prng.u32()}` as AccountName; while (!shard.owns(name));
    const random = simRandom(prng);
    const record = new ByteWriter().u8(RECORD_VERSION);
    writeEntry(record, name, {
      kind: "created",
      id: newId(random.bytes(12)),
      mailboxId: newId(random.bytes(12)),
      at: 1,
      credentials: null,
    });
    // Another process writes it: this one does not know.
    node.disk.put(["log", shard.id, owned.head + 1], record.take());
    cluster.usurped.push(name);
    note(`appends ${name}`);
  });
}

/** Creates an account; again where the shard finds out by it that it has another owner. */
export function createFor(cluster: Cluster, name: string): Result<unknown> {
  for (let tries = 3;; tries--) {
    const input = { credentials: null };
    const result = ask(cluster, cluster.nodeOf(name), name, "account.create", input);
    if (result.ok || result.code !== "unavailable" || tries === 0) return result;
    cluster.time.runFor(1000);
  }
}

/** What a usurper has appended is in what the next owner has read. */
export function checkUsurped(cluster: Cluster): void {
  if (!cluster.config.faults.includes("usurp")) return;
  // An owner that has not written since does not know: it finds out by this.
  for (const shard of cluster.nodes[0]!.running.node.shards) {
    for (let i = 0;; i++) {
      const name = `probe-${i}` as AccountName;
      if (!shard.owns(name)) continue;
      createFor(cluster, name);
      break;
    }
  }
  for (const name of cluster.usurped) {
    const result = createFor(cluster, name);
    if (!result.ok && result.code === "conflict") continue;
    const text = `${name} is lost: ${result.ok ? "it can be created" : result.code}`;
    throw new Violation("a fenced owner writes nothing", text);
  }
}
