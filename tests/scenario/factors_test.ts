import assert from "node:assert/strict";
import type { AccountId, DeviceId } from "../../shard/name/ids.ts";
import type { FactorChange, FactorProof } from "../../shard/ops.ts";
import { NodeFixture } from "../sim/node_fixture.ts";

const SECRET = new Uint8Array([1, 2, 3]);
const RECOVERY = [new Uint8Array([7]), new Uint8Array([8])];
const LATER = Number.MAX_SAFE_INTEGER;

function open() {
  const w = new NodeFixture();
  const { id } = w.must("ann", "account.create", { credentials: null });
  const set = (change: FactorChange, proof: FactorProof | null = null, of: AccountId = id) => {
    const result = w.ask("ann", "account.setFactors", { id: of, change, proof });
    return result.ok ? "ok" : result.code;
  };
  const add = (factor?: FactorProof, token = 1, more: { readonly exempt?: true } = {}) => {
    const result = w.ask("ann", "device.add", {
      device: `d${token}` as DeviceId,
      label: "",
      tokenHash: new Uint8Array([token]),
      expiresAt: LATER,
      proof: null,
      ...(factor === undefined ? {} : { factor }),
      ...more,
    });
    return result.ok ? "ok" : result.code;
  };
  const factors = () => w.must("ann", "account.factors", {})!.factors;
  const added: FactorChange = { kind: "totp_added", secret: SECRET, step: 5, recovery: RECOVERY };
  return { w, id, set, add, factors, added };
}

Deno.test("13: an account with a second factor takes no device without one, and each code once", () => {
  const { add, added, set } = open();
  assert.equal(add(), "ok");
  assert.equal(set(added), "ok");
  assert.equal(add(undefined, 2), "second_factor_required");
  assert.equal(add(undefined, 2, { exempt: true }), "ok", "an issuer vouches");
  assert.equal(add({ kind: "totp", step: 5 }, 3), "unauthorized", "it confirmed the app");
  assert.equal(add({ kind: "totp", step: 6 }, 3), "ok");
  assert.equal(add({ kind: "totp", step: 6 }, 3), "ok", "the same request again");
  assert.equal(add({ kind: "totp", step: 6 }, 4), "unauthorized");
  assert.equal(add({ kind: "totp", step: 5 }, 4), "unauthorized");
  assert.equal(add({ kind: "recovery", hash: RECOVERY[0]! }, 4), "ok");
  assert.equal(add({ kind: "recovery", hash: RECOVERY[0]! }, 5), "unauthorized");
  assert.equal(add({ kind: "recovery", hash: new Uint8Array([9]) }, 5), "unauthorized");
});

Deno.test("13: second factors change only with one of them, and operators remove them", () => {
  const { add, added, factors, id, set, w } = open();
  assert.equal(set({ kind: "totp_removed" }), "not_found");
  assert.equal(set({ kind: "recovery_made", recovery: [] }), "not_found");
  assert.equal(set(added, null, "another-account1" as AccountId), "not_found");
  assert.equal(set(added), "ok");
  assert.equal(set({ kind: "totp_removed" }), "second_factor_required");
  assert.equal(set(added, { kind: "totp", step: 6 }), "conflict");
  const made: FactorChange = { kind: "recovery_made", recovery: [new Uint8Array([9])] };
  assert.equal(set(made, { kind: "recovery", hash: RECOVERY[1]! }), "ok");
  assert.equal(set(made, { kind: "recovery", hash: RECOVERY[0]! }), "unauthorized");
  assert.equal(set({ kind: "totp_removed" }, { kind: "totp", step: 9 }), "ok");
  assert.equal(factors(), null);
  assert.equal(add(), "ok");
  assert.equal(set(added), "ok");
  assert.deepEqual(w.must("ann", "account.clearFactors", {}), { had: true });
  assert.deepEqual(w.must("ann", "account.clearFactors", {}), { had: false });
  assert.equal(add(undefined, 6), "ok");
  assert.equal(set(added, null, id), "ok");
});

Deno.test("13: second factors are kept by a kill, from the log and from checkpoints, and end with the account", () => {
  const { add, added, factors, set, w } = open();
  assert.equal(set(added), "ok");
  assert.equal(add({ kind: "totp", step: 7 }), "ok");
  const kept = factors();
  assert.equal(kept!.totp!.lastStep, 7);
  const again = () => {
    w.kill();
    w.start();
    assert.deepEqual(factors(), kept);
    assert.equal(add({ kind: "totp", step: 7 }, 2), "unauthorized");
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
