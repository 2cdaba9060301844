/** Session ids that say which node has the session (issue 9, B5). */
import assert from "node:assert/strict";
import type { NodeId, SessionId } from "../../shard/name/ids.ts";
import { isOfNode, newSessionId } from "../../server/edge/session_id.ts";
import { parseSessionId } from "../../shard/name/ids.ts";
import { NODE_ID, openApp } from "./json_app.ts";
import { TOKEN } from "./json_fakes.ts";
import { Prng, simRandom } from "../sim/prng.ts";

Deno.test("newSessionId makes ids of their node that look like all others and differ", () => {
  const random = simRandom(new Prng("sessions"));
  const nodes = Array.from({ length: 50 }, (_, i) => `node${i}`.padEnd(16, "x") as NodeId);
  const seen = new Set<string>();
  for (const node of nodes) {
    for (let i = 0; i < 20; i++) {
      const id = newSessionId(node, random);
      assert.equal(parseSessionId(id), id);
      assert.deepEqual(nodes.filter((other) => isOfNode(id, other)), [node]);
      seen.add(id);
    }
  }
  assert.equal(seen.size, 1000);
});

Deno.test("isOfNode: an id that an earlier version made is most probably of no node", () => {
  assert.equal(isOfNode("Jm2bWc8f0A1kQx7T" as SessionId, "node000000000001" as NodeId), false);
});

Deno.test("a request that names a session of another node gets a refusal that says so", async () => {
  const random = simRandom(new Prng("elsewhere"));
  const { call } = openApp();
  const ask = async (node: NodeId) => {
    const headers = {
      authorization: `Bearer ${TOKEN}`,
      "roost-session": newSessionId(node, random),
    };
    const { status, value } = await call("PUT /v1/presence", { show: "away" }, headers);
    return [status, value?.["code"], String(value?.["message"])] as const;
  };
  const [status, code, message] = await ask("node000000000002" as NodeId);
  assert.deepEqual([status, code], [404, "not_found"]);
  assert.match(message, /server cannot be reached/);
  assert.match((await ask(NODE_ID))[2], /no such session of this device/);
});
