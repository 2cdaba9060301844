/** Links between nodes over real sockets of loopback. */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { configOf } from "../../server/config/config.ts";
import {
  decodeHello,
  encodeHello,
  helloFault,
  isProof,
  proofOf,
} from "../../server/peer/handshake.ts";
import { memoryLog } from "../sim/sim_ports.ts";
import type { NodeId } from "../../shard/name/ids.ts";
import { openTcpLinks } from "../../server/peer/tcp_links.ts";
import type { Peer, PeerFrame, PeerLinks } from "../../server/node/peers.ts";
import { retries } from "../../server/settings.ts";
import { systemClock } from "../../server/system/clock.ts";
import { systemRandom } from "../../server/system/random.ts";
import { systemTimers } from "../../server/system/timers.ts";

const SECRET = new TextEncoder().encode("a secret of the cell that nobody else knows");
const A = { id: "node00000000000a" as NodeId, incarnation: 1 };
const B = { id: "node00000000000b" as NodeId, incarnation: 1 };
const LIMIT_MS = 20_000;

/** One node's links, and what they have told it. */
class End {
  readonly told: string[] = [];
  readonly frames: PeerFrame[] = [];
  readonly #memory = memoryLog();
  links!: PeerLinks;

  static async open(
    node: typeof A,
    given: { secret?: Uint8Array; cell?: string } = {},
  ): Promise<End> {
    const end = new End();
    end.links = await openTcpLinks({
      clock: systemClock(),
      timers: systemTimers(),
      random: systemRandom(),
      log: end.#memory.log,
      retries: retries(configOf("/data")),
      bind: { host: "127.0.0.1", port: 0 },
      advertise: null,
      secret: given.secret ?? SECRET,
      cell: given.cell ?? "example.org",
    });
    end.links.start(node, {
      linked: (peer: Peer) => end.told.push(`linked ${peer.key}`),
      unlinked: (peer: Peer, gone: boolean) => end.told.push(`unlinked ${peer.key} ${gone}`),
      frame: (_, frame) => end.frames.push(frame),
    });
    return end;
  }

  /** Why links were refused. */
  get refused(): readonly string[] {
    return this.#memory.lines.map(({ fields }) => String(fields["why"]));
  }

  expect(node: typeof A, other: End): void {
    this.links.expect([{ ...node, address: other.links.address }]);
  }

  stop(): Promise<void> {
    return new Promise((done) => this.links.stop(done));
  }
}

/** Resolves when something holds. */
async function until(holds: () => boolean): Promise<void> {
  for (const endMs = performance.now() + LIMIT_MS; !holds();) {
    assert.ok(performance.now() < endMs, "it takes too long");
    await new Promise((done) => setTimeout(done, 5));
  }
}

Deno.test("11: two nodes of a cell are linked once, and frames arrive in order", async () => {
  const [a, b] = [await End.open(A), await End.open(B)];
  a.expect(B, b);
  b.expect(A, a);
  await until(() => a.told.length > 0 && b.told.length > 0);
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

for (
  const [what, given, why] of [
    ["another secret", { secret: new Uint8Array(40) }, /does not know the cell's secret/],
    ["another cell", { cell: "example.com" }, /it is of the cell example/],
  ] as const
) {
  Deno.test(`11: a node with ${what} is refused, which is logged once`, async () => {
    const [a, b] = [await End.open(A), await End.open(B, given)];
    a.expect(B, b);
    await until(() => a.refused.some((r) => why.test(r)) || b.refused.some((r) => why.test(r)));
    await new Promise((done) => setTimeout(done, 500));
    assert.deepEqual([...a.told, ...b.told], []);
    for (const { refused } of [a, b]) assert.equal(new Set(refused).size, refused.length);
    await Promise.all([a.stop(), b.stop()]);
  });
}

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

Deno.test("11: a proof is of one handshake, one role and one secret", () => {
  const random = systemRandom();
  const hello = (node: typeof A) =>
    encodeHello({ cell: "example.org", node, address: "127.0.0.1:1", nonce: random.bytes(32) });
  const said = [hello(A), hello(B)] as const;
  const proof = proofOf(SECRET, "dialler", said);
  assert.ok(isProof(proof, proofOf(SECRET, "dialler", said)));
  assert.ok(!isProof(proof, proofOf(SECRET, "listener", said)));
  assert.ok(!isProof(proof, proofOf(new Uint8Array(40), "dialler", said)));
  // What was recorded is of no use for the next one: its random numbers are others.
  assert.ok(!isProof(proof, proofOf(SECRET, "dialler", [said[0], hello(B)])));
  assert.ok(!isProof(proof.subarray(1), proof));
  const read = decodeHello(said[0]);
  assert.equal(helloFault(read, "example.org", B), null);
  assert.match(helloFault(read, "example.org", A)!, /this node/);
  assert.match(helloFault({ ...read, version: 9 }, "example.org", B)!, /version 9/);
});
