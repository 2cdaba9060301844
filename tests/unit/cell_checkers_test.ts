/** The simulator's checkers of a cell notice what they are for. */
import { deepEqual, equal, throws } from "node:assert/strict";
import type { AccountId, AccountName, NodeId } from "../../shard/name/ids.ts";
import type { InterestAnswer } from "../../shard/edge_packet.ts";
import type { OpName } from "../../shard/ops.ts";
import { evenTable, reshaped, type ShardTable, withEpochs } from "../../shard/table/table.ts";
import { awaited } from "../sim/recovered.ts";
import { checkStamps } from "../sim/check_refused.ts";
import { Cluster } from "../sim/cluster.ts";
import { FreshReads, type Watched } from "../sim/fresh_reads.ts";
import { History } from "../sim/history.ts";
import { KnownTables } from "../sim/known_tables.ts";
import { ok } from "../../shard/errors.ts";
import { Prng } from "../sim/prng.ts";
import { CONFIRM_MS, JUMP_MS } from "../../server/node/steady_clock.ts";
import { CLUSTER_NOTHING, formatCluster } from "../../server/node/cluster_state.ts";
import { CLUSTER_REGISTER } from "../../server/node/control.ts";
import { encodeRegister, registerKey } from "../../server/store/register_rows.ts";
import { LEASE_MS } from "../../server/node/members.ts";
import { MemoryDisk } from "../sim/memory_store.ts";
import { SimGroup } from "../sim/group.ts";
import { STEADY, Wire } from "../sim/wire.ts";
import { StoreBook } from "../sim/store_book.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

const [A, B] = ["a", "b"].map((id) => ({ id: id as NodeId, incarnation: 1 }));
const record = (byte: number) => new Uint8Array([byte]);
const batch = (epoch: number, from: number, ...bytes: readonly number[]) => ({
  shard: 1,
  epoch,
  from,
  records: bytes.map(record),
});

/** Shard 1 at epoch 2 is of A, which has appended records 1 and 2. */
function book(): StoreBook {
  const b = new StoreBook();
  b.granted({ shard: 1, epoch: 2, head: 0 }, A!);
  b.appended([batch(2, 1, 10, 20)]);
  return b;
}

Deno.test("11: StoreBook notices a second owner of an epoch, and an epoch that falls", () => {
  throws(() => book().granted({ shard: 1, epoch: 2, head: 2 }, B!), /one owner for each epoch/);
  throws(() => book().granted({ shard: 1, epoch: 1, head: 2 }, B!), /epochs only rise/);
  const opening = { shard: 1, epoch: 2, start: 3, owner: B! };
  throws(() => book().reshaped([], [opening]), /one owner for each epoch/);
});

Deno.test("11: StoreBook notices writes of a former owner", () => {
  const b = book();
  b.granted({ shard: 1, epoch: 3, head: 2 }, B!);
  throws(() => b.appended([batch(2, 3, 30)]), /no fenced write is applied/);
  throws(() => b.checkpointed([{ shard: 1, epoch: 2 }], []), /no fenced write is applied/);
  b.appended([batch(3, 3, 30)]);
});

Deno.test("11: StoreBook notices acked records that are lost, replaced, or written over", () => {
  throws(() => book().granted({ shard: 1, epoch: 3, head: 1 }, B!), /behind all that was acked/);
  throws(() => book().appended([batch(2, 2, 21)]), /logs are without gaps/);
  throws(() => book().appended([batch(2, 4, 40)]), /logs are without gaps/);
  const [one, two] = [{ lsn: 1, bytes: record(10) }, { lsn: 2, bytes: record(20) }];
  const b = book();
  b.read(1, 0, b.reads(1), [one!, two!], true);
  throws(() => b.read(1, 0, b.reads(1), [one!], true), /every acked record/);
  const other = { lsn: 2, bytes: record(21) };
  throws(() => b.read(1, 0, b.reads(1), [one!, other], true), /every acked record/);
  b.cuts([{ log: 1, from: 1, below: 2 }]);
  b.read(1, 0, b.reads(1), [two!], true);
});

