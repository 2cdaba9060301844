/** What shards tell each other about two of their users. Always addressed by `to`. */
import type { AccountId, AccountName, CellName, DeviceId } from "../name/ids.ts";
import type { ProxyMessage } from "../federation/proxy_message.ts";
import type { MoveMessage } from "../federation/move_message.ts";
import type { NameMessage } from "../federation/name_packets.ts";
import type { SubscriptionType } from "../roster/subscription.ts";
import { mapped, oneOf, text, type TypeOf, uint } from "../record/schema.ts";
import { union, variant } from "../record/struct.ts";

const SUBSCRIPTION_TYPES = [
  "subscribe",
  "subscribed",
  "unsubscribe",
  "unsubscribed",
] as const satisfies readonly SubscriptionType[];

const ANSWER_TYPES = ["subscribed", "unsubscribed"] as const satisfies readonly SubscriptionType[];

const message = { num: uint, id: text, body: text, ext: text };

/** A payload as it is stored: answers of earlier versions are `subscription`, without a number. */
const STORED = union("packet", {
  message: variant(0, message),
  subscription: variant(1, { type: oneOf("subscription packet", SUBSCRIPTION_TYPES) }),
  answer: variant(2, { type: oneOf("subscription answer", ANSWER_TYPES), seen: uint }),
});

/** What a durable, numbered packet carries. */
export type Payload =
  | (TypeOf<typeof STORED> & { readonly kind: "message" })
  | {
    readonly kind: "subscription";
    readonly type: SubscriptionType;
    /**
     * Of `subscribed` and `unsubscribed`: number of the last packet that their sender had taken from
     * the recipient. A request with a greater number has another answer. 0 where it is not known.
     */
    readonly seen: number;
  };

/** What a durable, numbered packet carries. */
export const PAYLOAD = mapped<TypeOf<typeof STORED>, Payload>(
  STORED,
  (stored) => {
    switch (stored.kind) {
      case "message":
        return stored;
      case "subscription":
        return { kind: "subscription", type: stored.type, seen: 0 };
      case "answer":
        return { kind: "subscription", type: stored.type, seen: stored.seen };
    }
  },
  (payload) => {
    if (payload.kind === "message") return payload;
    const { type, seen } = payload;
    const numbered = seen > 0 && (type === "subscribed" || type === "unsubscribed");
    return numbered ? { kind: "answer", type, seen } : { kind: "subscription", type };
  },
);

