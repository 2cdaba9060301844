import assert from "node:assert/strict";
import type { AccountId, DeviceId } from "../../shard/name/ids.ts";
import type { FactorChange, FactorProof } from "../../shard/ops.ts";
import type { Passkey } from "../../shard/account/passkeys.ts";
import { NodeFixture } from "../sim/node_fixture.ts";

const RECOVERY = [new Uint8Array([7]), new Uint8Array([8])];
const LATER = Number.MAX_SAFE_INTEGER;
const [ONE, TWO] = [new Uint8Array([1]), new Uint8Array([2])];

function passkey(id: Uint8Array, counter = 0): Passkey {
  const kept = { at: 1, usedAt: 0, rpId: "example.com", transports: ["usb"], synced: false };
  return { id, publicKey: new Uint8Array([9]), counter, name: "Key", ...kept };
}

const added = (id: Uint8Array, counter = 0): FactorChange => ({
  kind: "passkey_added",
  passkey: passkey(id, counter),
  recovery: RECOVERY,
});

const removed = (id: Uint8Array): FactorChange => ({ kind: "passkey_removed", passkey: id });

/** A verified signature over a challenge of its own. */
function signed(id: Uint8Array, challenge: number, counter = 0, until = LATER): FactorProof {
  const about = { counter, synced: false, challenge: new Uint8Array([challenge]), until };
  return { kind: "passkey", passkey: id, ...about };
}

function open(identity?: string) {
  const w = new NodeFixture();
  const { id } = w.must("ann", "account.create", {
    credentials: null,
    ...(identity === undefined ? {} : { identity }),
  });
  const set = (change: FactorChange, proof: FactorProof | null = null, of: AccountId = id) => {
    const result = w.ask("ann", "account.setFactors", { id: of, change, proof });
    return result.ok ? "ok" : result.code;
  };
  let devices = 0;
  const add = (factor?: FactorProof) => {
    devices++;
    const result = w.ask("ann", "device.add", {
      device: `d${devices}` as DeviceId,
      label: "",
      tokenHash: new Uint8Array([devices]),
      expiresAt: LATER,
      proof: null,
      ...(factor === undefined ? {} : { factor }),
    });
    return result.ok ? "ok" : /\((\w+)\)/.exec(result.message)?.[1] ?? result.code;
  };
  const factors = () => w.must("ann", "account.factors", {})!.factors;
  return { w, id, set, add, factors };
}

Deno.test("13: a passkey signs in alone, each challenge once, and is asked for besides a password", () => {
  const { add, factors, set } = open();
  assert.equal(add(signed(ONE, 1)), "passkey", "the account has none");
  assert.equal(set(added(ONE)), "ok");
  assert.deepEqual(factors()!.recovery, RECOVERY);
  assert.equal(add(), "second_factor_required");
  assert.equal(add(signed(ONE, 1)), "ok");
  assert.equal(add(signed(ONE, 1)), "challenge");
  assert.equal(add(signed(TWO, 2)), "passkey");
  assert.equal(add({ kind: "recovery", hash: RECOVERY[0]! }), "ok");
  assert.equal(factors()!.passkeys[0]!.usedAt > 0, true);
});

Deno.test("13: a passkey that counts has to count up, one that does not is taken", () => {
  const { add, set } = open();
  assert.equal(set(added(ONE, 5)), "ok");
  assert.equal(add(signed(ONE, 1, 5)), "counter");
  assert.equal(add(signed(ONE, 1, 4)), "counter");
  assert.equal(add(signed(ONE, 1, 0)), "counter", "it has counted before");
  assert.equal(add(signed(ONE, 1, 6)), "ok");
  assert.equal(add(signed(ONE, 2, 6)), "counter");
  assert.equal(set(added(TWO), signed(ONE, 3, 7)), "ok");
  assert.equal(add(signed(TWO, 4)), "ok");
  assert.equal(add(signed(TWO, 5)), "ok");
});

