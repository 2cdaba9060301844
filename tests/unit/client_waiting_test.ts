/** What the client library knows of messages that wait for a subscription. */
import assert from "node:assert/strict";
import { ClientFixture } from "./client_fixture.ts";

Deno.test("createClient: a conversation has the numbers of what waits for a subscription (9 A1)", async () => {
  const fixture = new ClientFixture();
  const client = await fixture.connected();
  const waiting = () => client.conversations.get("bob")!.waiting;
  let seq = 10;
  const event = (k: string, fields: object) => {
    fixture.socket.events({ k, seq: ++seq, at: seq, ...fields });
  };
  const sent = (num: number, waits = true) => {
    const fields = { with: "bob", out: true, num, id: `k${num}`, body: "hello" };
    event("message", waits ? { ...fields, waits } : fields);
  };
  for (const num of [1, 2, 3]) sent(num);
  assert.deepEqual(waiting(), [1, 2, 3]);
  event("undelivered", { with: "bob", num: 1, id: "k1", reason: "not_accepted" });
  event("roster", { contact: "bob", subscription: "none", pendingOut: true });
  assert.deepEqual(waiting(), [2, 3]);
  event("roster", { contact: "bob", subscription: "from" });
  assert.deepEqual(waiting(), []);
  event("roster", { contact: "bob", subscription: "none" });
  for (const num of [4, 5]) sent(num);
  event("undelivered", { with: "bob", from: 4, num: 5, id: "", reason: "not_accepted" });
  assert.deepEqual(waiting(), []);
  // One that is sent at once leaves none waiting before it.
  sent(6);
  sent(7, false);
  assert.deepEqual(waiting(), []);
});
