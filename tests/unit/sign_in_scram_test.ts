import assert from "node:assert/strict";
import { fail } from "../../shard/errors.ts";
import {
  answerOf,
  begin,
  codeOf,
  credentialsFor,
  openWithAccounts,
  replyTo,
  scram,
} from "./sign_in_fixture.ts";

for (const mechanism of ["SCRAM-SHA-256", "SCRAM-SHA-1"] as const) {
  Deno.test(`SignIn.scram: ${mechanism} signs in with proofs both ways`, () => {
    const { signIn, bob } = openWithAccounts();
    const result = scram(signIn, "bob", "pencil", mechanism);
    assert.ok(result.ok);
    assert.deepEqual([result.value.user, result.value.id], ["bob", bob.id]);
    for (const user of ["bob", "nobody", "dora", "carol"]) {
      assert.deepEqual(
        scram(signIn, user, user === "bob" ? "wrong" : "pencil", mechanism),
        fail("unauthorized", "The user name or the password is not right."),
        user,
      );
    }
  });
}

Deno.test("SignIn.scram: an account without a key of the mechanism is like an unknown one", () => {
  const { signIn } = openWithAccounts();
  assert.equal(codeOf(scram(signIn, "old", "pencil")), "ok");
  assert.equal(codeOf(scram(signIn, "old", "pencil", "SCRAM-SHA-1")), "unauthorized");
});

Deno.test("SignIn.scram: SHA-1 is unsupported where it is disabled", () => {
  const { signIn } = openWithAccounts({ iterations: { sha256: 4, sha1: null } });
  assert.equal(codeOf(scram(signIn, "bob", "pencil", "SCRAM-SHA-1")), "unsupported");
  assert.equal(codeOf(scram(signIn, "bob", "pencil")), "ok");
});

Deno.test("SignIn.scram: challenges of unknown and disabled names look real and are stable", () => {
  const challenge = (user: string, opened = openWithAccounts()) => {
    const exchange = begin(opened.signIn, `n,,n=${user},r=client`);
    assert.ok(exchange.ok);
    return exchange.value.message.replace(/^r=[^,]*,/, "");
  };
  assert.match(challenge("bob"), /^s=[A-Za-z0-9+/]{22}==,i=4$/);
  for (const user of ["nobody", "dora", "carol"]) {
    assert.match(challenge(user), /^s=[A-Za-z0-9+/]{22}==,i=4$/);
    assert.equal(challenge(user), challenge(user), "also after a restart");
    assert.equal(challenge(user), challenge(user.toUpperCase()));
  }
  assert.notEqual(challenge("nobody"), challenge("nobody2"));
  const other = openWithAccounts({ fakeSaltSecret: new Uint8Array(16) });
  assert.notEqual(challenge("nobody", other), challenge("nobody"));
});

Deno.test("SignIn.scram: every challenge has its own nonce, which continues the client's", () => {
  const { signIn } = openWithAccounts();
  const nonces = Array.from({ length: 3 }, () => {
    const exchange = begin(signIn, "n,,n=bob,r=client");
    assert.ok(exchange.ok);
    return /^r=(client[A-Za-z0-9+/]{24}),/.exec(exchange.value.message)![1];
  });
  assert.equal(new Set(nonces).size, 3);
});

Deno.test("SignIn.scram: acting as oneself is allowed, as another not", () => {
  const { signIn } = openWithAccounts();
  const code = (header: string) => codeOf(begin(signIn, `${header}n=bob,r=client`));
  assert.equal(code("n,a=bob,"), "ok");
  assert.equal(code("y,a=Bob@example.com,"), "ok");
  assert.equal(code("n,a=alice,"), "forbidden");
  assert.equal(code("n,a=bob@elsewhere.example,"), "forbidden");
  assert.equal(code("n,a=foo bar,"), "forbidden");
});

Deno.test("SignIn.scram: malformed messages and channel binding are distinguished", () => {
  const { signIn } = openWithAccounts();
  assert.equal(codeOf(begin(signIn, "p=tls-exporter,,n=bob,r=client")), "unsupported");
  assert.equal(codeOf(begin(signIn, "n,,m=x,n=bob,r=client")), "unsupported");
  assert.equal(codeOf(begin(signIn, "rubbish")), "bad_request");
  assert.equal(codeOf(begin(signIn, "n,,n=foo bar,r=client")), "unauthorized");
  assert.equal(codeOf(begin(signIn, "n,,n=bob@elsewhere.example,r=client")), "unauthorized");
});

Deno.test("SignIn.scram: an exchange is for one final message", () => {
  const { signIn } = openWithAccounts();
  const exchange = begin(signIn, "n,,n=bob,r=client");
  assert.ok(exchange.ok);
  const finish = (message: string) =>
    codeOf(answerOf((done) => exchange.value.finish(message, done)));
  assert.equal(finish("rubbish"), "bad_request");
  assert.equal(finish(replyTo(exchange.value, "bob", "pencil").message), "conflict");
});

Deno.test("SignIn.scram: parallel exchanges do not give more guesses", () => {
  const { signIn } = openWithAccounts();
  const exchanges = Array.from({ length: 40 }, (_, i) => {
    const exchange = begin(signIn, "n,,n=bob,r=client", "SCRAM-SHA-256", `10.0.0.${i}`);
    assert.ok(exchange.ok);
    return exchange.value;
  });
  const codes = exchanges.map((exchange) => {
    const { message } = replyTo(exchange, "bob", "wrong");
    return codeOf(answerOf((done) => exchange.finish(message, done)));
  });
  assert.equal(codes.filter((c) => c === "unauthorized").length, 10);
  assert.equal(codes.filter((c) => c === "rate_limited").length, 30);
});

Deno.test("SignIn.scram: an exchange begun before a change of password or state is void", () => {
  const changes: readonly ((bob: ReturnType<typeof openWithAccounts>["bob"]) => void)[] = [
    (bob) => bob.credentials = credentialsFor("eraser"),
    (bob) => bob.state = "disabled",
    (bob) => bob.credentials = null,
    (bob) => bob.id = "another account!" as typeof bob.id,
  ];
  for (const change of changes) {
    const { signIn, bob } = openWithAccounts();
    const exchange = begin(signIn, "n,,n=bob,r=client");
    assert.ok(exchange.ok);
    const { message } = replyTo(exchange.value, "bob", "pencil");
    change(bob);
    const result = answerOf((done) => exchange.value.finish(message, done));
    assert.equal(codeOf(result), "unauthorized");
  }
});
