/** What the audit log has of sign-ins: names of accounts that exist, and nothing secret (13). */
import assert from "node:assert/strict";
import type { AuditInput } from "../../server/audit/entry.ts";
import {
  ADDRESS,
  answerOf,
  codeOf,
  nameOf,
  openWithAccounts,
  password,
  scram,
} from "./sign_in_fixture.ts";
import { recordedSignIn } from "../../server/audit/sign_ins.ts";

function recorded() {
  const { signIn: service, ...opened } = openWithAccounts();
  const found: AuditInput[] = [];
  const records = {
    signIn: (input: AuditInput) => void found.push(input),
    failed: (input: AuditInput) => void found.push(input),
  };
  const signIn = recordedSignIn(service, records, "example.com");
  const told = () =>
    found.splice(0).map(({ action, address, method, outcome, user = "-" }) => {
      assert.equal(address, ADDRESS);
      return `${action} ${method} ${outcome} ${user}`;
    });
  return { ...opened, signIn, service, found, told };
}

Deno.test("13: sign-ins are recorded with the account, and failures with it only where it exists", () => {
  const { signIn, told } = recorded();
  for (
    const [user, word] of [["Bob", "pencil"], ["bob", "wrong"], ["nobody", "pencil"], [
      "\u0000",
      "x",
    ]] as const
  ) {
    password(signIn, user, word);
  }
  assert.deepEqual(told(), [
    "signIn password ok bob",
    "signIn password unauthorized bob",
    "signIn password unauthorized -",
    "signIn password unauthorized -",
  ]);
  for (const [user, word] of [["bob", "pencil"], ["bob", "wrong"], ["nobody", "pencil"]] as const) {
    scram(signIn, user, word);
  }
  assert.deepEqual(told(), [
    "signIn password ok bob",
    "signIn password unauthorized bob",
    "signIn password unauthorized -",
  ]);
});

Deno.test("13: a client gets the same whether its sign-ins are recorded or not", () => {
  const { service, signIn, found } = recorded();
  for (const [user, word] of [["bob", "wrong"], ["nobody", "wrong"], ["dora", "pencil"]] as const) {
    assert.deepEqual(password(signIn, user, word), password(service, user, word));
    assert.deepEqual(scram(signIn, user, word), scram(service, user, word));
  }
  assert.doesNotMatch(JSON.stringify(found), /wrong|pencil|nobody/);
});

Deno.test("13: new passwords, registrations and tokens that are not taken are recorded", () => {
  const { signIn, told } = recorded();
  const change = (oldPassword: string) =>
    codeOf(answerOf<null>((done) =>
      signIn.changePassword({
        user: nameOf("bob"),
        oldPassword,
        newPassword: "another pencil",
        keepDevice: null,
        address: ADDRESS,
      }, done)
    ));
  assert.deepEqual([change("wrong"), change("pencil")], ["forbidden", "ok"]);
  const asked = { user: "eve", password: "correct horse", invite: null, address: ADDRESS };
  assert.equal(codeOf(answerOf((done) => signIn.register(asked, done))), "ok");
  assert.equal(codeOf(answerOf((done) => signIn.register(asked, done))), "conflict");
  answerOf<null>((done) =>
    signIn.resetPassword({ code: "rp1_x", password: "correct horse", address: ADDRESS }, done)
  );
  signIn.noteFailure(ADDRESS);
  signIn.noteFailure(ADDRESS, "oidc");
  assert.deepEqual(told(), [
    "changePassword password forbidden bob",
    "changePassword password ok bob",
    "register password ok eve",
    "register password conflict -",
    "changePassword resetLink forbidden -",
    "signIn token unauthorized -",
    "signIn oidc unauthorized -",
  ]);
});
