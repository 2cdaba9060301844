import assert from "node:assert/strict";
import { fail, type Result } from "../../shard/errors.ts";
import { Identities, identityOf, type Outsider } from "../../server/auth/identity.ts";
import type { Registers } from "../../server/node/cell_value.ts";
import type { Verified } from "../../server/auth/types.ts";
import { namesOf } from "../../server/auth/oidc_names.ts";
import { answerOf, codeOf, FakeShards, nameOf } from "./sign_in_fixture.ts";

/** Registers in memory. */
function fakeRegisters(): Registers {
  const rows = new Map<string, { version: number; value: Uint8Array }>();
  return {
    register: (name, done) => done(null, rows.get(name) ?? null),
    cas: (name, version, value, _mutations, done) => {
      if ((rows.get(name)?.version ?? 0) !== version) return done(null, false);
      rows.set(name, { version: version + 1, value });
      done(null, true);
    },
    watch: () => () => {},
  };
}

function open() {
  const shards = new FakeShards();
  const lines: string[] = [];
  const write = (event: string) => void lines.push(event);
  const identities = new Identities({
    router: shards.router,
    store: fakeRegisters(),
    log: { info: write, warn: write },
  });
  const find = (change: Partial<Outsider>): Result<Verified> =>
    answerOf((done) =>
      identities.find({
        identity: "i1",
        names: [nameOf("ann")],
        creates: true,
        links: false,
        by: "corp",
        ...change,
      }, done)
    );
  return { shards, find };
}

const names = (...texts: string[]) => texts.map(nameOf);
const userOf = (result: Result<Verified>) => result.ok ? result.value.user : result.code;

Deno.test("13: identityOf: another issuer's same subject is somebody else", () => {
  const identities = [
    identityOf("https://a", "u1"),
    identityOf("https://b", "u1"),
    identityOf("https://a", "u2"),
    identityOf('https://a","u', "1"),
  ];
  assert.equal(new Set(identities).size, 4);
  assert.ok(identities.every((identity) => /^[\w-]{32}$/.test(identity)));
});

Deno.test("13: Identities: the account goes with the identity, not with the name", () => {
  const { shards, find } = open();
  assert.equal(userOf(find({})), "ann");
  assert.equal(userOf(find({ names: names("ann-smith") })), "ann");
  assert.equal(userOf(find({ names: [] })), "ann");
  assert.equal(codeOf(find({ identity: "i2" })), "conflict");
  assert.equal(userOf(find({ identity: "i2", names: names("ann", "ann-2") })), "ann-2");
  assert.equal(codeOf(find({ identity: "i3", names: [] })), "unauthorized");
  // The account ends, and somebody else gets the name: the note of the identity is not enough.
  shards.accounts.delete("ann");
  shards.add("ann");
  assert.equal(codeOf(find({})), "conflict");
});

Deno.test("13: Identities: an existing account is linked by its name only where that is allowed", () => {
  const { shards, find } = open();
  shards.add("ann");
  shards.add("dora", { state: "disabled" });
  shards.add("old", { state: "deleted" });
  assert.equal(codeOf(find({})), "conflict");
  assert.equal(codeOf(find({ creates: false })), "forbidden");
  assert.equal(codeOf(find({ names: names("dora"), links: true })), "conflict");
  assert.equal(codeOf(find({ names: names("old"), links: true })), "conflict");
  assert.equal(userOf(find({ links: true })), "ann");
  assert.equal(userOf(find({})), "ann", "linked for good");
  assert.equal(codeOf(find({ identity: "i2", links: true })), "conflict", "it is somebody's now");
});

Deno.test("13: Identities: none is made where none may be, and what cannot be asked is said", () => {
  const { shards, find } = open();
  assert.equal(codeOf(find({ creates: false })), "forbidden");
  assert.equal(shards.accounts.size, 0);
  shards.intercept = (op) => op === "account.create" ? fail("busy", "x", 7) : undefined;
  assert.deepEqual(find({}), fail("busy", "x", 7));
});

Deno.test("13: Identities: the first name decides which cell is asked, and no two cells go on for ever", () => {
  const moved = { ...fail("moved", "elsewhere"), cell: "b" };
  const { shards, find } = open();
  const away = new Set(["ann"]);
  shards.intercept = (_op, name) => away.has(name) ? moved : undefined;
  assert.deepEqual(find({ names: names("ann", "ann-2") }), moved);
  assert.equal(shards.accounts.size, 0);
  away.clear();
  away.add("ann-2");
  shards.add("ann");
  assert.equal(userOf(find({ names: names("ann", "ann-2", "ann-3") })), "ann-3");
});

Deno.test("13: namesOf: a claim is a name as it stands, or is made one", () => {
  const exact = (value: unknown) => namesOf({ n: value }, "n", "exact");
  assert.deepEqual(exact("ann"), ["ann"]);
  for (const bad of ["Ann", "a b", "", 7, undefined, "roost.x", "a/b", "x".repeat(300)]) {
    assert.deepEqual(exact(bad), [], String(bad));
  }
  const adapt = (value: unknown) => namesOf({ n: value }, "n", "adapt").slice(0, 2);
  assert.deepEqual(adapt("Ann.Smith@corp.example"), ["ann.smith", "ann.smith-2"]);
  assert.deepEqual(adapt("Ann  Smith/../x"), ["ann-smith-..-x", "ann-smith-..-x-2"]);
  assert.deepEqual(adapt("@@"), []);
  assert.deepEqual(adapt("roost.admin"), []);
});
