/** One sample of each kind of record of push messages, for `record_bytes_test.ts`. */
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import type { Entry } from "../../shard/account/records.ts";

const BO = "bo" as AccountName;
const PHONE = "phone" as DeviceId;
const AT = 1_700_000_000_123;

/** By name, as in `ENTRY_SAMPLES`. */
export const PUSH_SAMPLES = {
  push_set: {
    kind: "push_set",
    device: PHONE,
    at: AT,
    endpoint: "https://push.example/1",
    p256dh: new Uint8Array([4, 1, 2]),
    auth: new Uint8Array([3, 4]),
    content: "sender",
    service: "",
  },
  push_removed: { kind: "push_removed", device: PHONE },
  push_owed: { kind: "push_owed", with: BO, seq: 300 },
  push_settled: { kind: "push_settled", with: BO, seq: 300, sent: true },
} satisfies Readonly<Record<string, Entry>>;
