/** Links between nodes over real sockets of loopback. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { ByteReader } from "../../shard/record/bytes.ts";
import { connect } from "node:net";
import {
  decodeHello,
  encodeHello,
  helloFault,
  isProof,
  proofOf,
} from "../../server/peer/handshake.ts";
import { A, B, End, SECRET, until } from "./peer_ends.ts";
import type { AccountName, NodeId } from "../../shard/name/ids.ts";
import { agreedVersion, PEER_VERSIONS } from "../../server/peer/versions.ts";
import { systemClock } from "../../server/system/clock.ts";
import { systemRandom } from "../../server/system/random.ts";

Deno.test("11: two nodes of a cell are linked once, and frames arrive in order", async () => {
  const [a, b] = [await End.open(A), await End.open(B)];
  a.expect(B, b);
  await until(() => a.told.length > 0 && b.told.length > 0);
  b.expect(A, a);
  assert.deepEqual([a.told, b.told], [["linked node00000000000b.1"], [
    "linked node00000000000a.1",
  ]]);
  for (let version = 0; version < 1000; version++) {
    a.links.send("node00000000000b.1" as NodeId, { kind: "table", version });
    b.links.send("node00000000000a.1" as NodeId, { kind: "table", version });
  }
  await until(() => a.frames.length === 1000 && b.frames.length === 1000);
  const versions = b.frames.map((f) => f.kind === "table" ? f.version : -1);
  assert.deepEqual(versions, Array.from({ length: 1000 }, (_, i) => i));
  await b.stop();
  await until(() => a.told.includes("unlinked node00000000000b.1 true"));
  assert.equal(a.told[1], "unlinked node00000000000b.1 false");
  // Without a link, what is sent is lost.
  a.links.send("node00000000000b.1" as NodeId, { kind: "table", version: 1 });
  await a.stop();
});

Deno.test("11: a node that begins is linked at once with those that do not know of it yet", async () => {
  const [a, b] = [await End.open(A), await End.open(B)];
  // Of the two A dials, once it has read B's row.
  b.expect(A, a);
  await until(() => a.told.length > 0 && b.told.length > 0);
  a.expect(B, b);
  a.links.send("node00000000000b.1" as NodeId, { kind: "table", version: 1 });
  await until(() => b.frames.length === 1);
  assert.deepEqual([a.told.length, b.told.length], [1, 1]);
  await Promise.all([a.stop(), b.stop()]);
});

Deno.test("11: two nodes that begin together and dial each other end with one link", async () => {
  for (let round = 0; round < 20; round++) {
    const [a, b] = [await End.open(A), await End.open(B)];
    for (
      const [end, other, node] of round % 2 === 0
        ? [[a, b, B], [b, a, A]] as const
        : [[b, a, A], [a, b, B]] as const
    ) {
      end.expect(node, other);
    }
    await until(() => a.told.length > 0 && b.told.length > 0);
    // The handshake of the other connection ends meanwhile.
    await new Promise((done) => setTimeout(done, 50));
    const [toldA, toldB] = [a.told.length, b.told.length];
    a.links.send("node00000000000b.1" as NodeId, { kind: "table", version: 1 });
    b.links.send("node00000000000a.1" as NodeId, { kind: "table", version: 2 });
    await until(() => a.frames.length === 1 && b.frames.length === 1);
    const last = [a, b].map(({ told }) => told.at(-1));
    assert.deepEqual(last, ["linked node00000000000b.1", "linked node00000000000a.1"]);
    assert.deepEqual([a.told.length, b.told.length], [toldA, toldB]);
    assert.deepEqual([a.refused, b.refused], [[], []]);
    await Promise.all([a.stop(), b.stop()]);
  }
});

Deno.test("11: clocks that are far apart are logged once, also where two nodes dial each other", async () => {
  const clock = systemClock();
  const ahead = { ...clock, monoMs: () => clock.monoMs(), wallMs: () => clock.wallMs() + 60_000 };
  const pairs = await Promise.all(Array.from({ length: 10 }, async () => {
    return [await End.open(A), await End.open(B, { clock: ahead })] as const;
  }));
  for (const [a, b] of pairs) {
    a.expect(B, b);
    b.expect(A, a);
  }
  const far = ({ lines }: End) => lines.filter(({ event }) => event === "clocks far apart").length;
  const ends = pairs.flat();
  await until(() => ends.every((end) => far(end) > 0));
  // Each link takes the clocks once a second.
  await new Promise((done) => setTimeout(done, 1500));
  assert.deepEqual(ends.map(far), ends.map(() => 1));
  await Promise.all(ends.map((end) => end.stop()));
});

for (
  const [what, given, why] of [
    ["another secret", { secret: new Uint8Array(40) }, /^secret: .* know the cell's secret/],
    ["another cell", { cell: "example.com" }, /^cell: it is of the cell example/],
    [
      "versions of which this program speaks none",
      { versions: { oldest: 9, newest: 10 } },
      /^version: it speaks versions \d+ to \d+ .*: upgrade the older one first/,
    ],
  ] as const
) {
  Deno.test(`11: a node with ${what} is refused, which is logged once`, async () => {
    const [a, b] = [await End.open(A), await End.open(B, given)];
    a.expect(B, b);
    await until(() => a.refused.some((r) => why.test(r)) || b.refused.some((r) => why.test(r)));
    await new Promise((done) => setTimeout(done, 500));
    assert.deepEqual([...a.told, ...b.told], []);
    for (const { refused } of [a, b]) assert.equal(new Set(refused).size, refused.length);
    // Which of them finds out is chance; who has dialled shows why it has no link.
    assert.match(a.links.about(B).fault ?? "", /^(version|cell|secret|ended): /);
    await Promise.all([a.stop(), b.stop()]);
  });
}

Deno.test("11: bytes of a frame are its own: those of the socket are used again", async () => {
  const [a, b] = [await End.open(A), await End.open(B)];
  a.expect(B, b);
  b.expect(A, a);
  await until(() => a.told.length > 0 && b.told.length > 0);
  const seed = new Uint8Array(24).fill(7);
  const of = {
    name: "ann" as AccountName,
    op: "account.info",
    input: {},
    accountId: null,
  } as const;
  const request = { kind: "request", asked: 1, shard: 0, epoch: 1, seed, ...of } as const;
  a.links.send("node00000000000b.1" as NodeId, request);
  await until(() => b.frames.length > 0);
  const arrived = b.frames[0] as typeof request;
  assert.deepEqual(arrived.seed, seed);
  assert.equal(arrived.seed.buffer.byteLength, seed.length);
  const bytes = Buffer.from([2, 7, 7]);
  const read = new ByteReader(bytes).bytes();
  bytes.fill(0);
  assert.deepEqual(read, Uint8Array.of(7, 7));
  await Promise.all([a.stop(), b.stop()]);
});

Deno.test("11: a node that cannot be reached is tried less often, logged once, and shown", async () => {
  const a = await End.open(A);
  // The system refuses to connect to all of a network at once.
  a.links.expect([{ ...B, address: "255.255.255.255:8422" }]);
  await until(() => a.links.about(B).fault !== null);
  await new Promise((done) => setTimeout(done, 500));
  assert.match(a.links.about(B).fault!, /^unreached: /);
  assert.deepEqual(a.refused.length, 1);
  assert.deepEqual(a.told, []);
  await a.stop();
});

Deno.test("11: rubbish and silence on the port of links cost a connection, and no more", async () => {
  const a = await End.open(A);
  const port = Number(a.links.address.split(":")[1]);
  const closed: Promise<void>[] = [];
  for (const bytes of ["GET / HTTP/1.1\r\n\r\n", "\0\0\0\x05hello", "\xff\xff\xff\xff", ""]) {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => {});
    socket.write(bytes, "latin1");
    socket.resume();
    closed.push(new Promise((done) => socket.on("close", () => done())));
  }
  await Promise.all(closed);
  assert.deepEqual(a.told, []);
  await a.stop();
});

Deno.test("11: one address cannot take the places of all that have not proved that they are nodes", async () => {
  const [a, b] = [await End.open(A), await End.open(B)];
  const port = Number(b.links.address.split(":")[1]);
  let closed = 0;
  const crowd = Array.from({ length: 40 }, () => {
    const socket = connect({ port, host: "127.0.0.1", localAddress: "127.0.0.2" });
    socket.on("error", () => {});
    socket.on("close", () => closed++);
    return socket.resume();
  });
  // The others wait for their handshake.
  await until(() => closed === 24);
  assert.match(b.refused[0]!, /^stranger: 16 other connections of this address/);
  a.expect(B, b);
  b.expect(A, a);
  await until(() => a.told.length > 0 && b.told.length > 0);
  assert.equal(b.refused.length, 1);
  for (const socket of crowd) socket.destroy();
  await Promise.all([a.stop(), b.stop()]);
});

Deno.test("10.10: strangers at many addresses take no node's place among those without a proof", async () => {
  const [a, b] = [await End.open(A), await End.open(B)];
  const port = Number(b.links.address.split(":")[1]);
  let [connected, closed] = [0, 0];
  const crowd = Array.from({ length: 256 }, (_, i) => {
    const localAddress = `127.0.0.${2 + i % 16}`;
    const socket = connect({ port, host: "127.0.0.1", localAddress });
    socket.on("error", () => {});
    socket.on("connect", () => connected++);
    socket.on("close", () => closed++);
    return socket.resume();
  });
  await until(() => connected === crowd.length);
  a.expect(B, b);
  b.expect(A, a);
  await until(() => a.told.length > 0 && b.told.length > 0);
  // Not only once the time of those for a handshake was over.
  assert.ok(closed < 16, String(closed));
  for (const socket of crowd) socket.destroy();
  await Promise.all([a.stop(), b.stop()]);
});

Deno.test("11: a proof is of one handshake, one role and one secret", () => {
  const random = systemRandom();
  const hello = (node: typeof A) =>
    encodeHello({
      versions: PEER_VERSIONS,
      cell: "example.org",
      node,
      address: "127.0.0.1:1",
      nonce: random.bytes(32),
    });
  const said = [hello(A), hello(B)] as const;
  const proof = proofOf(SECRET, "dialler", said);
  assert.ok(isProof(proof, proofOf(SECRET, "dialler", said)));
  assert.ok(!isProof(proof, proofOf(SECRET, "listener", said)));
  assert.ok(!isProof(proof, proofOf(new Uint8Array(40), "dialler", said)));
  // What was recorded is of no use for the next one: its random numbers are others.
  assert.ok(!isProof(proof, proofOf(SECRET, "dialler", [said[0], hello(B)])));
  assert.ok(!isProof(proof.subarray(1), proof));
  // Over another channel neither: with TLS, that is the one with the cell's certificate.
  assert.ok(!isProof(proof, proofOf(SECRET, "dialler", said, new Uint8Array(32))));
  const read = decodeHello(said[0]);
  assert.equal(helloFault(read, "example.org", B), null);
  assert.match(helloFault(read, "example.org", A)!.why, /copy of its data directory/);
  const later = { ...read, versions: { oldest: 9, newest: 9 } };
  assert.match(helloFault(later, "example.org", B)!.why, /versions 9 to 9/);
});

Deno.test("11: two nodes speak the newest version that both know", () => {
  const agreed = [[1, 1], [1, 2], [2, 3], [3, 4]].map(([oldest, newest]) =>
    agreedVersion({ oldest: oldest!, newest: newest! }, { oldest: 1, newest: 2 })
  );
  assert.deepEqual(agreed, [1, 2, 2, null]);
});
