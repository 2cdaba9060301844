/** Operators of a real server, over the network (13). */
import assert from "node:assert/strict";
import { roost } from "./cli.ts";
import { ServerProcess, tempDir } from "./server.ts";

const NETWORK = ["--registration", "open", "--set", "admin.listen=127.0.0.1:0"];

Deno.test("13: an operator does what its role allows, over the network, until it is removed", async () => {
  using dir = tempDir();
  const data = ["--data", dir.path];
  const run = async (...args: readonly string[]) => {
    const { code, err, out } = await roost([...args, ...data]);
    assert.equal(code, 0, `${args.join(" ")}: ${err}`);
    return out.trim();
  };
  // Without a server, too; this makes the directory.
  await run("user", "add", "zoe", "--no-password");
  const viewer = await run("operator", "add", "eve", "--role", "viewer", "--expires", "90d");
  const server = await ServerProcess.start({ dataDir: dir.path, flags: NETWORK });
  try {
    const operator = await run("operator", "add", "otto", "--role", "operator");
    const { body: { url } } = await fetchSocket(dir.path);
    const ask = async (token: string, method: string, path: string, body?: object) => {
      const response = await fetch(`${url}${path}`, {
        method,
        headers: { "authorization": `Bearer ${token}`, "content-type": "application/json" },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return { status: response.status, body: await response.json() };
    };
    const ann = { user: "ann", password: "correct horse" };
    assert.equal((await ask(viewer, "GET", "/admin/users")).status, 200);
    const refused = await ask(viewer, "POST", "/admin/users", ann);
    assert.deepEqual([refused.status, refused.body.code], [403, "forbidden"]);
    assert.equal((await ask(operator, "POST", "/admin/users", ann)).status, 201);
    assert.equal((await ask(operator, "POST", "/admin/cluster/rebalance")).status, 403);
    const me = await ask(operator, "GET", "/admin/me");
    assert.deepEqual([me.body.actor, me.body.role], ["operator:otto", "operator"]);
    assert.match(await run("operator", "list"), /^eve +viewer +active .*\notto +operator/m);
    await run("operator", "remove", "otto", "--yes");
    await run("operator", "disable", "eve");
    for (const token of [operator, viewer]) {
      assert.equal((await ask(token, "GET", "/admin/users")).status, 401);
    }
    const log = await run("audit", "export", "--log", "admin");
    const told = log.split("\n").map((line) => JSON.parse(line)).map((entry) =>
      [entry.actor.replace(/^os:.*/, "os:me"), entry.action, entry.target, entry.outcome].join(" ")
    );
    assert.deepEqual(told, [
      "os:me createUser zoe ok",
      "os:me addOperator eve role=viewer ok",
      "os:me addOperator otto role=operator ok",
      "operator:otto createUser ann ok",
      "os:me removeOperator otto ok",
      "os:me changeOperator eve ok",
    ]);
  } finally {
    await server.stop();
  }
});

async function fetchSocket(dataDir: string) {
  const { socketTransport } = await import("../../server/ops/socket.ts");
  const ask = socketTransport(`${dataDir}/admin.sock`, "test");
  const { body } = await ask({ method: "GET", path: "/admin/listener" });
  return { body: body as { readonly url: string } };
}
