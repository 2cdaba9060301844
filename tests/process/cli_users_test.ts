import assert from "node:assert/strict";
import { Refused, rest } from "./client.ts";
import { roost } from "./cli.ts";
import { ServerProcess, tempDir } from "./server.ts";

async function signIn(server: ServerProcess, user: string, password: string): Promise<string> {
  try {
    await rest(server.url, "POST", "/v1/auth/password", { body: { user, password } });
    return "ok";
  } catch (error) {
    assert.ok(error instanceof Refused, String(error));
    return error.code;
  }
}

Deno.test("roost user and roost invite work without a server and beside a running one", async () => {
  using dir = tempDir();
  const flags = ["--domain", "example.com", "--registration", "invite"];
  const run = async (command: string, input: string | null = null) => {
    const args = [...command.split(" "), "--data", dir.path, ...flags];
    const { code, out, err } = await roost(args, input);
    assert.equal(code, 0, `${command}: ${err}`);
    return out;
  };
  const states = async () =>
    JSON.parse(await run("user list --json"))
      .map((a: { name: string; state: string }) => `${a.name} ${a.state}`).sort();

  const added = await run("user add Ann --password-stdin", "correct horse\n");
  assert.equal(added, "ann@example.com is created.\n");
  await run("user disable ann");
  const invite = await run("invite create");
  assert.match(invite, /^ri1_[\w-]{22}\n$/);
  assert.deepEqual(await states(), ["ann disabled"]);

  const server = await ServerProcess.start({ dataDir: dir.path, flags });
  assert.throws(() => Deno.statSync(`${dir.path}/admin-actions.jsonl`), Deno.errors.NotFound);
  assert.equal(await signIn(server, "ann", "correct horse"), "unauthorized");
  await run("user enable ann");
  await run("user passwd ann --password-stdin", "another password\n");
  assert.equal(await signIn(server, "ann", "another password"), "ok");
  assert.equal(await signIn(server, "ann", "correct horse"), "unauthorized");
  const bob = { user: "bob", password: "battery staple", invite: invite.trim() };
  await rest(server.url, "POST", "/v1/register", { body: bob });
  await run("user remove bob --yes");
  assert.deepEqual(await states(), ["ann active", "bob deleted"]);
  const args = ["user", "add", "bob", "--password-stdin", "--data", dir.path];
  const closed = await roost(args, "tropical fish");
  assert.deepEqual([closed.code, closed.out], [1, ""]);
  await run("user release bob");
  await run("user add bob --password-stdin", "tropical fish");
  assert.equal(await signIn(server, "bob", "tropical fish"), "ok");
  assert.equal(await signIn(server, "bob", "battery staple"), "unauthorized");
  assert.equal(await server.stop(), 0);
  // Admin requests make the runtime write no warnings of its own to the log.
  assert.doesNotMatch(server.log, /Deno\.serve/);
  // What was done while no server ran is recorded by the next one, with its time (9 A12).
  const offline =
    /admin action at=\d{4}-\S+Z actor=os:\S+ address=.* action=(\S+)(?: target=(\S+))? outcome=ok detail=/g;
  assert.deepEqual([...server.log.matchAll(offline)].map(([, ...action]) => action.join(" ")), [
    "createUser ann",
    "disableUser ann",
    "createInvite ",
  ]);
});
