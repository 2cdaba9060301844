/** Nothing makes room for itself by pushing out what a user has not read. */
import type { AccountName } from "../../shard/name/ids.ts";
import type { Cluster } from "./cluster.ts";
import type { Folded } from "./check_mail.ts";
import type { Ops } from "../../shard/ops.ts";
import { ask } from "./dump.ts";
import { Violation } from "./history.ts";

/** Positions of the incoming messages that the whole history with a peer has, ascending. */
export function incoming(cluster: Cluster, name: string, peer: string): number[] {
  const found: number[] = [];
  const query = { with: peer as AccountName, before: null, limit: 20, bytesMax: 65_536 };
  for (let after = 0;;) {
    const page: ReturnType<typeof ask<"conversation.history">> = ask(
      cluster,
      cluster.nodeOf(name),
      name,
      "conversation.history",
      { ...query, after },
    );
    if (!page.ok) throw new Violation("liveness", `history of ${name}: ${page.code}`);
    const { events, more }: Ops["conversation.history"]["out"] = page.value;
    for (const e of events) if (e.kind === "message" && !e.out) found.push(e.seq);
    if (!more) return found;
    after = events.at(-1)!.seq;
  }
}

/**
 * Every message that counts as unread is in the history. Where a device has confirmed it, later ones
 * of its own sender may have taken its room; the last one stays.
 */
export function checkUnread(cluster: Cluster, folded: readonly Folded[]): void {
  for (const { life, dump, first } of folded) {
    for (const { with: peer, unread, readUpTo, lastSeq } of dump.snapshot!.conversations) {
      if (unread === 0) continue;
      const left = incoming(cluster, life.name, peer).filter((seq) => seq > readUpTo);
      const released = left.length > 0 && (left[0]! > 1 && life.ackTriedSeq > 0);
      if (left.length === unread || (cluster.config.trims && released && left.length < unread)) {
        continue;
      }
      const text = `${life.name} has ${unread} unread messages of ${peer} up to ${lastSeq}, ` +
        `${left.length} of them in its history: ${left}; it begins at ${first}`;
      throw new Violation("no unread message is pushed out", text, [life.name, peer]);
    }
  }
}
