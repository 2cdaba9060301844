/**
 * Making good what went with a failed commit. Its effects were never done, but what they were to
 * tell may have become durable all the same: edges would show for ever what is not so any more.
 */
import type { Account } from "../account/account.ts";
import type { Effect } from "../effects.ts";
import type { EdgePacket } from "../edge_packet.ts";
import type { ShardPacket } from "../message/packets.ts";
import type { Turn } from "../handlers/turn.ts";
import { readForward } from "../mailbox/mailbox.ts";
import { shownToBlocked } from "../handlers/account_ops.ts";
import { seenByOwner, seesOwner } from "../roster/roster.ts";

/** Does `effect` of the account, which was dropped, where the account's state still wants it. */
export function replayLostEffects(turn: Turn, account: Account, effect: Effect): void {
  if (effect.kind === "packet") {
    const { packet } = effect;
    if (packet.kind === "rewatch" && isShown(account, packet)) turn.send(account, packet);
  } else if (effect.kind === "abroad") {
    // The account is elsewhere: that cell decides.
    if (effect.packet.kind === "rewatch") turn.emit(account, effect);
  } else if (effect.kind === "edge" && isWanted(turn, account, effect.packet)) {
    turn.emit(account, { ...effect, packet: asItIsNow(turn, account, effect.packet) });
  }
}

/** As it is, or as one who is offline to whom it has blocked. */
function isShown(account: Account, packet: ShardPacket & { kind: "rewatch" }): boolean {
  const block = account.blocked.get(packet.to);
  if (block !== undefined) return account.active && block.peerId === packet.toId;
  const item = account.roster.get(packet.to);
  return account.active && seesOwner(item) && item!.peerId === packet.toId;
}

/** A block may be another one than the packet was about. */
function asItIsNow(turn: Turn, account: Account, packet: EdgePacket): EdgePacket {
  if (packet.kind !== "revoke" || packet.watched !== account.name) return packet;
  const lastSeen = shownToBlocked(account, packet.watcher);
  const p = packet.of === undefined ? undefined : turn.presence.get(account.name);
  // It is done now, behind what was replied meanwhile.
  return { ...packet, lastSeen, ...(p === undefined ? {} : { of: turn.presence.revoke(p) }) };
}

/** Whether the packet is still to be sent. */
function isWanted(turn: Turn, account: Account, packet: EdgePacket): boolean {
  switch (packet.kind) {
    case "events":
      showLast(turn, account);
      return false;
    case "watch": {
      const { name, id } = packet.target;
      return maySee(account, name) && account.roster.get(name)!.peerId === id;
    }
    case "revoke":
      return packet.watched === account.name
        ? !shows(account, packet.watcher)
        : !maySee(account, packet.watched);
    case "presence":
    case "unknown":
    case "ask_again":
    case "signal":
    case "closed":
    case "announce":
      return false;
    case "rewatch":
      return true;
  }
}

function maySee(account: Account, contact: Account["name"]): boolean {
  return account.active && seenByOwner(account.roster.get(contact)) &&
    !account.blocked.has(contact);
}

function shows(account: Account, watcher: Account["name"]): boolean {
  return account.active && seesOwner(account.roster.get(watcher)) && !account.blocked.has(watcher);
}

/** Sessions that see the last event notice that they lack what comes before it. */
function showLast(turn: Turn, account: Account): void {
  const { mailbox } = account;
  if (mailbox.last < mailbox.first) return;
  const events = readForward(mailbox, mailbox.last - 1, 1, 1, new Map());
  if (!("need" in events)) turn.push(account, events[0]!, 0);
}
