import assert from "node:assert/strict";
import { configOf } from "../../server/config/config.ts";
import { configFileFaults, openConfigFiles } from "../../server/config_files.ts";
import { TEST_CERT, TEST_KEY } from "../scenario/test_cert.ts";

const JWT = {
  "jwt.issuer": "https://id.example.com",
  "jwt.audience": "roost",
  "jwt.algorithms": "HS256",
  "jwt.keyFiles": "key.json",
};
const TLS = { "server.tlsCert": "cert.pem", "server.tlsKey": "key.pem" };
const KEY = JSON.stringify({
  kty: "oct",
  k: "YSBrZXkgdGhhdCBub2JvZHkgYnV0IHRyYW5zY3JpcHRzIGtub3dz",
});

/** Runs `test` with a data directory of these files. */
async function inData(
  files: Readonly<Record<string, string>>,
  settings: Readonly<Record<string, string>>,
  test: (config: ReturnType<typeof configOf>) => Promise<void>,
): Promise<void> {
  const dir = Deno.makeTempDirSync();
  try {
    for (const [name, text] of Object.entries(files)) {
      Deno.writeTextFileSync(`${dir}/${name}`, text);
    }
    await test(configOf(dir, settings));
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}

Deno.test("openConfigFiles reads files relative to the data directory; none are none", async () => {
  const files = { "cert.pem": TEST_CERT, "key.pem": TEST_KEY, "key.json": KEY };
  await inData(files, { ...TLS, ...JWT }, async (config) => {
    assert.deepEqual(await configFileFaults(config), []);
    const { tls, verifier } = await openConfigFiles(config);
    assert.deepEqual([tls?.cert, tls?.key], [TEST_CERT, TEST_KEY]);
    assert.ok(verifier !== null);
  });
  await inData({}, {}, async (config) => {
    assert.deepEqual(await configFileFaults(config), []);
    const none = { tls: null, verifier: null, oidc: [], ldap: null };
    assert.deepEqual(await openConfigFiles(config), none);
  });
});

Deno.test("configFileFaults tells every file that cannot be used, as the start would", async () => {
  await inData({ "cert.pem": TEST_CERT }, { ...TLS, ...JWT }, async (config) => {
    const [tls, jwt, ...more] = await configFileFaults(config);
    assert.match(tls!, /^Cannot read server\.tlsKey \S+\/key\.pem: /);
    assert.match(jwt!, /^Cannot read the key file \S+\/key\.json: /);
    assert.deepEqual(more, []);
    await assert.rejects(openConfigFiles(config), { message: tls! });
  });
  await inData({ "key.json": "{}", "cert.pem": "x", "key.pem": "y" }, JWT, async (config) => {
    assert.deepEqual(await configFileFaults(config), [
      "Cannot use the jwt settings and keys: jwk key: fits none of HS256",
    ]);
  });
});
