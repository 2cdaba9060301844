/** The backend API of three nodes over PostgreSQL, one of which dies in the middle of a batch. */
import assert from "node:assert/strict";
import {
  Backend,
  befriended,
  crowd,
  type Json,
  NONE,
  type Results,
  serviceToken,
} from "../process/backend.ts";
import { ServerProcess, tempDir } from "../process/server.ts";
import { startCluster } from "./cluster.ts";
import { until } from "../process/until.ts";

const cluster = startCluster();
globalThis.addEventListener("unload", () => cluster.stop());

Deno.test("13: a batch is whole once it is repeated at another node, whichever node has died", async () => {
  using dir = tempDir();
  Deno.writeTextFileSync(`${dir.path}/secret`, "a secret that only the test knows, and its nodes");
  const nodes: ServerProcess[] = [];
  try {
    for (let n = 0; n < 3; n++) {
      const cell = ["--store", cluster.url, "--cell-listen", "127.0.0.1:0"];
      const flags = [...cell, "--cell-secret-file", `${dir.path}/secret`];
      nodes.push(await ServerProcess.start({ dataDir: `${dir.path}/node${n}`, flags }));
    }
    const [first, second, third] = nodes as [ServerProcess, ServerProcess, ServerProcess];
    const token = await serviceToken(first.dataDir);
    const [at, elsewhere] = [first, second].map(({ url }) => new Backend(() => url, token)) as [
      Backend,
      Backend,
    ];
    await until(
      "the service",
      () => elsewhere.call("DELETE", "users/u0").then(() => true, () => false),
    );
    const { users, pairs } = crowd(40);
    await elsewhere.whole("POST", "users", { users: users.slice(1) });
    const own = pairs.slice(1);
    const cut = elsewhere.call<Results>("POST", "pairs", { pairs: own }).catch(() => NONE);
    const message = { from: "u1", to: "u2", body: "hello" };
    const sent = await elsewhere.call("POST", "messages", message, "one");
    await third.kill();
    await cut;
    await at.whole("POST", "pairs", { pairs: own });
    let again: Json = {};
    await until("the message", async () => {
      again = await at.call("POST", "messages", message, "one").catch(() => ({}));
      return "seq" in again;
    });
    // It may have waited for the two to be contacts.
    assert.deepEqual([again["seq"], again["num"]], [sent["seq"], sent["num"]]);
    for (const [i, user] of users.slice(1).entries()) {
      const count = i === 0 || i === users.length - 2 ? 1 : 2;
      await befriended(user, first.url, await at.token(user, "web"), count);
    }
  } finally {
    for (const node of nodes) await node.kill();
  }
});
