/** SCRAM exchanges that any node of a cell can finish (issue 9, B5). */
import assert from "node:assert/strict";
import fc from "fast-check";
import { answerOf, begin, codeOf, openWithAccounts, replyTo } from "./sign_in_fixture.ts";
import { openScram, type ScramState, sealKey, sealScram } from "../../server/auth/scram_seal.ts";

const KEY = sealKey(new Uint8Array(32));
const STATE: ScramState = {
  mechanism: "SCRAM-SHA-256",
  first: "n,,n=bob,r=client",
  answer: "server,s=QSXCR+Q6sek8bf92,i=4096",
};

Deno.test("sealScram and openScram: a state returns until its time, with its key only", () => {
  const sealed = sealScram(KEY, STATE, 1000);
  assert.match(sealed, /^[A-Za-z0-9_-]+$/);
  assert.deepEqual(openScram(KEY, sealed, 999), STATE);
  assert.equal(openScram(KEY, sealed, 1000), null);
  assert.equal(openScram(sealKey(new Uint8Array(32).fill(1)), sealed, 0), null);
});

Deno.test("openScram takes no text that is not a seal, whatever it is changed to", () => {
  const sealed = sealScram(KEY, STATE, 1000);
  const at = fc.nat(sealed.length - 1);
  fc.assert(fc.property(at, fc.constantFrom(..."Ab9_-=.% é"), (i, char) => {
    const changed = sealed.slice(0, i) + char + sealed.slice(i + 1);
    const state = openScram(KEY, changed, 0);
    // The last character may have bits that mean nothing.
    if (state !== null) assert.deepEqual(state, STATE);
    if (i < sealed.length - 1 && char !== sealed[i]) assert.equal(state, null);
  }));
  fc.assert(fc.property(at, (length) => openScram(KEY, sealed.slice(0, length), 0) === null));
  const texts = fc.oneof(fc.string(), fc.base64String(), fc.string({ unit: "binary" }));
  fc.assert(fc.property(texts, (text) => openScram(KEY, text, 0) === null));
});

Deno.test("SignIn.reopenScram: another node of the cell finishes an exchange", () => {
  const [first, second] = [openWithAccounts(), openWithAccounts()];
  for (
    const [user, password, code] of [
      ["bob", "pencil", "ok"],
      ["bob", "wrong", "unauthorized"],
      ["nobody", "pencil", "unauthorized"],
    ] as const
  ) {
    const begun = begin(first.signIn, `n,,n=${user},r=client`);
    assert.ok(begun.ok);
    const { message } = replyTo(begun.value, user, password);
    const again = second.signIn.reopenScram(begun.value.seal(60_000), "192.0.2.9");
    assert.ok(again !== null);
    assert.equal(again.message, begun.value.message);
    assert.equal(codeOf(answerOf((done) => again.finish(message, done))), code);
  }
});

Deno.test("SignIn.reopenScram: the final message of another exchange is not taken", () => {
  const { signIn } = openWithAccounts();
  const [one, other] = [begin(signIn, "n,,n=bob,r=client"), begin(signIn, "n,,n=bob,r=client")];
  assert.ok(one.ok && other.ok);
  const { message } = replyTo(one.value, "bob", "pencil");
  const exchange = signIn.reopenScram(other.value.seal(1000), "192.0.2.9")!;
  assert.equal(codeOf(answerOf((done) => exchange.finish(message, done))), "bad_request");
});

Deno.test("SignIn.reopenScram: a cell with another secret does not take it", () => {
  const begun = begin(openWithAccounts().signIn, "n,,n=bob,r=client");
  assert.ok(begun.ok);
  const other = openWithAccounts({ fakeSaltSecret: new Uint8Array(32) });
  assert.equal(other.signIn.reopenScram(begun.value.seal(1000), "192.0.2.9"), null);
});
