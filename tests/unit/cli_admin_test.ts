import assert from "node:assert/strict";
import { FakeMachine } from "./cli_machine.ts";

Deno.test("roost user remove asks on a terminal, and elsewhere wants --yes", async () => {
  const machine = new FakeMachine();
  machine.online = true;
  machine.fake.add("bob");
  assert.equal(await machine.run("user", "remove", "bob"), 2);
  assert.match(machine.err, /no terminal to ask on: repeat the command with --yes/);
  machine.answers = ["bo"];
  assert.equal(await machine.run("user", "remove", "bob"), 2);
  assert.match(machine.err, /not confirmed: nothing was done/);
  assert.equal(machine.fake.accounts.get("bob")!.state, "active");
  machine.answers = ["bob "];
  assert.equal(await machine.run("user", "remove", "bob"), 0);
  assert.equal(machine.fake.accounts.get("bob")!.state, "deleted");
});

Deno.test("every admin action is recorded with its actor, looks are not", async () => {
  const machine = new FakeMachine();
  machine.online = true;
  machine.stdin = "correct horse\n";
  assert.equal(await machine.run("user", "list"), 0);
  assert.equal(await machine.run("user", "add", "Ann", "--password-stdin"), 0);
  assert.equal(await machine.run("user", "disable", "nobody"), 1);
  const by = { actor: "os:unnamed", address: "this process" };
  assert.deepEqual(machine.fake.actions, [
    { ...by, action: "createUser", target: "ann", outcome: "ok" },
    { ...by, action: "disableUser", target: "nobody", outcome: "not_found" },
  ]);
});

Deno.test("a new admin token is recorded where no server runs to log it (9 A12)", async () => {
  const machine = new FakeMachine();
  assert.equal(await machine.run("admin", "token", "--new", "--data", "/d"), 0);
  assert.equal(await machine.run("admin", "token", "--data", "/d"), 0);
  assert.deepEqual(machine.recorded, ["/d: roost admin token --new"]);
});

Deno.test("what is done without a server is done by os:USER (9 A12)", async () => {
  const machine = new FakeMachine();
  machine.stdin = "correct horse\n";
  assert.equal(await machine.run("user", "add", "ann", "--password-stdin"), 0);
  assert.deepEqual(machine.fake.actions.map(({ actor }) => actor), ["os:root"]);
});

Deno.test("control characters that users chose are escaped in tables and JSON", async () => {
  const machine = new FakeMachine();
  machine.online = true;
  machine.fake.add("ann");
  machine.fake.device.label = "\u001b[2J\u009b31m\u202egpj\u2066\n";
  assert.equal(await machine.run("user", "devices", "ann"), 0);
  assert.match(machine.out, /\\u001b\[2J\\u009b31m\\u202egpj\\u2066\\u000a\n$/);
  machine.out = "";
  assert.equal(await machine.run("user", "devices", "ann", "--json"), 0);
  assert.equal(JSON.parse(machine.out)[0].label, machine.fake.device.label);
  // deno-lint-ignore no-control-regex
  assert.doesNotMatch(machine.out, /[\u0000-\u0009\u007f-\u009f\u202e\u2066]/);
});
