/** The parts of links between cells: batches, frames, what is known of others, whom to connect to. */
import assert from "node:assert/strict";
import {
  cellFault,
  type CellHello,
  decodeCellHello,
  encodeCellHello,
  federationKey,
} from "../../server/peer/cells/hello.ts";
import {
  type AccountName,
  type CellName,
  type NodeId,
  parseCellName,
} from "../../shard/name/ids.ts";
import { cellCert } from "../../server/peer/cell_cert.ts";
import {
  decodeLinkFrame,
  encodeLinkFrame,
  type LinkFrame,
  type NodeSaying,
} from "../../server/peer/cells/frames.ts";
import { Directory, FORGOTTEN_MS } from "../../server/peer/cells/directory.ts";
import { isSaidBy, type Linked } from "../../server/peer/cells/sayings.ts";
import { packBatch, unpackBatch } from "../../server/peer/cells/batch.ts";
import { decodeHello } from "../../server/peer/handshake.ts";
import { Prng } from "../sim/prng.ts";
import { type ConfigInput, configOf, resolveConfig } from "../../server/config/config.ts";
import { simRetries } from "../sim/sim_ports.ts";
import { STEADY_MS, Targets } from "../../server/peer/cells/targets.ts";
import { workerConfig } from "../../server/workers/share.ts";

const A = "a" as CellName;
const B = "b" as CellName;
const NODE = { id: "node of b" as NodeId, incarnation: 3 };

function saying(given: Partial<NodeSaying> = {}): NodeSaying {
  return {
    cell: B,
    mark: "mark of b",
    node: NODE,
    stamp: 1,
    address: "10.0.0.2:8423",
    publicUrls: ["https://b.example.org"],
    program: "1.0.0",
    left: false,
    ...given,
  };
}

Deno.test("12: a batch holds its frames, compressed or not, and nothing else is one", () => {
  const random = new Prng("batch");
  for (const count of [0, 1, 3, 200]) {
    const frames = Array.from({ length: count }, (_, i) => {
      const length = random.int(0, 300);
      return Uint8Array.from({ length }, () => i % 2 === 0 ? 7 : random.int(0, 255));
    });
    const message = packBatch(frames);
    assert.deepEqual(unpackBatch(message).map((f) => [...f]), frames.map((f) => [...f]));
  }
  const text = packBatch([new Uint8Array(100_000)]);
  assert.ok(text.length < 1000, `${text.length} bytes`);
  for (let at = 0; at < 2000; at++) {
    const bytes = Uint8Array.from({ length: random.int(0, 40) }, () => random.int(0, 255));
    bytes[0] = at % 3;
    try {
      unpackBatch(bytes);
    } catch (error) {
      assert.equal((error as Error).name, "CorruptBytes");
    }
  }
  // A few bytes that stand for more than a message may have.
  assert.throws(() => unpackBatch(packBatch([new Uint8Array(17 * 1024 * 1024)])), /cannot be read/);
});

function memberFrames(): readonly LinkFrame[] {
  const ballot = { counter: 3, cell: B };
  const members = { version: 2, federation: "f", cells: [{ cell: B, mark: "m", witness: false }] };
  return [
    { kind: "members", members },
    { kind: "ask", version: 3, ask: { kind: "prepare", ballot } },
    { kind: "ask", version: 3, ask: { kind: "accept", ballot, value: members } },
    ...[
      { kind: "promise", ballot, accepted: null },
      { kind: "promise", ballot, accepted: { ballot, value: members } },
      { kind: "accepted", ballot },
      { kind: "refused", ballot, promised: { counter: 0, cell: "" } },
    ].map((vote) => ({ kind: "vote", version: 3, reply: { kind: "vote", vote } }) as LinkFrame),
    { kind: "vote", version: 3, reply: { kind: "decided", members } },
    { kind: "vote", version: 3, reply: { kind: "behind" } },
    { kind: "names", n: 1, names: ["alice" as AccountName] },
    { kind: "named", n: 1, taken: ["alice" as AccountName], whole: true },
  ];
}

Deno.test("12: frames between cells are read as they were written; kinds of later programs are skipped", () => {
  const owner = { id: "n" as NodeId, incarnation: 1 };
  const frames: readonly LinkFrame[] = [
    { kind: "ping", n: 1, users: 5, busy: true, settled: 3 },
    { kind: "pong", n: 1 },
    { kind: "sayings", sayings: [{ ageMs: 12, saying: saying() }] },
    {
      kind: "table",
      table: {
        version: 9,
        shards: [{ lo: 0, epoch: 1, owner: [] }, { lo: 5, epoch: 2, owner: [owner] }],
      },
    },
  ];
  for (const frame of [...frames, ...memberFrames()]) {
    assert.deepEqual(decodeLinkFrame(encodeLinkFrame(frame, 0), 0), frame);
  }
  assert.equal(decodeLinkFrame(Uint8Array.of(200, 1, 2), 0), null);
  const unknown = encodeLinkFrame({ kind: "cell", point: 1, frame: null }, 0);
  assert.deepEqual(decodeLinkFrame(unknown, 0), { kind: "cell", point: 1, frame: null });
});

