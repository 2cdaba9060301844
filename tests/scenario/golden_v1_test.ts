import assert from "node:assert/strict";
import { ERROR_CODES } from "../../shard/errors.ts";
import { Exchanges } from "../../server/v1/exchanges.ts";
import { makeProtocol } from "../../server/v1/protocol.ts";
import { openSimHost } from "../golden/sim_host.ts";
import { parseTranscript } from "../golden/transcript.ts";
import { play } from "../golden/player.ts";
import { restRoutes } from "../../server/v1/rest.ts";
import { systemClock } from "../../server/system/clock.ts";
import { PROTOCOL_LIMITS } from "../sim/limits.ts";

const FOLDER = new URL("../golden/v1/", import.meta.url);
const FILES = [...Deno.readDirSync(FOLDER)].map((entry) => entry.name).sort();
const text = (file: string) => Deno.readTextFileSync(new URL(file, FOLDER));

for (const file of FILES) {
  Deno.test(`golden v1 ${file.replace(".txt", "")} is accepted and answered as it was`, async () => {
    const transcript = parseTranscript(text(file));
    await play(transcript, await openSimHost(transcript.settings));
  });
}

Deno.test("golden v1 has every command, every code, every event and every route", () => {
  const all = FILES.map(text).join("\n");
  const protocol = makeProtocol(PROTOCOL_LIMITS);
  const wanted = [
    ...Object.keys(protocol.commands).map((name) => `→ {"t":"${name}",`),
    // A server without others sends nobody there.
    ...Object.keys(ERROR_CODES).filter((code) => code !== "moved").map((code) =>
      `"code":"${code}"`
    ),
    ..."message undelivered receipt read roster roster_removed request blocked settings presence signal"
      .split(" ").map((k) => `"k":"${k}"`),
    ..."signed_out replaced revoked expired shutdown protocol".split(" ")
      .map((reason) => `"reason":"${reason}"`),
  ];
  assert.deepEqual(wanted.filter((part) => !all.includes(part)), []);
  const limits = { exchangesMax: 1, exchangeTtlMs: 1 };
  const exchanges = new Exchanges(limits, systemClock());
  const routes = restRoutes(protocol, exchanges).map(({ method, path }) =>
    new RegExp(`→ ${method} ${path.replaceAll(/\{\w+\}/g, "[^ ?/]+")}( |\\?|$)`, "m")
  );
  assert.deepEqual(routes.filter((route) => !route.test(all)).map(String), []);
});
