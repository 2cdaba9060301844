import assert from "node:assert/strict";
import {
  type Config,
  type ConfigInput,
  envName,
  KNOB_TABLE,
  resolveConfig,
} from "../../server/config/config.ts";

function read(change: Partial<ConfigInput>): Config {
  const empty = { file: null, env: {}, flags: [], filesMax: 20_000, cwd: "/cwd" };
  const result = resolveConfig({ dataDir: "/data", ...empty, ...change });
  assert.ok(result.ok, result.ok ? "" : result.errors.join("\n"));
  return result.config;
}

function flagsOf(settings: Readonly<Record<string, string>>): ConfigInput["flags"] {
  return Object.entries(settings).map(([key, text]) => ({ flag: "--set", key, text }));
}

Deno.test("files are relative to the settings file, or for flags and variables to the directory", () => {
  const flags = flagsOf({ "server.tlsCert": "c.pem", "server.tlsKey": "/k.pem" });
  const { server } = read({ flags });
  assert.deepEqual([server.tlsCert, server.tlsKey], ["/cwd/c.pem", "/k.pem"]);
  const env = { ROOST_SERVER_TLS_CERT: "c.pem", ROOST_SERVER_TLS_KEY: "d/k.pem" };
  assert.equal(read({ env }).server.tlsKey, "/cwd/d/k.pem");
  const text = '[server]\ntlsCert = "c.pem"\ntlsKey = "../k.pem"\n';
  const named = read({ file: { path: "etc/roost.toml", text } }).server;
  assert.deepEqual([named.tlsCert, named.tlsKey], ["/cwd/etc/c.pem", "/cwd/k.pem"]);
  const issuer = { "jwt.issuer": "i", "jwt.audience": "a", "jwt.algorithms": "RS256" };
  const { jwt } = read({ flags: flagsOf({ ...issuer, "jwt.keyFiles": "a.pem,/b.pem" }) });
  assert.deepEqual(jwt.keyFiles, ["/cwd/a.pem", "/b.pem"]);
});

Deno.test("no setting's variable is taken for one of a service beside it", () => {
  for (const key of KNOB_TABLE.keys()) {
    const env = { [envName(key)]: "\u0000" };
    const base = { dataDir: "/d", file: null, flags: [], filesMax: null, cwd: "/cwd" };
    const result = resolveConfig({ ...base, env });
    const source = `environment ${envName(key)}`;
    assert.ok(!result.ok || result.effective.some((s) => s.source.startsWith(source)), key);
  }
});
