/** Answers a node's registration of interest in some of the shard's users. */
import type { Account } from "../account/account.ts";
import type { AccountName, NodeId } from "../name/ids.ts";
import type { InterestAnswer, InterestItem } from "../edge_packet.ts";
import type { Effect, ShardInput } from "../effects.ts";
import type { Turn } from "./turn.ts";
import { cellOf } from "../federation/cell_node.ts";
import { eraOf } from "../account/home.ts";
import { contactSees, frozenFor, frozenRight, hasRight } from "../account/rights.ts";
import { type Presentity, visibleDevices } from "../presence/presence.ts";

/** Whether the watcher of `item` may see the presence of `account`. */
function maySee(account: Account, item: InterestItem): boolean {
  if (!account.active || account.id !== item.watchedId) return false;
  if (item.watcher === item.watched) return account.id === item.watcherId;
  if (account.blocked.has(item.watcher)) return false;
  return contactSees(account, item.watcher, item.watcherId);
}

/** Whether it may see that of a user whose account is not in memory, but was. */
function maySeeAway(p: Presentity, item: InterestItem): boolean {
  return p.id === item.watchedId && p.rights !== null && hasRight(p.rights, item.watcherId);
}

/** What the watcher is shown in place of it, having been blocked. */
function frozenAt(account: Account, { watcher, watcherId, watchedId }: InterestItem) {
  return account.id === watchedId ? frozenFor(account, watcher, watcherId) : null;
}

/** The same of a user whose account is not in memory. */
function frozenAway(p: Presentity, { watcherId, watchedId }: InterestItem): number | null {
  return p.id === watchedId && p.rights !== null ? frozenRight(p.rights, watcherId) : null;
}

/** Users of `items` whose accounts have to be in memory for an answer. */
export function toLoadFor(turn: Turn, items: readonly InterestItem[]): AccountName[] {
  const names: AccountName[] = [];
  for (const { watched, watchedId } of items) {
    const p = turn.presence.get(watched);
    // Who stands for another account of the name knows nothing of this one.
    const known = p !== undefined &&
      (p.rights !== null || p.proxied !== null && p.id === watchedId);
    if (!known) names.push(watched);
  }
  return names;
}

/** Refuses all items, whatever they are: the shard cannot tell who may be seen. */
export function seesNobody(input: ShardInput & { kind: "interest" }): Effect {
  const answers = input.items.map(({ watcher, watched }) => {
    return { watcher, watched, presence: null, lastSeen: null };
  });
  return { kind: "interest_answer", request: input.request, input, answers };
}

/**
 * Registers the allowed items and answers all of them, once what they rest on is committed. An
 * account that is neither in memory nor known by its rights is one that cannot be read: nobody sees
 * it. `abroad` returns the answer for a user of another cell, null for others.
 */
export function answerInterest(
  turn: Turn,
  input: ShardInput & { kind: "interest" },
  find: (name: AccountName) => Account | undefined,
  abroad: (item: InterestItem, node: NodeId) => InterestAnswer | null = () => null,
): void {
  let newest: Account | null = null;
  const answers: InterestAnswer[] = input.items.map((item) => {
    const refused = (lastSeen: number | null) => {
      return { watcher: item.watcher, watched: item.watched, presence: null, lastSeen };
    };
    const elsewhere = abroad(item, input.node);
    if (elsewhere !== null) return elsewhere;
    const account = find(item.watched);
    let p = turn.presence.get(item.watched);
    if (account !== undefined) {
      // A refusal, too, may rest on what is not committed yet.
      if (newest === null || account.runtime.batch > newest.runtime.batch) newest = account;
      if (!maySee(account, item)) return refused(frozenAt(account, item));
      const { lastSeen, name } = account;
      p = turn.presence.ensure(name, item.watchedId, lastSeen, eraOf(account));
    } else if (p === undefined || !maySeeAway(p, item)) {
      return refused(p === undefined ? null : frozenAway(p, item));
    }
    turn.presence.addInterest(p, input.node);
    return {
      watcher: item.watcher,
      watched: item.watched,
      presence: {
        watchedId: item.watchedId,
        epoch: turn.presence.epochOf(p),
        version: turn.presence.versionFor(p),
        devices: visibleDevices(p),
        lastSeen: p.lastSeen,
        ...(cellOf(input.node) === null ? {} : { revoked: p.revoked }),
      },
      lastSeen: null,
    };
  });
  turn.emit(newest, { kind: "interest_answer", request: input.request, input, answers });
}
