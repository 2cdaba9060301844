import assert from "node:assert/strict";
import { createAdminApp } from "../../server/ops/api.ts";
import { adminClient } from "../../server/cli/client.ts";
import { listenAdmin, NoServerError, socketTransport } from "../../server/ops/socket.ts";
import { fakeAccounts } from "../unit/admin_fake.ts";

async function inTempDir(run: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await run(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("listenAdmin serves the app to its user only, and socketTransport reaches it", async () => {
  await inTempDir(async (dir) => {
    const { deps, passwords } = fakeAccounts();
    const path = `${dir}/admin.sock`;
    const listener = await listenAdmin(createAdminApp(deps), path);
    try {
      assert.equal((await Deno.lstat(path)).mode! & 0o777, 0o600);
      await assert.rejects(listenAdmin(createAdminApp(deps), path), Deno.errors.AddrInUse);
      const client = adminClient(socketTransport(path, "tests"));
      assert.equal((await client.addUser("Ζωή", "κωδικός 12345")).name, "ζωή");
      assert.equal(passwords.get("ζωή"), "κωδικός 12345");
      await client.setDisabled("ζωή", true);
      assert.equal((await client.listUsers(null)).accounts[0]!.state, "disabled");
    } finally {
      await listener.close();
    }
    await assert.rejects(adminClient(socketTransport(path, "tests")).status(), NoServerError);
  });
});

Deno.test("socketTransport tells a socket that a killed server left from a working one", async () => {
  await inTempDir(async (dir) => {
    const path = `${dir}/admin.sock`;
    const script = `
      import { createServer } from "node:net";
      createServer().listen(Deno.args[0], () => Deno.kill(Deno.pid, "SIGKILL"));
    `;
    const args = ["eval", script, path];
    const killed = await new Deno.Command(Deno.execPath(), { args, stderr: "inherit" }).output();
    assert.equal(killed.signal, "SIGKILL");
    assert.ok((await Deno.lstat(path)).isSocket);
    await assert.rejects(adminClient(socketTransport(path, "tests")).status(), NoServerError);
  });
});
