import assert from "node:assert/strict";
import { type BindOutcome, Directory, type DirectoryCheck } from "../../server/auth/directory.ts";
import { escapeDn, escapeFilter } from "../../server/auth/directory_escape.ts";
import type { Result } from "../../shard/errors.ts";
import { createSignIn } from "../../server/auth/sign_in.ts";
import type { Verified } from "../../server/auth/types.ts";
import {
  ADDRESS,
  answersOf,
  codeOf,
  credentialsFor,
  nameOf,
  openSignIn,
} from "./sign_in_fixture.ts";

const OPTIONS = { realm: "dc=example", concurrency: 2, createAccounts: true, linkAccounts: false };

/** A directory that responds when the test says so. */
function open() {
  const binds: { user: string; password: string; respond: (outcome: BindOutcome) => void }[] = [];
  const directory = new Directory((user, password, respond) => {
    binds.push({ user, password, respond });
  }, OPTIONS);
  const check = (user: string, password = "secret") => {
    const checks: DirectoryCheck[] = [];
    directory.check(nameOf(user), password, (check) => void checks.push(check));
    return checks;
  };
  return { binds, directory, check };
}

const ANN = { kind: "ok", name: "Ann", id: "7" } as const;

Deno.test("13: Directory: so many binds at a time, as many that wait, and no more", () => {
  const { binds, check } = open();
  const all = ["a", "b", "c", "d", "e"].map((user) => check(user));
  assert.equal(binds.length, 2);
  assert.deepEqual(all[4], [{ kind: "busy" }]);
  binds[0]!.respond({ kind: "away", why: "x" });
  assert.deepEqual(all[0], [{ kind: "away", why: "x" }]);
  assert.deepEqual(binds.map(({ user }) => user), ["a", "b", "c"]);
  for (const bind of binds.slice(1)) bind.respond({ kind: "wrong", why: "x" });
  binds[3]!.respond({ kind: "wrong", why: "x" });
  assert.equal(check("f").length, 0, "there is room again");
  assert.equal(binds.length, 5);
});

Deno.test("13: Directory: an empty password is never sent, and the entry names the account", () => {
  const { binds, check } = open();
  assert.equal(check("ann", "")[0]?.kind, "wrong");
  assert.equal(binds.length, 0);
  const checks = check("alias");
  binds[0]!.respond(ANN);
  const [first] = checks;
  assert.ok(first?.kind === "ok");
  assert.deepEqual(first.outsider.names, ["ann"]);
  assert.equal(first.outsider.links, false);
});

Deno.test("13: escapeFilter, escapeDn: a name stays a value", () => {
  assert.equal(escapeFilter("a*)(uid=b\\\0"), "a\\2a\\29\\28uid=b\\5c\\00");
  assert.equal(escapeFilter("é"), "\\c3\\a9");
  assert.equal(escapeFilter("ann.smith-1_x"), "ann.smith-1_x");
  assert.equal(escapeDn("a,ou=b+c"), "a\\2cou\\3db\\2bc");
  assert.equal(escapeDn(" é#"), "\\20\\c3\\a9\\23");
});

/** A sign-in with a directory: bob has a password here, nobody else. */
function openWithDirectory() {
  const { binds, directory } = open();
  const opened = openSignIn();
  opened.shards.add("bob", { credentials: credentialsFor("pencil") });
  const signIn = createSignIn({ ...opened.deps, directory }, opened.options);
  const password = (user: string, word: string): Result<Verified>[] =>
    answersOf((done) => signIn.password({ user, password: word, address: ADDRESS }, done));
  return { ...opened, binds, password };
}

Deno.test("13: sign-in: the directory sees every wrong password, and none that is right here", () => {
  const { binds, password, shards } = openWithDirectory();
  assert.equal(codeOf(password("bob", "pencil")[0]), "ok");
  assert.equal(binds.length, 0);
  const wrong = ["bob", "ann"].map((user) => password(user, "wrong"));
  assert.deepEqual(binds.map(({ user }) => user), ["bob", "ann"]);
  for (const { respond } of binds) respond({ kind: "wrong", why: "x" });
  assert.deepEqual(wrong[0], wrong[1], "nobody learns what is here");
  assert.equal(codeOf(wrong[0]![0]), "unauthorized");
  const ann = password("ann", "right");
  binds[2]!.respond(ANN);
  assert.equal(codeOf(ann[0]), "ok");
  assert.equal(shards.accounts.get("ann")?.credentials, null);
  const bob = password("bob", "of the directory");
  binds[3]!.respond({ kind: "ok", name: "bob", id: "8" });
  assert.equal(codeOf(bob[0]), "conflict", "a name is no reason to get an account");
});

Deno.test("13: sign-in: a directory that is away costs no attempt, a wrong password does", () => {
  const { binds, password } = openWithDirectory();
  for (let i = 0; i < 30; i++) {
    const away = password("ann", "right");
    binds.at(-1)!.respond({ kind: "away", why: "x" });
    assert.ok(away[0]?.ok === false && away[0].code === "unavailable");
    assert.ok(away[0].retryAfterMs! > 0);
  }
  const codes = new Set<string>();
  for (let i = 0; i < 30; i++) {
    const wrong = password("ann", `guess ${i}`);
    if (wrong.length === 0) binds.at(-1)!.respond({ kind: "wrong", why: "x" });
    codes.add(codeOf(wrong[0]));
  }
  assert.deepEqual([...codes], ["unauthorized", "rate_limited"]);
});
