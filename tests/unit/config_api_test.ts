import assert from "node:assert/strict";
import { Hono } from "hono";
import type { Asks } from "../../server/node/asks.ts";
import type { ShownSetting } from "../../server/config/show.ts";
import { addConfigRoute } from "../../server/ops/config_api.ts";

function shown(key: string, value: unknown): ShownSetting {
  const rest = { source: "default", default: null, unit: "", wants: "", doc: "", env: "" };
  return { key, value, ...rest };
}

Deno.test("11: settings are those of the node that is asked, with what other nodes have otherwise", async () => {
  const others = [
    { key: "rate.sends", value: 7 },
    { key: "server.bind", value: "10.0.0.2:8420" },
    { key: "log.level", value: "info" },
    { key: "new.setting", value: 1 },
  ];
  const asks = {
    on: () => {},
    all: (_of: unknown, _input: unknown, done: (all: unknown) => void) =>
      done({
        replies: [{ node: "other", value: others }],
        missing: [{ node: "gone", why: "gone does not reply" }],
      }),
  } as unknown as Asks;
  const app = new Hono();
  const settings = [
    shown("rate.sends", 5),
    shown("server.bind", "10.0.0.1:8420"),
    shown("log.level", "info"),
  ];
  addConfigRoute(app, asks, () => settings);
  const reply = await (await app.request("/admin/config")).json();
  assert.deepEqual(reply.settings, settings);
  assert.deepEqual(reply.differ, [{ node: "other", key: "rate.sends", value: 7 }]);
  assert.deepEqual(reply.missing.map(({ node }: { node: string }) => node), ["gone"]);
});
