import assert from "node:assert/strict";
import { resolveConfig } from "../../server/config/config.ts";

function resolved(settings: Readonly<Record<string, string>>) {
  const flags = Object.entries(settings).map(([key, text]) => ({ flag: "--set", key, text }));
  return resolveConfig({
    dataDir: "/data",
    file: null,
    env: {},
    flags,
    filesMax: 20_000,
    cwd: "/cwd",
  });
}

function faults(settings: Readonly<Record<string, string>>): readonly string[] {
  const result = resolved(settings);
  return result.ok ? [] : result.errors;
}

Deno.test("admin.listen is off unless it is set", () => {
  const result = resolved({});
  assert.ok(result.ok);
  assert.deepEqual(result.config.admin, {
    listen: null,
    allowRemote: false,
    publicMetrics: "local",
  });
});

Deno.test("admin.listen takes only loopback, unless admin.allowRemote says otherwise", () => {
  for (const host of ["127.0.0.1", "127.0.0.9", "[::1]"]) {
    assert.deepEqual(faults({ "admin.listen": `${host}:8421` }), []);
  }
  for (const host of ["0.0.0.0", "[::]", "10.0.0.1", "192.168.1.1", "[fe80::1]"]) {
    const [fault, ...more] = faults({ "admin.listen": `${host}:8421` });
    assert.match(fault ?? "", /is open to others.*admin\.allowRemote/);
    assert.deepEqual(more, []);
    assert.deepEqual(faults({ "admin.listen": `${host}:8421`, "admin.allowRemote": "true" }), []);
  }
  assert.equal(faults({ "admin.listen": "nowhere" }).length, 1);
});

Deno.test("admin.listen is not where clients connect", () => {
  const [fault] = faults({ "admin.listen": "127.0.0.1:8420" });
  assert.match(fault ?? "", /as server\.bind is/);
  assert.deepEqual(faults({ "admin.listen": "127.0.0.1:0", "server.bind": "127.0.0.1:0" }), []);
});

Deno.test("admin.listen for others without TLS is warned of", () => {
  const open = { "admin.listen": "0.0.0.0:8421", "admin.allowRemote": "true" };
  const warned = (more: Readonly<Record<string, string>>) => {
    const result = resolved({ ...open, ...more });
    assert.ok(result.ok, result.ok ? "" : result.errors.join("\n"));
    return result.warnings.some((text) => text.startsWith("admin.listen"));
  };
  assert.equal(warned({}), true);
  assert.equal(warned({ "server.tlsCert": "c.pem", "server.tlsKey": "k.pem" }), false);
  assert.equal(warned({ "admin.listen": "127.0.0.1:8421" }), false);
});
