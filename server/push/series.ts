/** What is counted of push messages. */
import { byLabel, type Meter } from "../node/meter.ts";
import type { PushSender } from "./push_sender.ts";

/** Registers it; null where no push messages are sent. */
export function registerPush(
  to: Meter,
  push: Pick<PushSender, "counts" | "waiting" | "closed"> | null,
): void {
  to.values("roost_push_messages_total", () => byLabel("outcome", push?.counts ?? {}));
  to.value("roost_push_waiting", () => push?.waiting ?? 0);
  to.value("roost_push_services_failing", () => push?.closed ?? 0);
}
