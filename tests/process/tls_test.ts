import assert from "node:assert/strict";
import { connect } from "node:net";
import { Probe } from "./probe.ts";
import { makeCertificate } from "./certificates.ts";
import { ServerProcess, tempDir } from "./server.ts";

const certificates = tempDir();
const problem = makeCertificate(certificates.path);
globalThis.addEventListener("unload", () => certificates[Symbol.dispose]());
if (problem !== null) {
  // deno-lint-ignore no-console -- a test that is not run says why
  console.log(`TLS is not tested here, for openssl makes no certificate: ${problem}`);
}

/** What a plain connection is answered until it ends. */
function speakPlainly(port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    let text = "";
    socket.on("data", (data) => text += String(data));
    socket.on("error", () => {});
    socket.on("close", () => resolve(text));
    socket.write("GET /v1/info HTTP/1.1\r\nHost: localhost\r\n\r\n");
  });
}

Deno.test({
  name: "10.12: with a certificate clients speak https and wss, and nothing else, by HSTS",
  ignore: problem !== null,
  fn: async () => {
    using dir = tempDir();
    const { path } = certificates;
    const server = await ServerProcess.start({
      dataDir: dir.path,
      flags: ["--tls-cert", `${path}/cert.pem`, "--tls-key", `${path}/key.pem`],
    });
    assert.match(server.url, /^https:\/\/127\.0\.0\.1:\d+$/);
    const cert = Deno.readTextFileSync(`${path}/cert.pem`);
    using client = Deno.createHttpClient({ caCerts: [cert] });
    const answer = await fetch(`${server.url}/v1/register`, {
      client,
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ user: "ann", password: "correct horse" }),
    });
    assert.equal(answer.status, 201);
    assert.equal(answer.headers.get("strict-transport-security"), "max-age=31536000", "10.12");
    const { token } = await answer.json();
    const probe = await Probe.connect(server.wsUrl, { auth: { token } }, { ca: cert });
    assert.equal((await probe.command("ping")).t, "ok");
    // Without the certificate nobody would be fooled.
    const untrusted = await fetch(`${server.url}/v1/info`).catch((error) => error);
    assert.match(String(untrusted.cause), /certificate/);
    assert.doesNotMatch(await speakPlainly(Number(new URL(server.url).port)), /"domain"/);
    assert.equal((await probe.command("ping")).t, "ok");
    await probe.close();
    assert.equal(await server.stop(), 0);
  },
});

Deno.test({
  name: "a certificate without its key, and one that is none, are refused with a reason",
  ignore: problem !== null,
  fn: async () => {
    using dir = tempDir();
    const { path } = certificates;
    const start = (...flags: string[]) => ServerProcess.start({ dataDir: dir.path, flags });
    await assert.rejects(
      start("--tls-cert", `${path}/cert.pem`),
      /server\.tlsCert is set but server\.tlsKey is not: name the file of its private key/,
    );
    await assert.rejects(
      start("--tls-cert", `${path}/key.pem`, "--tls-key", `${path}/key.pem`),
      /roost: Cannot use server\.tlsCert .*key\.pem and server\.tlsKey .*key\.pem: /,
    );
    await assert.rejects(
      start("--tls-cert", `${path}/none.pem`, "--tls-key", `${path}/key.pem`),
      /roost: Cannot read server\.tlsCert .*none\.pem: /,
    );
  },
});