/** A packet between two accounts' shards. */
export type ShardPacket =
  /** Durable packet number `n` of the pair: ascending by one for these two account ids. */
  | {
    readonly kind: "pair";
    readonly from: AccountName;
    readonly fromId: AccountId;
    readonly to: AccountName;
    readonly toId: AccountId;
    readonly n: number;
    /** All below is settled: the recipient has said so. */
    readonly base: number;
    /** What the recipient has said its generation is; see `Account.pairGeneration`. */
    readonly generation: number;
    readonly payload: Payload;
    /** When it was decided (monotonic ms of the sender's node), for metrics; 0 when sent again. */
    readonly sinceMs: number;
  }
  /**
   * Everything up to `n` is settled by the recipient `from`. `gap`: send again from `n + 1`.
   * `alone`: only `n` is, which the recipient keeps no note of.
   */
  | {
    readonly kind: "pair_ack";
    readonly as: "upTo" | "gap" | "alone";
    readonly from: AccountName;
    readonly fromId: AccountId;
    readonly to: AccountName;
    readonly toId: AccountId;
    readonly n: number;
    readonly refused: readonly { readonly n: number; readonly reason: string }[];
    /** Of `upTo`: the recipient wants to forget the pair, and asks for `pair_settled`. */
    readonly forget: boolean;
  }
  /** The sender `from` will never again send a packet up to number `n` of the pair. */
  | {
    readonly kind: "pair_settled";
    readonly from: AccountName;
    readonly fromId: AccountId;
    readonly to: AccountName;
    readonly toId: AccountId;
    readonly n: number;
  }
  /** The recipient `from` has no record of the pair: packets have to name this generation. */
  | {
    readonly kind: "pair_unknown";
    readonly from: AccountName;
    readonly fromId: AccountId;
    readonly to: AccountName;
    readonly toId: AccountId;
    readonly generation: number;
  }
  /** The account `fromId` the packets were for was deleted (and its id is never used again). */
  | {
    readonly kind: "pair_gone";
    readonly from: AccountName;
    readonly fromId: AccountId;
    readonly to: AccountName;
    readonly toId: AccountId;
  }
  /** How far `from` has got the messages of `to`: cumulative, the highest wins. */
  | {
    readonly kind: "receipt";
    readonly from: AccountName;
    readonly fromId: AccountId;
    readonly to: AccountName;
    readonly toId: AccountId;
    readonly delivered: number;
    readonly read: number;
  }
  /** `from` knows the receipt up to these numbers. */
  | {
    readonly kind: "receipt_ack";
    readonly from: AccountName;
    readonly fromId: AccountId;
    readonly to: AccountName;
    readonly toId: AccountId;
    readonly delivered: number;
    readonly read: number;
  }
  | {
    readonly kind: "signal";
    readonly from: AccountName;
    readonly fromId: AccountId;
    readonly fromDevice: DeviceId;
    readonly to: AccountName;
    /** A signal that arrives late is for no later account of the name. */
    readonly toId: AccountId;
    readonly toDevice: DeviceId | null;
    readonly type: string;
    readonly body: string;
    readonly id: string;
  }
  /**
   * Is the account `id` the newest that has the name `to`? Asked for the account `from`, which knows
   * the others in `known`, separated by spaces.
   */
  | {
    readonly kind: "newest";
    readonly from: AccountName;
    readonly to: AccountName;
    readonly id: AccountId;
    readonly known: string;
  }
  /** It is, and all in `known` were before it; otherwise no answer is sent. */
  | {
    readonly kind: "is_newest";
    readonly from: AccountName;
    readonly to: AccountName;
    readonly id: AccountId;
    readonly known: string;
  }
  /** `from` may be seen by `to` (again): its sessions should register interest. */
  | {
    readonly kind: "rewatch";
    readonly from: AccountName;
    readonly fromId: AccountId;
    readonly to: AccountName;
    readonly toId: AccountId;
  }
  /** Which account has the name `to`? Asked for the account `from`. */
  | { readonly kind: "resolve"; readonly from: AccountName; readonly to: AccountName }
  /** The account that has the name `from`, null where none has. */
  | {
    readonly kind: "resolved";
    readonly from: AccountName;
    readonly fromId: AccountId | null;
    readonly to: AccountName;
    /** Whether `from` takes messages from anyone, and has not blocked `to`. */
    readonly open: boolean;
  }
  /** About the home of the name `to`, from the shard that has it (`from`) in another cell. */
  | {
    readonly kind: "name";
    readonly from: AccountName;
    readonly to: AccountName;
    /** The sender's cell. */
    readonly cell: CellName;
    /** The version of the list of voters that the sender knows. */
    readonly voters: number;
    readonly message: NameMessage;
  }
  /** About the presence of `to`, from the shard that has the name (`from`) in another cell. */
  | {
    readonly kind: "proxy";
    readonly from: AccountName;
    readonly to: AccountName;
    /** The sender's cell. */
    readonly cell: CellName;
    readonly message: ProxyMessage;
  }
  /** About the move of the account `to` to another cell, from the shard that has the name there. */
  | {
    readonly kind: "move";
    readonly from: AccountName;
    readonly to: AccountName;
    /** The sender's cell. */
    readonly cell: CellName;
    readonly message: MoveMessage;
  };

/** Whether its sender sends a packet again until it has arrived; a signal may be lost. */
export function isRepeated({ kind }: ShardPacket): boolean {
  return kind !== "rewatch" && kind !== "proxy";
}
