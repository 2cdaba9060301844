/** Two cells and a witness, as real servers. */
import assert from "node:assert/strict";
import { roost } from "./cli.ts";
import { ServerProcess, tempDir } from "./server.ts";

const LIMIT_MS = 90_000;

async function register({ url }: ServerProcess, user: string): Promise<number> {
  const response = await fetch(`${url}/v1/register`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ user, password: "correct horse battery" }),
  });
  await response.body?.cancel();
  return response.status;
}

/** Registers once a majority decides. */
async function registered(server: ServerProcess, user: string): Promise<number> {
  for (const endMs = performance.now() + LIMIT_MS;;) {
    const status = await register(server, user);
    if (status !== 503 || performance.now() > endMs) return status;
    await new Promise((done) => setTimeout(done, 100));
  }
}

Deno.test("12: two cells and a witness decide on names without any one of them, one cell alone does not", async () => {
  using dir = tempDir();
  const secret = `${dir.path}/secret`;
  Deno.writeTextFileSync(secret, "a secret of two cells and a witness, and of nobody else\n");
  const command = [Deno.execPath(), "run", "-A", "--no-check", "--quiet", "main.ts"];
  const cwd = new URL("../..", import.meta.url).pathname;
  const start = async (role: "start" | "witness", name: string, ...join: readonly string[]) => {
    const dataDir = `${dir.path}/${name}`;
    const flags = [
      ...["--data", dataDir, "--bind", "127.0.0.1:0", "--cells-name", name],
      ...["--cells-listen", "127.0.0.1:0", "--cells-secret-file", secret],
      ...join.flatMap((address) => ["--cells-join", address]),
    ];
    return await ServerProcess.run({
      command: [...command, role, ...flags],
      dataDir,
      cwd,
      env: {},
    });
  };
  const membersOf = async ({ dataDir }: ServerProcess) => {
    const { out } = await roost(["cells", "--json", "--data", dataDir]);
    return JSON.parse(out) as {
      readonly members: { readonly version: number };
      readonly self: { readonly address: string };
    };
  };
  const a = await start("start", "a");
  const { self: { address } } = await membersOf(a);
  const [b, w] = await Promise.all([start("start", "b", address), start("witness", "w", address)]);
  for (const server of [a, b, w]) {
    for (
      const endMs = performance.now() + LIMIT_MS;
      (await membersOf(server)).members.version < 3;
    ) {
      assert.ok(performance.now() < endMs, "three members");
    }
  }
  assert.equal(await registered(a, "alice"), 201);
  // A witness has no users.
  assert.equal(await register(w, "wendy"), 403);
  const add = ["user", "add", "wendy", "--password-stdin", "--data", w.dataDir];
  const added = await roost(add, "correct horse battery\n");
  assert.match(added.err, /This cell is a witness/);
  await a.kill();
  assert.equal(await registered(b, "bob"), 201);
  assert.equal(await registered(b, "alice"), 409);
  // Its port is another one.
  const again = await start("start", "a", (await membersOf(b)).self.address);
  await w.kill();
  assert.equal(await registered(again, "carol"), 201);
  assert.equal(await registered(b, "carol"), 409);
  await again.kill();
  assert.equal(await register(b, "dora"), 503);
  assert.equal(await b.stop(), 0);
});
