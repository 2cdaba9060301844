/** A running server goes on with other certificates, keys and settings, and no connection is lost. */
import assert from "node:assert/strict";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { makeCertificate, shownName } from "./certificates.ts";
import { Probe } from "./probe.ts";
import { readSocketText } from "../../server/ops/socket.ts";
import { roost } from "./cli.ts";
import { ServerProcess, tempDir } from "./server.ts";
import { until } from "./until.ts";

const ISSUER = "https://id.example.org";

/** A key of the issuer, written as the only one of its set. */
async function writeKey(path: string) {
  const { privateKey, publicKey } = await generateKeyPair("ES256");
  const keys = [{ ...await exportJWK(publicKey), alg: "ES256" }];
  Deno.writeTextFileSync(path, JSON.stringify({ keys }));
  return (user: string) =>
    new SignJWT({ sub: user }).setProtectedHeader({ alg: "ES256" }).setIssuer(ISSUER)
      .setAudience("roost").setExpirationTime("1h").sign(privateKey);
}

function settings(more = ""): string {
  return `${more}[server]
tlsCert = "cert.pem"
tlsKey = "key.pem"
[jwt]
issuer = "${ISSUER}"
audience = ["roost"]
algorithms = ["ES256"]
jwksFile = "keys.json"
createAccounts = true
`;
}

interface Fixture {
  readonly dir: string;
  readonly server: ServerProcess;
  /** Resolves when a new connection gets the certificate of this name. */
  shows(name: string): Promise<void>;
  connect(jwt: string): Promise<Probe>;
  hangUp(): void;
}

async function served(
  flags: readonly string[],
  test: (fixture: Fixture, sign: (user: string) => Promise<string>) => Promise<void>,
): Promise<void> {
  using etc = tempDir();
  using data = tempDir();
  const dir = etc.path;
  assert.equal(makeCertificate(dir, "one"), null);
  const sign = await writeKey(`${dir}/keys.json`);
  Deno.writeTextFileSync(`${dir}/roost.toml`, settings());
  const server = await ServerProcess.start({
    dataDir: data.path,
    flags: ["--config", `${dir}/roost.toml`, "--set", "log.format=json", ...flags],
  });
  const port = Number(new URL(server.url).port);
  await test({
    dir,
    server,
    shows: (name) => until(`the certificate ${name}`, async () => await shownName(port) === name),
    connect: (jwt) => Probe.connect(server.wsUrl, { auth: { jwt } }, { rejectUnauthorized: false }),
    hangUp: () => Deno.kill(server.pid, "SIGHUP"),
  }, sign);
  assert.equal(await server.stop(), 0);
}

/** The value of a series without its type, as it is printed. */
async function metric({ dataDir }: ServerProcess, name: string): Promise<number> {
  const text = await readSocketText(`${dataDir}/admin.sock`, "/metrics", 10_000) ?? "";
  const line = text.split("\n").find((line) => line.startsWith(`${name} `));
  return Number(line?.slice(name.length));
}

async function logged(server: ServerProcess, pattern: RegExp): Promise<void> {
  await until(String(pattern), () => pattern.test(server.log));
}

for (const workers of [1, 2]) {
  const flags = workers === 1 ? [] : ["--workers", String(workers)];
  Deno.test(`13: certificate, keys and settings of ${workers} processes change at SIGHUP and with their files`, () =>
    served(flags, async ({ connect, dir, hangUp, server, shows }, sign) => {
      const before = await Promise.all(
        ["ann", "bob", "eve", "kim"].map(async (user) => await connect(await sign(user))),
      );
      assert.equal(makeCertificate(dir, "two"), null);
      hangUp();
      await shows("two");
      assert.equal(makeCertificate(dir, "three"), null);
      await shows("three");
      const later = await writeKey(`${dir}/keys.json`);
      await until("the new key", async () => {
        const probe = await connect(await later("zoe")).catch(() => null);
        await probe?.close();
        return probe !== null;
      });
      const jwt = await sign("ann");
      // What failed while the key was new may have to wait first.
      await until("the old key is refused", async () => {
        return /unauthorized/.test(await connect(jwt).then(() => "taken", String));
      });
      Deno.writeTextFileSync(
        `${dir}/roost.toml`,
        settings('[log]\nlevel = "debug"\n[limits]\nrosterMax = 7\n')
          .replace(
            "[server]",
            '[server]\nhstsDays = 1\nallowedOrigins = ["https://a.example.org"]',
          ),
      );
      hangUp();
      await logged(server, /"settings need a restart".*limits\.rosterMax/);
      await logged(server, /"event":"reloaded".*"log\.level"/);
      const { out } = await roost(["config", "show", "--json", "--data", server.dataDir]);
      const { settings: shown } = JSON.parse(out);
      assert.deepEqual([shown["server.hstsDays"].value, shown["log.level"].value], [1, "debug"]);
      assert.notEqual(shown["limits.rosterMax"].value, 7);
      for (const probe of before) assert.equal((await probe.command("ping")).t, "ok");
      await Promise.all(before.map((probe) => probe.close()));
    }));
}

Deno.test("13: what cannot be used leaves what was in use, and says so in log and metrics", () =>
  served([], async ({ connect, dir, hangUp, server, shows }, sign) => {
    const cert = Deno.readTextFileSync(`${dir}/cert.pem`);
    const key = Deno.readTextFileSync(`${dir}/key.pem`);
    const faults: readonly (readonly [() => void, RegExp])[] = [
      [
        () => {
          makeCertificate(dir, "mismatched");
          Deno.writeTextFileSync(`${dir}/key.pem`, key);
        },
        /"reload failed: what was in use stays".*the key is not the certificate's/,
      ],
      [
        () => Deno.writeTextFileSync(`${dir}/cert.pem`, "garbage"),
        /"reload failed: what was in use stays".*cert\.pem.*PEM certificate/,
      ],
      [
        () => assert.equal(makeCertificate(dir, "expired", -1), null),
        /"reload failed: what was in use stays".*the certificate expired on/,
      ],
      [() => Deno.removeSync(`${dir}/cert.pem`), /Cannot read server\.tlsCert/],
      [
        () => Deno.writeTextFileSync(`${dir}/roost.toml`, settings("[log]\nlevel = 3\n")),
        /"reload failed: what was in use stays".*log\.level is 3/,
      ],
    ];
    for (const [spoil, pattern] of faults) {
      spoil();
      hangUp();
      await logged(server, pattern);
      await shows("one");
    }
    // Keys of an issuer that are good are used beside a certificate that is not.
    Deno.writeTextFileSync(`${dir}/roost.toml`, settings());
    const later = await writeKey(`${dir}/keys.json`);
    hangUp();
    await until("the new key", async () => {
      const probe = await connect(await later("zoe")).catch(() => null);
      await probe?.close();
      return probe !== null;
    });
    assert.equal(await metric(server, "roost_reload_failing"), 1);
    assert.ok(await metric(server, 'roost_reloads_total{outcome="failed"}') >= faults.length);
    Deno.writeTextFileSync(`${dir}/cert.pem`, cert);
    Deno.writeTextFileSync(`${dir}/key.pem`, key);
    await until(
      "the certificate of before",
      async () => await metric(server, "roost_reload_failing") === 0,
    );
    await assert.rejects(connect(await sign("ann")), /unauthorized/);
    assert.ok(await metric(server, "roost_certificate_expiry_seconds") * 1000 > Date.now());
  }));