Deno.test("12: what nodes say of themselves counts by process and stamp, and old sayings are forgotten", () => {
  const known = new Directory({ cell: A, mark: "mark of a" });
  assert.equal(known.learn(saying(), 0), "new");
  assert.equal(known.learn(saying(), 5), "known");
  assert.equal(known.learn(saying({ stamp: 2, left: true }), 5), "new");
  assert.equal(known.learn(saying({ stamp: 1, node: { ...NODE, incarnation: 4 } }), 6), "new");
  assert.equal(known.learn(saying({ stamp: 9 }), 7), "known");
  assert.equal(known.nodesOf(B)[0]!.saying.left, false);
  assert.equal(known.learn(saying({ mark: "another", stamp: 99 }), 8), "used_twice");
  assert.equal(known.learn(saying({ cell: A, mark: "another" }), 8), "used_twice");
  assert.equal(known.learn(saying({ cell: A, mark: "mark of a" }), 8), "known");
  assert.equal(known.learn(saying({ stamp: 100, address: "x".repeat(600) }), 8), "refused");
  known.forget(6 + FORGOTTEN_MS, () => false);
  assert.deepEqual(known.cells, [B]);
  known.forget(7 + FORGOTTEN_MS, () => true);
  assert.deepEqual(known.cells, [B]);
  known.forget(7 + FORGOTTEN_MS, () => false);
  assert.deepEqual(known.cells, []);
});

Deno.test("12.4: clients are sent to nodes that are linked, to others only where none is", () => {
  const known = new Directory({ cell: A, mark: "mark of a" });
  for (const id of ["lost", "promoted"]) {
    const node = { id: id as NodeId, incarnation: 1 };
    known.learn(saying({ node, publicUrls: [`https://${id}`] }), 0);
  }
  const among = (...linked: string[]) =>
    known.addressesOf(B, ({ node }) => linked.includes(node.id));
  assert.deepEqual(among("promoted"), ["https://promoted"]);
  assert.deepEqual(among(), ["https://lost", "https://promoted"]);
  assert.equal(known.addressesOf("never-seen" as CellName, () => true), null);
  const reached = (...linked: string[]) =>
    known.isReached(B, ({ node }) => linked.includes(node.id));
  assert.deepEqual([reached("promoted"), reached("another"), reached()], [true, false, false]);
  // Both have begun anew, and wait until one of them may serve.
  for (const id of ["lost", "promoted"]) {
    const node = { id: id as NodeId, incarnation: 2 };
    known.learn(saying({ node, publicUrls: [] }), 0);
  }
  assert.equal(among("lost", "promoted"), null);
  assert.equal(reached("lost", "promoted"), false, "they do not serve yet");
  const node = { id: "promoted" as NodeId, incarnation: 2 };
  known.learn(saying({ node, stamp: 50, publicUrls: ["https://promoted"], left: true }), 0);
  assert.equal(reached("promoted"), false, "it has stopped");
});

Deno.test("12.8: what an earlier process of a linked node has said is not said by the linked one", () => {
  const linked = { node: saying({ node: { ...NODE, incarnation: 4 } }) } as unknown as Linked;
  assert.equal(isSaidBy(linked, saying({ node: { ...NODE, incarnation: 4 } })), true);
  assert.equal(isSaidBy(linked, saying({ node: { ...NODE, incarnation: 3 } })), false);
  assert.equal(isSaidBy(undefined, saying()), false);
});

Deno.test("12: of the tables of a cell the later one counts, and per shard the later epoch", () => {
  const known = new Directory({ cell: A, mark: "mark of a" });
  known.learn(saying(), 0);
  const [x, y] = ["x", "y"].map((id) => ({ id: id as NodeId, incarnation: 1 })) as [
    typeof NODE,
    typeof NODE,
  ];
  const half = 2 ** 31;
  const table = (version: number, ...rows: readonly (readonly [number, typeof NODE])[]) => ({
    version,
    shards: rows.map(([epoch, owner], i) => ({ lo: i * half, epoch, owner: [owner] })),
  });
  assert.equal(known.ownerOf(B, 5), null);
  known.takeTable(B, table(2, [5, x], [5, x]));
  known.takeTable(B, table(2, [6, y], [4, y]));
  assert.deepEqual([known.ownerOf(B, half - 1), known.ownerOf(B, half)], [y, x]);
  known.takeTable(B, table(1, [99, y], [99, y]));
  assert.deepEqual(known.ownerOf(B, half), x);
  known.takeTable(B, table(3, [1, x]));
  assert.deepEqual(known.ownerOf(B, half), x);
  known.takeTable(B, { version: 4, shards: [{ lo: 7, epoch: 1, owner: [y] }] });
  assert.equal(known.tableOf(B)!.version, 3);
});

