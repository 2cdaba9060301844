import assert from "node:assert/strict";
import { KNOB_TABLE, resolveConfig } from "../../server/config/config.ts";
import { mergeReload } from "../../server/config/reload.ts";
import { shownSettings } from "../../server/config/show.ts";

const TLS = '[server]\ntlsCert = "c"\ntlsKey = "k"\n';
const JWT = '[jwt]\nissuer = "i"\naudience = ["a"]\nalgorithms = ["RS256"]\njwksFile = "j"\n';

function read(text: string) {
  const file = { path: "/etc/roost.toml", text };
  const result = resolveConfig({
    dataDir: "/d",
    file,
    env: {},
    flags: [],
    filesMax: null,
    cwd: "/",
  });
  assert.ok(result.ok, JSON.stringify(result));
  return { config: result.config, settings: shownSettings(result.effective) };
}

function valueOf({ settings }: ReturnType<typeof read>, key: string): unknown {
  return settings.find((setting) => setting.key === key)?.value;
}

Deno.test("13: mergeReload takes what may change while a server runs, and names what may not", () => {
  const old = read(TLS);
  const next = read(`${TLS.replace('"c"', '"c2"')}hstsDays = 1\n[limits]\nrosterMax = 7\n`);
  const merged = mergeReload(old, next);
  assert.deepEqual(merged.changed, ["server.tlsCert", "server.hstsDays"]);
  assert.deepEqual(merged.restart, ["limits.rosterMax"]);
  assert.equal(merged.config.server.tlsCert, "/etc/c2");
  assert.equal(merged.config.server.hstsDays, 1);
  assert.equal(merged.config.limits.rosterMax, old.config.limits.rosterMax);
  assert.equal(valueOf(merged, "server.tlsCert"), "/etc/c2");
  assert.equal(valueOf(merged, "limits.rosterMax"), old.config.limits.rosterMax);
  // What is in effect is what the next reload is compared with.
  assert.deepEqual(mergeReload(merged, next).restart, ["limits.rosterMax"]);
  assert.deepEqual(mergeReload(merged, next).changed, []);
});

Deno.test("13: mergeReload leaves what cannot be used, and does not turn TLS or issuers on or off", () => {
  const old = read(TLS + JWT);
  const next = read(TLS.replace('"k"', '"k2"') + JWT.replace('"a"', '"b"'));
  const bad = mergeReload(old, next, ["tls"]);
  assert.deepEqual([bad.changed, bad.restart], [["jwt.audience"], ["server.tlsKey"]]);
  assert.equal(bad.config.server.tlsKey, "/etc/k");
  const off = mergeReload(old, read(""));
  assert.equal(off.config, off.config);
  assert.deepEqual(off.changed, []);
  assert.ok(off.restart.includes("server.tlsCert") && off.restart.includes("jwt.issuer"));
  const on = mergeReload(read(""), old);
  assert.equal(on.config.server.tlsCert, null);
  assert.ok(on.restart.includes("server.tlsKey"));
});

Deno.test("13: each setting either changes with a reload or is named for a restart", () => {
  const old = read("");
  for (const key of KNOB_TABLE.keys()) {
    const next = {
      ...old,
      settings: old.settings.map((s) => s.key === key ? { ...s, value: "another" } : s),
    };
    const { changed, restart } = mergeReload(old, next);
    assert.deepEqual([...changed, ...restart], [key]);
  }
});
