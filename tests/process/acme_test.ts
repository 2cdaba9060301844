/** A server gets its certificate from a real ACME authority, and keeps it valid. */
import assert from "node:assert/strict";
import { connect } from "node:tls";
import { request } from "node:http";
import { Pebble, whyNoPebble } from "./pebble.ts";
import { Probe } from "./probe.ts";
import { ServerProcess, tempDir } from "./server.ts";
import { until } from "./until.ts";

const NAME = "chat.example.org";
const problem = whyNoPebble();
if (problem !== null) {
  // deno-lint-ignore no-console -- a test that is not run says why
  console.log(`Orders of certificates are not tested here: ${problem}`);
}

/** The flags of the documents, with ports that a test may use. */
function flagsOf(pebble: Pebble, more: readonly string[] = []): readonly string[] {
  return [
    ...["--domain", NAME, "--acme", "you@example.org", "--acme-directory", pebble.directory],
    ...["--bind", `127.0.0.1:${pebble.tlsPort}`, "--set", `acme.caFile=${pebble.caFile}`],
    ...["--set", `acme.httpBind=127.0.0.1:${pebble.httpPort}`, "--set", "log.format=json"],
    ...more,
  ];
}

/** The serial number of the certificate that a client who trusts `ca` sees; null: it trusts none. */
function serial(port: number, ca: string, servername = NAME): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port, ca, servername }, () => {
      resolve(socket.getPeerCertificate().serialNumber);
      socket.destroy();
    });
    socket.on("error", () => resolve(null));
  });
}

/** What plain HTTP replies: status and address. */
function plain(port: number, path: string, host: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const message = request({ host: "127.0.0.1", port, path, headers: { host } }, (response) => {
      response.resume();
      resolve(`${response.statusCode} ${response.headers.location ?? ""}`.trim());
    });
    message.on("error", reject);
    message.end();
  });
}

async function trusted(pebble: Pebble): Promise<{ readonly ca: string; readonly number: string }> {
  const ca = await pebble.root();
  let number: string | null = null;
  await until("the certificate", async () => (number = await serial(pebble.tlsPort, ca)) !== null);
  return { ca, number: number! };
}

function count(server: ServerProcess, event: string): number {
  return server.log.split("\n").filter((line) => line.includes(`"event":"${event}"`)).length;
}

function acmeTest(
  name: string,
  fn: (pebble: Pebble, dataDir: string) => Promise<void>,
  s?: number,
) {
  Deno.test({
    name,
    ignore: problem !== null,
    fn: async () => {
      using dir = tempDir();
      using data = tempDir();
      const pebble = await Pebble.start(dir.path, s);
      try {
        await fn(pebble, data.path);
      } finally {
        await pebble.stop();
      }
    },
  });
}

acmeTest(
  "13: --domain and --acme are all there is to do: http-01, https, the way there, and no second order",
  async (pebble, dataDir) => {
    const flags = flagsOf(pebble);
    const server = await ServerProcess.start({ dataDir, flags });
    assert.equal(server.url, `https://${NAME}:${pebble.tlsPort}`);
    const { ca, number } = await trusted(pebble);
    const wsUrl = `wss://127.0.0.1:${pebble.tlsPort}/v1/ws`;
    const trust = { ca, servername: NAME };
    const greeting = Probe.connect(wsUrl, { auth: { token: "none" } }, trust);
    // The connection is good; the token is not.
    await assert.rejects(greeting, /unauthorized/);
    const { httpPort, tlsPort } = pebble;
    const to = `308 https://${NAME}:${tlsPort}/chat?a=b`;
    assert.equal(await plain(httpPort, "/chat?a=b", `${NAME}:${httpPort}`), to);
    assert.equal(await plain(httpPort, "/chat", "other.example.org"), "421");
    assert.equal(await plain(httpPort, "/.well-known/acme-challenge/none", NAME), "404");
    assert.match(server.log, /"terms of the authority agreed to".*Do%20what%20thou%20wilt/);
    assert.equal(count(server, "certificate ordered"), 1);
    assert.equal(await server.stop(), 0);
    for (const file of Deno.readDirSync(dataDir)) {
      const mode = Deno.statSync(`${dataDir}/${file.name}`).mode! & 0o777;
      assert.equal(mode & 0o077, 0, file.name);
    }
    // The authority is away: what is stored is served.
    await pebble.stop();
    const again = await ServerProcess.start({ dataDir, flags });
    assert.equal(await serial(tlsPort, ca), number);
    assert.equal(count(again, "certificate ordered"), 0);
    assert.equal(await again.stop(), 0);
  },
);

acmeTest("13: of two workers one orders, and both serve it", async (pebble, dataDir) => {
  const flags = flagsOf(pebble, ["--workers", "2"]);
  const server = await ServerProcess.start({ dataDir, flags });
  const { ca, number } = await trusted(pebble);
  // Whichever worker has the connection.
  for (let same = 0; same < 20;) {
    same = await serial(pebble.tlsPort, ca) === number ? same + 1 : 0;
  }
  assert.equal(count(server, "certificate ordered"), 1);
  assert.equal(await serial(pebble.tlsPort, ca, "other.example.org"), null);
  assert.equal(await server.stop(), 0);
});

acmeTest(
  "13: a certificate is renewed when a third of its time is left, under a connection that stays",
  async (pebble, dataDir) => {
    const server = await ServerProcess.start({ dataDir, flags: flagsOf(pebble) });
    const { ca, number } = await trusted(pebble);
    const socket = connect({ host: "127.0.0.1", port: pebble.tlsPort, ca, servername: NAME });
    await new Promise((done) => socket.once("secureConnect", done));
    let ended = false;
    socket.on("close", () => ended = true);
    await until("the next one", async () => {
      const now = await serial(pebble.tlsPort, ca);
      return now !== null && now !== number;
    });
    assert.ok(count(server, "certificate received") >= 2);
    assert.equal(ended, false);
    socket.destroy();
    assert.equal(await server.stop(), 0);
  },
  30,
);

acmeTest(
  "13: an authority that cannot connect is said to be, and is not asked again by a restart or kill -9",
  async (pebble, dataDir) => {
    // It looks where nobody listens.
    const elsewhere = ["--set", "acme.httpBind=127.0.0.1:0"];
    const flags = flagsOf(pebble, elsewhere);
    const server = await ServerProcess.start({ dataDir, flags });
    await until("the fault", () => count(server, "no certificate") === 1);
    assert.match(
      server.log,
      /the authority cannot connect to this server at that name: let port 80/,
    );
    assert.match(server.log, /chat\.example\.org: .*connection refused/);
    assert.match(server.log, /"served":"none: clients cannot connect"/);
    assert.equal(await serial(pebble.tlsPort, await pebble.root()), null);
    await server.kill();
    for (let i = 0; i < 3; i++) {
      const again = await ServerProcess.start({ dataDir, flags });
      await until("a look", () => again.log.includes('"event":"serving"'));
      assert.equal(count(again, "certificate ordered"), 0);
      await again.kill();
    }
  },
);