Deno.test("11: StoreBook: after an append of unknown outcome the next claim says where it ends", () => {
  const b = book();
  b.doubtful([1]);
  b.granted({ shard: 1, epoch: 3, head: 3 }, A!);
  b.appended([batch(3, 4, 40)]);
  throws(() => b.granted({ shard: 1, epoch: 4, head: 3 }, B!), /behind all that was acked/);
});

Deno.test("11: StoreBook notices an append of the owner that is refused", () => {
  const b = book();
  const next = batch(2, 3, 30);
  throws(() => b.refused([1], b.current([next])), /an owner's appends are taken/);
  for (const other of [batch(1, 3, 30), batch(2, 4, 30)]) b.refused([1], b.current([other]));
  const over = b.changes([{ shard: 1, epoch: 2 }]);
  b.refused([1], b.current([next]));
  over(false);
  throws(() => b.refused([1], b.current([next])), /an owner's appends are taken/);
  b.changes([{ shard: 1, epoch: 2 }])(true);
  b.refused([1], b.current([next]));
});

Deno.test("11: StoreBook knows former owners, and those of shards that have ended", () => {
  const b = book();
  deepEqual([1, 2].map((epoch) => b.isFormer({ shard: 1, epoch })), [true, false]);
  b.granted({ shard: 1, epoch: 3, head: 2 }, B!);
  deepEqual([2, 3].map((epoch) => b.isFormer({ shard: 1, epoch })), [true, false]);
  b.reshaped([{ shard: 1, epoch: 3, head: 2 }], [{ shard: 2, epoch: 1, start: 3, owner: B! }]);
  deepEqual([1, 2].map((shard) => b.isFormer({ shard, epoch: shard === 1 ? 3 : 1 })), [
    true,
    false,
  ]);
});

/** The recipient of a pair says that everything up to `n` is settled. */
function settled(wire: Wire, n: number, former: boolean): void {
  const [from, to] = ["ann", "bob"] as AccountName[];
  const [fromId, toId] = ["a", "b"] as AccountId[];
  const of = { from: from!, fromId: fromId!, to: to!, toId: toId! };
  const packet = { kind: "pair_ack", as: "upTo", n, refused: [], forget: false, ...of } as const;
  wire.carry(new VirtualTime().global, packet, () => {}, () => former);
}

Deno.test("11: Wire notices an owner that knows less than any before it had settled", () => {
  const wire = new Wire(new History(() => 0), new Prng(1), STEADY, true);
  settled(wire, 13, false);
  settled(wire, 3, true);
  throws(() => settled(wire, 3, false), /what is settled stays settled/);
  settled(wire, 14, true);
  throws(() => settled(wire, 13, false), /what is settled stays settled/);
});

Deno.test("11: KnownTables notices a node that goes back to an older table or owner", () => {
  const process = { table: evenTable(2) };
  const known = new KnownTables();
  const look = (table: ShardTable) => {
    process.table = table;
    known.look(process, "node 1");
  };
  const owned = (epoch: number) => withEpochs(evenTable(2), [{ shard: 1, epoch, owner: A! }]);
  look(evenTable(2));
  look(owned(3));
  throws(() => look(evenTable(2)), /nodes forget no newer table or owner/);
  look(reshaped(owned(3), { of: [0, 1], at: [] }, new Map([[0, 0], [1, 0]])));
  throws(() => look(owned(3)), /nodes forget no newer table or owner/);
});

/** A node whose replies the test gives. */
class Scripted implements Watched {
  readonly replies: ((value: unknown) => void)[] = [];
  readonly answers: ((answers: readonly InterestAnswer[]) => void)[] = [];

  request: Watched["request"] = (_name, _op, _input, done) => {
    this.replies.push((value) => done(ok(value) as never));
  };

  interest: Watched["interest"] = (_items, done) => void this.answers.push(done);

  ask(op: OpName, account?: string): (value: unknown) => void {
    const [name, id] = ["ann" as AccountName, account as AccountId];
    const whose = account === undefined ? [] : [id] as const;
    this.request(name, op, {} as never, () => {}, ...whose);
    return this.replies.pop()!;
  }

  watch(): (epoch: number) => void {
    const item = { watcher: "bob", watcherId: "b", watched: "ann", watchedId: "a" };
    this.interest([item as never], () => {});
    const answer = this.answers.pop()!;
    return (epoch) => answer([{ ...item, presence: { epoch } } as never]);
  }
}

Deno.test("11: FreshReads notices a read of an owner that another one has followed", () => {
  const fresh = new FreshReads();
  const [old, next] = [new Scripted(), new Scripted()];
  for (const node of [old, next]) fresh.watch(node);
  next.ask("session.attach")({ id: "a1", mailboxId: "m1", seq: 4 });
  const early = old.ask("mailbox.read");
  next.ask("message.send", "a1")({ seq: 5 });
  early({ mailboxId: "m1", seq: 4 });
  const late = old.ask("mailbox.snapshot");
  throws(() => late({ mailboxId: "m1", snapshot: { seq: 4 } }), /reads are not stale/);
  old.ask("mailbox.read")({ mailboxId: "m2", seq: 1 });
});

Deno.test("11: FreshReads notices presence of a former epoch", () => {
  const fresh = new FreshReads();
  const [old, next] = [new Scripted(), new Scripted()];
  for (const node of [old, next]) fresh.watch(node);
  const early = old.watch();
  next.watch()(3);
  early(2);
  const late = old.watch();
  throws(() => late(2), /reads are not stale/);
});

Deno.test("11: what is waited for after the faults names each node, user and device that is late", () => {
  const cluster = new Cluster(1, { nodes: 2, users: 1, devicesPerUser: 1 });
  const [alice] = cluster.people;
  alice!.busy = alice!.devices[0]!.wanted = true;
  deepEqual([...awaited(cluster)], [
    "node 1 is down",
    "node 2 is down",
    "alice is being operated on",
    "alice/d1 is not connected",
  ]);
  cluster.nodes[0]!.start();
  deepEqual([...awaited(cluster)][0], "node 1 has not started: shards none");
});

Deno.test("11: a cell is whole while each node has a lease that lasts until its next beats, and is linked", () => {
  // As after a slow store: what its last beat has renewed ends before another beat.
  const node = { leased: true, leaseAgeMs: 2850, mayServe: true };
  const time = new VirtualTime();
  const disk = new MemoryDisk(time, new Prng(1));
  const [a, b] = ["a", "b"].map((id) => {
    return { id, disk, serving: true, running: { node: { ...node } } };
  });
  let linkedMs = 2000;
  const cell = { linkedMs: () => linkedMs };
  const group = new SimGroup(time, null, [a, b] as never, cell as never);
  equal(group.whole, false);
  a!.running.node.leaseAgeMs = 500;
  equal(group.whole, false);
  b!.running.node.leaseAgeMs = 10;
  equal(group.whole, true);
  linkedMs = 500;
  equal(group.whole, false);
});

/** A cell of nodes a, b and c, of which a owns shards, as its checker sees it. */
function vouchedCell() {
  const time = new VirtualTime();
  const disk = new MemoryDisk(time, new Prng(1));
  const process = { state: "running" };
  const nodes = ["a", "b", "c"].map((id) => {
    const node = {
      leaseFromMs: 0,
      get leaseAgeMs() {
        return time.nowMs - this.leaseFromMs;
      },
      get leased() {
        return this.leaseAgeMs < LEASE_MS;
      },
    };
    return { id, who: id, up: true, process, running: { node }, answering: id === "a" ? [1] : [] };
  });
  const group = new SimGroup(time, null, nodes.map((n) => ({ ...n, disk })) as never, {} as never);
  let beat = 0;
  /** Writes a node's row, and renews its lease by that. */
  const row = (id: string, view: string, { incarnation = 1, left = false, renews = true } = {}) => {
    const value = { incarnation, left, beat: ++beat, view: [...view] };
    disk.put(["node", id], new TextEncoder().encode(JSON.stringify(value)));
    if (renews) nodes.find((n) => n.id === id)!.running.node.leaseFromMs = time.nowMs;
  };
  /** An operator has the first process of a node taken out. */
  const takeOut = (id: string) => {
    const left = [{ id: id as NodeId, incarnation: 1 }];
    const value = formatCluster({ ...CLUSTER_NOTHING, left });
    disk.put(registerKey(CLUSTER_REGISTER), encodeRegister({ version: 1, value }));
  };
  /** Time passes; the nodes with these ids give signs of life by rows that name `view`. */
  const pass = (ms: number, beating = "", view = "abc") => {
    for (const untilMs = time.nowMs + ms; time.nowMs < untilMs;) {
      for (const id of beating) row(id, view, { incarnation: id === "b" ? 2 : 1 });
      time.runFor(500);
      group.lookAtServing();
    }
  };
  for (const id of "abc") row(id, "abc");
  group.lookAtServing();
  return { row, takeOut, pass };
}

const VOUCH = /a majority without leases/;

Deno.test("11: SimGroup wants votes of a majority of all whom a node's row names, also of who had left once", () => {
  const { row, pass } = vouchedCell();
  pass(1000, "ac");
  row("b", "abc", { left: true });
  pass(1000, "ac", "ac");
  pass(2000, "abc");
  // Two of three are kept from the store.
  pass(5000, "c");
  throws(() => pass(5000, "bc"), VOUCH);
});

Deno.test("11: SimGroup lets a row leave out who was taken out when its node read the rows, though it is back", () => {
  for (const was of ["ended later", "back before"]) {
    const { row, takeOut, pass } = vouchedCell();
    row("c", "abc", { left: true });
    pass(1000, "a", "ab");
    if (was === "back before") row("b", "ab", { incarnation: 2 });
    takeOut("b");
    // Its first process goes on for a while.
    pass(was === "back before" ? 500 : 1500, "a", "a");
    pass(10_000, "b", "ab");
  }
});

Deno.test("11: SimGroup lets no row leave out a node that has not left, or is back for long", () => {
  for (const was of ["in", "back", "back, and its former process writes late"]) {
    const { row, takeOut, pass } = vouchedCell();
    row("c", "abc", { left: true });
    if (was !== "in") takeOut("b");
    pass(2000, "ab", "ab");
    if (was.endsWith("late")) row("b", "ab", { left: true, renews: false });
    row("a", "a");
    pass(LEASE_MS - 500, "b", "ab");
    throws(() => pass(500, "b", "ab"), VOUCH);
  }
});

Deno.test("11: SimGroup wants votes by each row of a node since its lease was renewed", () => {
  const { row, takeOut, pass } = vouchedCell();
  row("c", "abc", { left: true });
  pass(1000, "a", "ab");
  takeOut("b");
  row("a", "a", { renews: false });
  pass(2000, "b", "ab");
  throws(() => pass(3000, "b", "ab"), VOUCH);
});

Deno.test("A7: a jump of a node's clock explains stamps once it has stood for so long that it is followed", () => {
  const time = new VirtualTime();
  const jump = { node: { starts: 1 }, deltaMs: 3_600_000, atMs: 5000, starts: 1 };
  const check = (aheadMs: number, jumps = [jump]) => {
    const at = time.global.clock.wallMs() + aheadMs;
    checkStamps({ time, jumps }, [{ life: { name: "bob" }, events: [{ seq: 1, at }] }] as never);
  };
  const message = /beyond what it may be/;
  time.runUntil(5000 + CONFIRM_MS - 1);
  check(JUMP_MS);
  throws(() => check(jump.deltaMs), message);
  check(jump.deltaMs, [{ ...jump, node: { starts: 2 } }]);
  check(jump.deltaMs, [{ ...jump, starts: -1 }]);
  time.runUntil(5000 + CONFIRM_MS);
  check(jump.deltaMs);
  throws(() => check(jump.deltaMs + JUMP_MS + 1), message);
  throws(() => check(jump.deltaMs, []), message);
});