Deno.test("13: passkeys change only with a factor; the last way in and the bound hold", () => {
  const { factors, set, w } = open();
  assert.equal(set(removed(ONE)), "not_found");
  assert.equal(set(added(ONE)), "ok");
  assert.equal(set(added(TWO)), "second_factor_required");
  assert.equal(set(added(ONE), signed(ONE, 1)), "conflict", "twice the same");
  assert.equal(set(removed(ONE), signed(ONE, 1)), "conflict", "no other way in");
  assert.equal(set({ kind: "passkey_named", passkey: ONE, name: "Blue" }), "ok");
  assert.equal(set({ kind: "passkey_named", passkey: TWO, name: "Blue" }), "not_found");
  assert.equal(factors()!.passkeys[0]!.name, "Blue");
  for (let i = 2; i <= 16; i++) {
    assert.equal(set(added(new Uint8Array([i])), signed(ONE, i)), "ok");
  }
  assert.equal(set(added(new Uint8Array([17])), signed(ONE, 17)), "limit_reached");
  assert.equal(set(removed(ONE)), "second_factor_required");
  assert.equal(set(removed(ONE), signed(ONE, 18)), "ok");
  assert.deepEqual(w.must("ann", "account.clearFactors", {}), { had: true });
  assert.equal(factors(), null);
});

Deno.test("13: who has another way in may remove the last passkey; recovery codes end with it", () => {
  const { add, factors, set } = open("issuer 1");
  assert.equal(set(added(ONE)), "ok");
  assert.equal(set(removed(ONE), { kind: "recovery", hash: RECOVERY[0]! }), "ok");
  assert.equal(factors(), null);
  assert.equal(add(), "ok");
});

Deno.test("13: an authenticator app and passkeys do not end each other", () => {
  const { factors, set } = open("issuer 1");
  const secret = new Uint8Array([1, 2, 3]);
  assert.equal(set({ kind: "totp_added", secret, step: 5, recovery: RECOVERY }), "ok");
  assert.equal(set(added(ONE), { kind: "totp", step: 6 }), "ok");
  assert.equal(factors()!.recovery.length, 2);
  assert.equal(set({ kind: "totp_removed" }, signed(ONE, 1)), "ok");
  assert.deepEqual([factors()!.totp, factors()!.passkeys.length], [null, 1]);
  assert.deepEqual(factors()!.recovery, RECOVERY);
});

Deno.test("13: an account remembers used challenges while they are valid, and takes no more than it can", () => {
  const { add, set, w } = open();
  assert.equal(set(added(ONE)), "ok");
  const now = w.must("ann", "account.factors", {})!.factors!.passkeys[0]!.at;
  assert.equal(add(signed(ONE, 1, 0, now)), "ok", "has expired");
  for (let i = 1; i <= 64; i++) assert.equal(add(signed(ONE, i)), "ok");
  assert.equal(add(signed(ONE, 65)), "rate_limited");
});

Deno.test("13: passkeys and used challenges are kept by a kill, from the log and from checkpoints, and end with the account", () => {
  const { add, factors, set, w } = open();
  assert.equal(set(added(ONE, 1)), "ok");
  assert.equal(add(signed(ONE, 1, 2)), "ok");
  const kept = factors();
  assert.equal(kept!.passkeys[0]!.counter, 2);
  const again = () => {
    w.kill();
    w.start();
    assert.deepEqual(factors(), kept);
    assert.equal(add(signed(ONE, 1, 3)), "challenge");
    assert.equal(add(signed(ONE, 2, 2)), "counter");
  };
  again();
  // The account is checkpointed and leaves memory.
  w.settle(300_000);
  again();
  w.must("ann", "account.remove", {});
  w.must("ann", "account.release", {});
  w.must("ann", "account.create", { credentials: null });
  assert.equal(factors(), null);
});
