/** Operations on push subscriptions: setting, ending and listing them, and what came of a push message. */
import type { Handler } from "./turn.ts";
import { fail, ok } from "../errors.ts";
import { PUSH_TARGETS_MAX, type PushTarget } from "../account/push_targets.ts";
import { settlePush } from "./push_due.ts";

const NOT_ACTIVE = fail("unauthorized", "The account cannot be used (any more)");

/** A device without a token of this server, as of an outside issuer, has to set it again after this. */
const WITHOUT_TOKEN_MS = 30 * 86_400_000;
/** A repetition within this time changes nothing: clients set theirs at every start. */
const RENEW_MS = 86_400_000;

/** Push subscriptions that are still good: of devices that are signed in. */
export function liveTargets(
  account: Parameters<Handler<"push.list">>[1],
  wallMs: number,
): readonly PushTarget[] {
  return account.pushTargets.filter((target) => {
    const device = account.devices.find((d) => d.device === target.device);
    return (device?.expiresAt ?? target.at + WITHOUT_TOKEN_MS) > wallMs;
  });
}

function sameTarget(a: PushTarget, b: Omit<PushTarget, "device" | "at">): boolean {
  return a.endpoint === b.endpoint && a.content === b.content && a.service === b.service &&
    String(a.p256dh) === String(b.p256dh) && String(a.auth) === String(b.auth);
}

/** Replaces what the device had, and what another device has at the same endpoint. */
export const setPush: Handler<"push.set"> = (turn, account, { device, target }) => {
  if (!account.active) return NOT_ACTIVE;
  const { wall } = turn.now;
  const before = account.pushTargets.find((t) => t.device === device);
  if (before !== undefined && sameTarget(before, target) && wall - before.at < RENEW_MS) {
    return ok(null);
  }
  const live = new Set(liveTargets(account, wall));
  for (const t of account.pushTargets) {
    const same = t.endpoint === target.endpoint && t.service === target.service;
    if (t.device === device || (live.has(t) && !same)) continue;
    turn.append(account, { kind: "push_removed", device: t.device });
  }
  if (before === undefined && account.pushTargets.length >= PUSH_TARGETS_MAX) {
    const message = `Cannot subscribe: ${PUSH_TARGETS_MAX} devices get push messages already`;
    return fail("limit_reached", message);
  }
  turn.append(account, { kind: "push_set", device, at: wall, ...target });
  return ok(null);
};

/** Again is no error. With an `endpoint`, only where the device still has that one. */
export const removePush: Handler<"push.remove"> = (turn, account, { device, endpoint }) => {
  const target = account.pushTargets.find((t) => t.device === device);
  if (target !== undefined && (endpoint === undefined || endpoint === target.endpoint)) {
    turn.append(account, { kind: "push_removed", device });
  }
  return ok(null);
};

/** Without those of devices that are not signed in any more. */
export const listPush: Handler<"push.list"> = (turn, account) => {
  if (!account.active) return NOT_ACTIVE;
  return ok(
    liveTargets(account, turn.now.wall).map(({ device, at, endpoint, content, service }) => ({
      device,
      at,
      endpoint,
      content,
      service,
    })),
  );
};

/** What became of a push message that the shard has asked for. */
export const settlePushes: Handler<"push.settle"> = (turn, account, input) => {
  for (const { device, endpoint, outcome } of input.targets) {
    const target = account.pushTargets.find((t) => t.device === device);
    if (outcome !== "gone" || target?.endpoint !== endpoint) continue;
    turn.append(account, { kind: "push_removed", device });
  }
  settlePush(turn, account, input);
  return ok(null);
};
