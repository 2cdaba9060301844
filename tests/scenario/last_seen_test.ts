import assert from "node:assert/strict";
import type { DeviceId, SessionId } from "../../shard/name/ids.ts";
import { NodeFixture, ONLINE } from "../sim/node_fixture.ts";

const wall = (w: NodeFixture) => w.process.clock.wallMs();

function friends(): NodeFixture {
  const w = new NodeFixture();
  for (const n of ["ann", "bob"]) w.account(n);
  w.befriend("ann", "bob");
  return w;
}

/** What ann gets after a restart: what is durable. */
function stored(w: NodeFixture): number {
  w.settle(10_000);
  w.kill();
  w.start();
  const answers = w.watch("ann", w.attach("ann"));
  return answers.find((a) => a.watched === "bob")!.presence!.lastSeen;
}

const presence = (w: NodeFixture, session: SessionId, value: typeof ONLINE | null) =>
  w.must("bob", "presence.set", { session, presence: value });

Deno.test("last seen is the time of the sign-out, also after a restart", () => {
  const w = friends();
  const bob = w.attach("bob");
  w.settle(5000);
  const before = wall(w);
  w.must("bob", "session.detach", { session: bob.session });
  const after = wall(w);
  const seen = stored(w);
  assert.ok(seen >= before && seen <= after, `${seen} in ${before} … ${after}`);
});

Deno.test("last seen is when the user became invisible, not when it signed out", () => {
  const w = friends();
  const bob = w.attach("bob");
  w.settle(5000);
  presence(w, bob.session, null);
  const after = wall(w);
  w.settle(5000);
  w.must("bob", "session.detach", { session: bob.session });
  const seen = stored(w);
  assert.ok(seen > after - 1000 && seen <= after, `${seen}, became invisible at ${after}`);
});

Deno.test("last seen: an invisible session in place of a visible one is a sign-out", () => {
  const w = friends();
  w.attach("bob");
  w.settle(5000);
  const before = wall(w);
  const hidden = w.attach("bob", "phone", null);
  const after = wall(w);
  w.settle(5000);
  w.must("bob", "session.detach", { session: hidden.session });
  const seen = stored(w);
  assert.ok(seen >= before && seen <= after, `${seen} in ${before} … ${after}`);
});

for (const end of ["device.revoke", "account.setCredentials", "account.setDisabled"] as const) {
  Deno.test(`last seen is stored by ${end}`, () => {
    const w = friends();
    w.attach("bob");
    w.settle(5000);
    const before = wall(w);
    const key = new Uint8Array(32);
    const sha256 = { salt: key, iterations: 1, storedKey: key, serverKey: key };
    const credentials = { sha256, sha1: null };
    if (end === "device.revoke") w.must("bob", end, { device: "phone" as DeviceId });
    if (end === "account.setCredentials") {
      w.must("bob", end, { credentials, keepDevice: null, proof: null });
    }
    if (end === "account.setDisabled") {
      w.must("bob", end, { disabled: true });
      w.must("bob", end, { disabled: false });
    }
    const after = wall(w);
    const seen = stored(w);
    assert.ok(seen >= before && seen <= after, `${seen} in ${before} … ${after}`);
  });
}

Deno.test("last seen of an account that is nobody's any more is not that of the next", () => {
  const w = friends();
  const bob = w.attach("bob");
  w.must("bob", "session.detach", { session: bob.session });
  w.must("bob", "account.remove", {});
  w.settle(60_000);
  w.must("bob", "account.release", {});
  w.account("bob");
  w.befriend("ann", "bob");
  assert.equal(stored(w), 0);
});
