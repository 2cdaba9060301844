/** TLS of links between nodes, and what a stranger who reads along or interferes can do. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { EventEmitter } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from "node:tls";
import { A, B, End, SECRET, until } from "./peer_ends.ts";
import { type CellCert, cellCert } from "../../server/peer/cell_cert.ts";
import { acceptChannel, mustEncrypt } from "../../server/peer/channel.ts";
import { TEST_CERT, TEST_KEY } from "../scenario/test_cert.ts";

const OTHER_SECRET = new TextEncoder().encode("the secret of another cell, which is no use here");

/** A process between two nodes. */
class Between {
  /** What the dialler has sent, and what the listener has. */
  readonly seen: Buffer[] = [Buffer.alloc(0), Buffer.alloc(0)];
  readonly #sockets: Socket[] = [];
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Listens, with TLS where a certificate is given, and connects to the node at `port`. */
  static async open(port: number, cert: Pick<CellCert, "cert" | "key"> | null): Promise<Between> {
    const server: Server = cert === null ? createServer() : createTlsServer({ ...cert });
    const between = new Between(server);
    server.on(cert === null ? "connection" : "secureConnection", (from: Socket) => {
      const to: Socket = cert === null
        ? connect(port, "127.0.0.1")
        : connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false });
      for (const [i, socket] of [from, to].entries()) {
        between.#sockets.push(socket);
        socket.on("error", () => {});
        socket.on("close", () => (i === 0 ? to : from).destroy());
        socket.on("data", (bytes: Uint8Array) => {
          between.seen[i] = Buffer.concat([between.seen[i]!, bytes]);
          (i === 0 ? to : from).write(bytes);
        });
      }
    });
    server.on("tlsClientError", (_error: Error, socket: TLSSocket) => socket.destroy());
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    return between;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as { readonly port: number }).port}`;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((done) => this.#server.close(done));
  }
}

/** Lets A dial B through `between`, until one of them has refused the other or they are linked. */
async function meet(a: End, b: End, between: Between): Promise<void> {
  a.links.expect([{ ...B, address: between.address }]);
  await until(() => a.refused.length > 0 || b.refused.length > 0 || a.told.length > 0);
  await new Promise((done) => setTimeout(done, 300));
}

async function stopAll(...all: readonly { stop(): Promise<void> }[]): Promise<void> {
  for (const each of all) await each.stop();
}

Deno.test("11: links to addresses that are not private are encrypted, others where it is set", () => {
  for (const near of ["127.0.0.1", "::1", "10.1.2.3", "172.31.0.1", "192.168.1.1"]) {
    assert.deepEqual(modes(near), [false, true, false], near);
  }
  for (const near of ["169.254.0.9", "fe80::1%eth0", "fd12::1", "::ffff:10.0.0.1"]) {
    assert.deepEqual(modes(near), [false, true, false], near);
  }
  const far = ["8.8.8.8", "172.32.0.1", "100.64.0.1", "2a00::1", "::ffff:8.8.8.8", "2002:a00:1::1"];
  for (const address of [...far, ""]) {
    assert.deepEqual(modes(address), [true, true, false], address);
  }
});

function modes(address: string): readonly boolean[] {
  return (["public", "always", "never"] as const).map((tls) => mustEncrypt(tls, address));
}

Deno.test("11: nodes with one secret derive one certificate, and are linked by TLS with nothing else", async () => {
  assert.deepEqual(cellCert(SECRET), cellCert(SECRET));
  assert.notDeepEqual(cellCert(SECRET).fingerprint, cellCert(OTHER_SECRET).fingerprint);
  const [a, b] = [await End.open(A, { tls: "always" }), await End.open(B, { tls: "always" })];
  const between = await Between.open(b.port, null);
  await meet(a, b, between);
  assert.deepEqual([...a.told, ...b.told], [`linked ${B.id}.1`, `linked ${A.id}.1`]);
  a.links.send(`${B.id}.1` as never, { kind: "table", version: 7 });
  await until(() => b.frames.length === 1);
  for (const seen of between.seen) {
    assert.equal(seen[0], 0x16, "a record of TLS comes first");
    for (const word of ["example.org", A.id, B.id]) assert.ok(!seen.includes(word), word);
  }
  await stopAll(a, b, between);
});

Deno.test("11: a plain link can be read, and one with TLS is taken by nodes that do not ask for it", async () => {
  const [a, b] = [await End.open(A), await End.open(B)];
  const between = await Between.open(b.port, null);
  await meet(a, b, between);
  assert.ok(between.seen[0]!.includes("example.org"));
  const [c, d] = [await End.open(A, { tls: "always" }), await End.open(B, { tls: "never" })];
  c.expect(B, d);
  await until(() => c.told.length > 0 && d.told.length > 0);
  await stopAll(a, b, c, d, between);
});

Deno.test("11: a connection that breaks before it says anything counts once", () => {
  const socket = new EventEmitter();
  const opened: unknown[] = [];
  acceptChannel(socket as never, cellCert(SECRET), false, (result) => opened.push(result));
  socket.emit("error", new Error("reset"));
  socket.emit("close");
  assert.deepEqual(opened, [{ cause: "ended", why: "the connection was closed" }]);
});

Deno.test("11: a plain connection to a node that wants TLS is refused, which is logged once", async () => {
  const [a, b] = [await End.open(A, { tls: "never" }), await End.open(B, { tls: "always" })];
  a.expect(B, b);
  await until(() => a.refused.length > 0 && b.refused.length > 0);
  await new Promise((done) => setTimeout(done, 500));
  assert.deepEqual([...a.told, ...b.told], []);
  assert.deepEqual(b.refused, ["plain: it does not use TLS, which links with it need (cell.tls)"]);
  assert.equal(a.refused.length, 1);
  await stopAll(a, b);
});

const EXPIRED = cellCert(SECRET, "20200101000000Z", "20210101000000Z");

for (
  const [what, cert] of [
    ["the certificate of another cell", cellCert(OTHER_SECRET)],
    ["a certificate of another authority", { cert: TEST_CERT, key: TEST_KEY }],
    ["an expired certificate of the cell", EXPIRED],
  ] as const
) {
  Deno.test(`11: who is between two nodes with ${what} is refused, which is logged once`, async () => {
    const [a, b] = [await End.open(A, { tls: "always" }), await End.open(B, { tls: "always" })];
    const between = await Between.open(b.port, cert);
    await meet(a, b, between);
    assert.deepEqual([...a.told, ...b.told], []);
    assert.equal(a.refused.length, 1);
    assert.match(a.refused[0]!, /^tls: TLS with it fails: /);
    assert.equal(between.seen[0]!.length, 0, "A has said something");
    await stopAll(a, b, between);
  });
}

Deno.test("11: who ends TLS at both sides gets no link by passing on what both say", async () => {
  // A does without TLS, so that nothing but the proofs can find out.
  const [a, b] = [await End.open(A, { tls: "never" }), await End.open(B, { tls: "always" })];
  const server = createServer((from) => {
    const to = connectTls({ port: b.port, host: "127.0.0.1", rejectUnauthorized: false });
    for (const [one, other] of [[from, to], [to, from]] as const) {
      one.on("error", () => {});
      one.on("data", (bytes: Uint8Array) => other.write(bytes));
      one.on("close", () => other.destroy());
    }
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as { readonly port: number };
  a.links.expect([{ ...B, address: `127.0.0.1:${port}` }]);
  await until(() => [...a.refused, ...b.refused].some((r) => r.startsWith("secret: ")));
  assert.deepEqual([...a.told, ...b.told], []);
  await stopAll(a, b);
  await new Promise((done) => server.close(done));
});

Deno.test("11: a handshake that was recorded is refused, which is logged once", async () => {
  const [a, b] = [await End.open(A), await End.open(B)];
  const between = await Between.open(b.port, null);
  await meet(a, b, between);
  assert.equal(b.told.length, 1);
  await stopAll(a, between);
  await until(() => b.told.length > 1);
  const linked = b.told.length;
  for (let times = 0; times < 3; times++) {
    const socket = connect(b.port, "127.0.0.1");
    socket.on("error", () => {});
    socket.write(between.seen[0]!);
    socket.resume();
    await new Promise<void>((done) => socket.on("close", () => done()));
  }
  assert.deepEqual(b.refused, ["secret: it does not know the cell's secret"]);
  assert.equal(b.told.filter((t) => t.startsWith("linked")).length, 1);
  assert.ok(b.told.length <= linked + 1);
  await b.stop();
});
