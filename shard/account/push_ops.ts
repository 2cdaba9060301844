/** Requests about the push subscriptions of an account. */
import type { AccountName, DeviceId } from "../name/ids.ts";
import type { PushTarget } from "./push_targets.ts";

/** A push subscription in a list. */
export type PushView = Pick<PushTarget, "device" | "at" | "endpoint" | "content" | "service">;

/** See `Ops`. */
export interface PushOps {
  /** Sends push messages of the device here from now on; `limit_reached` where too many devices do. */
  "push.set": {
    in: { readonly device: DeviceId; readonly target: Omit<PushTarget, "device" | "at"> };
    out: null;
  };
  /** Ends that; with `endpoint`, only where the device still has that one. */
  "push.remove": { in: { readonly device: DeviceId; readonly endpoint?: string }; out: null };
  "push.list": { in: Record<never, never>; out: readonly PushView[] };
  /**
   * Internal: what became of a push message. sent: taken, or not to be tried again; later: not taken
   * yet; gone: the push subscription does not exist any more.
   */
  "push.settle": {
    in: {
      readonly with: AccountName;
      readonly seq: number;
      readonly targets: readonly {
        readonly device: DeviceId;
        readonly endpoint: string;
        readonly outcome: "sent" | "later" | "gone";
      }[];
      /** When the push service wants to be asked again (ms); 0: it has not said. */
      readonly retryAfterMs: number;
    };
    out: null;
  };
}
