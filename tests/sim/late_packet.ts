/**
 * A scene in a quiescent cluster: packets of an account that was deleted arrive when its name is
 * another account's and its former recipient is a contact of that one. They change nothing.
 */
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import type { Cluster } from "./cluster.ts";
import type { SubscriptionType } from "../../shard/roster/subscription.ts";
import { must } from "./scenes.ts";
import { Violation } from "./history.ts";

const DEVICE = "d1" as DeviceId;
/** What is repeated after a loss is done within this time (ms). */
const SETTLE_MS = 5000;

function subscription(cluster: Cluster, from: string, contact: string, type: SubscriptionType) {
  must(cluster, from, "roster.subscription", { contact: contact as AccountName, type });
  cluster.time.runFor(SETTLE_MS);
}

function send(cluster: Cluster, from: string, to: string, id: string): void {
  const message = { device: DEVICE, to: to as AccountName, id, body: id, ext: "" };
  must(cluster, from, "message.send", message);
}

/** What `holder` has of the contact and of its messages. */
function known(cluster: Cluster, holder: string, contact: string): string {
  const { snapshot } = must(cluster, holder, "mailbox.snapshot", {});
  const { subscription } = snapshot.roster.find((i) => i.contact === contact) ?? {};
  return `${subscription}, ${snapshot.seq} events, requests of ${snapshot.requests}`;
}

/** Runs the scene between accounts of two shards, the second of which takes messages from anyone. */
export function latePacket(cluster: Cluster, [from, to]: readonly [string, string]): void {
  const arriveAgain = cluster.wire.copies((packet) =>
    packet.kind === "pair" && packet.from === from && packet.to === to
  );
  send(cluster, from, to, "of the former");
  subscription(cluster, from, to, "subscribe");
  const former = arriveAgain.stop();
  must(cluster, from, "account.remove", {});
  cluster.time.runFor(SETTLE_MS);
  must(cluster, from, "account.release", {});
  must(cluster, from, "account.create", { credentials: null });
  subscription(cluster, from, to, "subscribe");
  subscription(cluster, to, from, "subscribed");
  send(cluster, from, to, "of the next");
  cluster.time.runFor(SETTLE_MS);
  const before = known(cluster, to, from);
  if (!before.startsWith("from")) {
    throw new Violation("packets of a next account are taken", before, [from, to]);
  }
  former();
  cluster.time.runFor(SETTLE_MS);
  const after = known(cluster, to, from);
  if (after === before) return;
  const text = `${to} had of ${from}: ${before}; after packets of the former account: ${after}`;
  throw new Violation("packets of a former account change nothing", text, [from, to]);
}