Deno.test("12: an address is tried less often while its links do not last", () => {
  const targets = new Targets(simRetries());
  const wanted = [{ address: "b:1", node: null }];
  targets.want(wanted);
  const none = () => false;
  const refusal = { cause: "ended", why: "the connection was closed" } as const;
  const waits: number[] = [];
  let nowMs = 0;
  for (let tries = 0; tries < 12; tries++) {
    assert.deepEqual(targets.due(nowMs, none), ["b:1"]);
    assert.deepEqual(targets.due(nowMs, none), [], "it is dialling");
    targets.reached("b:1", "b/x");
    // The link is open for some time, but breaks before it counts as good.
    targets.ended("b:1", refusal, STEADY_MS - 1, { monoMs: nowMs, random: 0.5 });
    const beganMs = nowMs;
    while (targets.due(nowMs, none).length === 0) nowMs += 10;
    targets.ended("b:1", refusal, STEADY_MS - 1, { monoMs: nowMs, random: 0 });
    waits.push(nowMs - beganMs);
    nowMs += 60_000;
  }
  assert.ok(waits[0]! < 1000 && waits.at(-1)! > 2000, waits.join());
  assert.equal(targets.faultOf({ node: "b/x" }), "ended: the connection was closed");
  targets.due(nowMs, none);
  targets.ended("b:1", refusal, STEADY_MS, { monoMs: nowMs, random: 0.99 });
  assert.deepEqual(targets.due(nowMs + 600, none), ["b:1"]);
  targets.ended("b:1", refusal, 0, { monoMs: nowMs, random: 0 });
  assert.deepEqual(targets.due(nowMs + 100_000, (node) => node === "b/x"), []);
  targets.want([]);
  assert.deepEqual(targets.due(nowMs + 100_000, none), []);
});

const HELLO: CellHello = {
  versions: { oldest: 1, newest: 1 },
  domain: "example.org",
  cell: B,
  mark: "mark of b",
  node: NODE,
  address: "10.0.0.2:8423",
  program: "1.0.0",
};

Deno.test("12: a node of another cell is refused for its version, its domain or its name", () => {
  const own = { domain: "example.org", cell: A, mark: "mark of a", node: { ...NODE } };
  const causeOf = (given: Partial<CellHello>) => cellFault({ ...HELLO, ...given }, own)?.cause;
  assert.equal(causeOf({}), undefined);
  assert.equal(causeOf({ versions: { oldest: 1, newest: 7 } }), undefined);
  assert.equal(causeOf({ versions: { oldest: 2, newest: 3 } }), "version");
  assert.equal(causeOf({ domain: "example.com" }), "domain");
  assert.equal(causeOf({ cell: A }), "name");
  assert.equal(causeOf({ cell: A, mark: "mark of a" }), "own");
  const said = encodeCellHello(HELLO, new Uint8Array(32));
  assert.deepEqual(decodeCellHello(said), HELLO);
  // A port of one kind of link takes no node of the other kind.
  assert.throws(() => decodeHello(said), /no node of a cell/);
  assert.throws(() => decodeCellHello(said.subarray(1)), /no node of another cell/);
  const secret = new TextEncoder().encode("one secret for both uses");
  assert.notDeepEqual(cellCert(federationKey(secret)).raw, cellCert(secret).raw);
});

function faults(...flags: readonly string[]): readonly string[] {
  const input: ConfigInput = {
    dataDir: "/data",
    file: null,
    env: {},
    flags: flags.map((flag) => {
      const [key, text] = flag.split("=") as [string, string];
      return { flag: "--set", key, text };
    }),
    filesMax: 20_000,
    cwd: "/cwd",
  };
  const result = resolveConfig(input);
  return result.ok ? [] : result.errors;
}

Deno.test("12: settings of other cells need a name, a secret and an address that can be reached", () => {
  const whole = ["cells.name=a", "cells.listen=10.0.0.1:8423", "cells.secretFile=s"];
  assert.deepEqual(faults(...whole), []);
  assert.deepEqual(faults(...whole, "cells.join=10.0.0.2:8423,b.example.org:8423"), []);
  assert.match(faults(...whole.slice(1)).join(), /without cells.name/);
  assert.match(faults("cells.witness=true").join(), /without cells.name/);
  assert.match(faults(...whole.slice(0, 2)).join(), /without cells.secretFile/);
  assert.match(faults("cells.name=a", "cells.secretFile=s").join(), /without cells.listen/);
  assert.match(faults(...whole, "cells.listen=0.0.0.0:8423").join(), /cells.advertise/);
  assert.match(faults(...whole, "cells.join=b").join(), /cells.join .*must be addresses/);
  assert.match(faults(...whole, "cells.name=A b").join(), /cells.name .*must be 1 to 32/);
  assert.deepEqual(["a-1", "", "A", "x".repeat(33)].map(parseCellName), ["a-1", null, null, null]);
});

Deno.test("12: each worker has a port of its own for other cells", () => {
  const config = configOf("/data", {
    "cells.listen": "10.0.0.1:8423",
    "cells.name": "a",
    "cells.secretFile": "s",
  });
  const ports = [1, 2, 3].map((number) =>
    workerConfig(config, { number, count: 3, port: 80, secret: "" }).cells.listen!.port
  );
  assert.deepEqual(ports, [8423, 8424, 8425]);
});
