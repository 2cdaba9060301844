/** Answers a node's registration of interest in some of the shard's users. */
import type { Account } from "./account.ts";
import type { AccountName } from "./ids.ts";
import type { InterestAnswer, InterestItem } from "./ops.ts";
import type { ShardInput } from "./effects.ts";
import type { Turn } from "./turn.ts";
import { seesOwner } from "./roster.ts";
import { visibleDevices } from "./presence.ts";

/** Whether the watcher of `item` may see the presence of `account`. */
function maySee(account: Account, item: InterestItem): boolean {
  if (!account.active || account.id !== item.watchedId) return false;
  if (item.watcher === item.watched) return account.id === item.watcherId;
  if (account.blocked.has(item.watcher)) return false;
  const entry = account.roster.get(item.watcher);
  return seesOwner(entry) && entry!.peerId === item.watcherId;
}

/**
 * Registers the allowed items and answers all of them, once what they rest on is committed. An
 * account that is not in memory is one that cannot be read: nobody sees it.
 */
export function answerInterest(
  turn: Turn,
  input: ShardInput & { kind: "interest" },
  find: (name: AccountName) => Account | undefined,
): void {
  let newest: Account | null = null;
  const answers: InterestAnswer[] = input.items.map((item) => {
    const refused = { watcher: item.watcher, watched: item.watched, presence: null };
    const account = find(item.watched);
    if (account === undefined) return refused;
    // A refusal, too, may rest on what is not committed yet.
    if (newest === null || account.batch > newest.batch) newest = account;
    if (!maySee(account, item)) return refused;
    const p = turn.presence.ensure(account.name, item.watchedId, account.lastSeen);
    turn.presence.addInterest(p, input.node);
    return {
      watcher: item.watcher,
      watched: item.watched,
      presence: {
        watchedId: item.watchedId,
        version: p.version,
        devices: visibleDevices(p),
        lastSeen: p.lastSeen,
      },
    };
  });
  turn.emit(newest, { kind: "interest_answer", request: input.request, input, answers });
}
