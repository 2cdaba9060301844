/** Messages that a former primary of the store has acknowledged alone, sent once more by this node. */
import type { AccountName } from "../../shard/name/ids.ts";
import type { Clock, Log, Timers } from "../node/ports.ts";
import { noteOf } from "../../shard/message/note.ts";
import type { OpName, Ops } from "../../shard/ops.ts";
import type { Result } from "../../shard/errors.ts";
import type { UnreplicatedMessage } from "./unreplicated.ts";
import type { TakeUnreplicated } from "./unreplicated_delivery.ts";

/** Wait before a message is tried again, where the refusal says no other (ms). */
const AGAIN_MS = 500;

/** What it needs of its node. */
export interface ResubmitHost {
  request<K extends OpName>(
    name: AccountName,
    op: K,
    input: Ops[K]["in"],
    done: (result: Result<Ops[K]["out"]>) => void,
  ): void;
}

/** What it is made with. */
export interface ResubmitOptions {
  readonly node: ResubmitHost;
  readonly clock: Pick<Clock, "wallMs">;
  readonly timers: Timers;
  readonly log: Pick<Log, "warn">;
  /** Older messages are not sent again: that they were sent before may be forgotten (ms). */
  readonly ageMsMax: number;
}

/**
 * Sends messages one after another, each under its own id: one that is here already is not sent twice.
 * What is refused for good is logged and left out: the account is gone, was made later, or may not
 * send that any more.
 */
export function resubmitter(options: ResubmitOptions): TakeUnreplicated {
  const { log } = options;
  return (messages, taken) => {
    let at = 0;
    const next = () => {
      const message = messages[at++];
      if (message === undefined) return taken();
      send(options, message, (why) => {
        const { from, id } = message;
        if (why !== null) log.warn("acknowledged message not sent again", { user: from, id, why });
        next();
      });
    };
    next();
  };
}

function send(
  options: ResubmitOptions,
  message: UnreplicatedMessage,
  done: (why: string | null) => void,
): void {
  const { ageMsMax, clock, node, timers } = options;
  const { at, body, device, ext, from, id, to } = message;
  if (clock.wallMs() - at > ageMsMax) return done("it is too old");
  if (noteOf(ext)?.kind === "past") return done(null);
  const refused = ({ code, retryAfterMs }: Result<never> & { readonly ok: false }) => {
    const again = retryAfterMs !== undefined || code === "unavailable" || code === "busy";
    if (!again) return done(code);
    timers.after(retryAfterMs ?? AGAIN_MS, () => send(options, message, done));
  };
  node.request(from, "account.info", {}, (found) => {
    if (!found.ok) return refused(found);
    // Another account has the name by now.
    if (found.value.createdAt > at) return done("the account is a later one");
    const input = { device, to, id, body, ext };
    node.request(from, "message.send", input, (sent) => sent.ok ? done(null) : refused(sent));
  });
}
