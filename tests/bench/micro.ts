/** Microbenchmarks of the parts that every delivery passes. */
import { type Bench, type Figure, measure } from "./bench.ts";
import { type AccountId, type AccountName, type DeviceId, newId } from "../../shard/name/ids.ts";
import { AccountState } from "../../shard/account/account.ts";
import { apply } from "../../shard/account/apply.ts";
import { ByteWriter } from "../../shard/record/bytes.ts";
import { addChecksum, checkRow } from "../../server/store/row_checksum.ts";
import { snapshotOf } from "../../shard/handlers/snapshot.ts";
import { decodeHead, encodeHead } from "../../shard/account/head.ts";
import { encodePresence } from "../../server/v1/encode.ts";
import { encodeEvent } from "../../server/text/event_json.ts";
import { type Entry, readRecord, RECORD_VERSION, writeEntry } from "../../shard/account/records.ts";
import { largeAccount } from "./large_account.ts";
import { encodeLinkFrame } from "../../server/peer/cells/frames.ts";
import { packBatch, unpackBatch } from "../../server/peer/cells/batch.ts";
import { searches } from "./searches.ts";
import { Prng } from "../sim/prng.ts";
import { NodeFixture } from "../sim/node_fixture.ts";

const BODY = "See you at seven at the usual place, then? I bring the tickets.";

function received(seq: number): Entry & { kind: "received" } {
  return {
    kind: "received",
    from: "alice" as AccountName,
    fromId: "AAAAAAAAAAAAAAAA" as never,
    n: seq,
    seq,
    at: 1_800_000_000_000 + seq,
    num: seq,
    id: `3f1c0c9e-77ab-4c51-9d3b-${String(seq).padStart(12, "0")}`,
    body: BODY,
    ext: "",
  };
}

function codec(): Figure[] {
  const w = new ByteWriter(1 << 20);
  const name = "bob" as AccountName;
  const write = measure(20_000, (i) => {
    if (i % 2000 === 0) w.clear();
    writeEntry(w, name, received(i + 1));
  });
  w.clear();
  w.u8(RECORD_VERSION);
  for (let i = 0; i < 100; i++) writeEntry(w, name, received(i + 1));
  const record = w.take();
  const read = measure(100, () => readRecord(record)) / 100;
  const event = { ...received(1), kind: "message", with: name, out: false, device: "" } as const;
  const json = measure(20_000, () => encodeEvent(event));
  const devices = [{
    device: "phone" as DeviceId,
    presence: { show: "away", status: "In a meeting", priority: 1, ext: "" } as const,
  }];
  const presence = measure(20_000, () => encodePresence(name, devices, 0, null));
  return [
    ["codec: log entry of a message, written", write, "µs"],
    ["codec: log entry of a message, read", read, "µs"],
    ["codec: message as JSON", json, "µs"],
    ["codec: presence as JSON", presence, "µs"],
  ];
}

/** What 64 messages to another cell cost, and what compressing them saves. */
function cells(): Figure[] {
  const random = new Prng("cells");
  const id = () => newId<AccountId>(Uint8Array.from({ length: 12 }, () => random.int(0, 255)));
  const frames = Array.from({ length: 64 }, (_, i) => {
    const payload = { kind: "message", at: 1_800_000_000_000 + i, id: id(), body: BODY, ext: "" };
    const of = { from: `user${i % 20}`, fromId: id(), to: `friend${i % 30}`, toId: id() };
    const packet = { kind: "pair", ...of, n: i, base: 1, generation: 1, sinceMs: 5, payload };
    const frame = { kind: "packet", packet: packet as never, hops: 0 } as const;
    return encodeLinkFrame({ kind: "cell", point: i, frame }, 10);
  });
  const bytes = frames.reduce((sum, { length }) => sum + length, 0);
  const message = packBatch(frames);
  return [
    ["cells: frame of a message packed, of 64", measure(500, () => packBatch(frames)) / 64, "µs"],
    ["cells: the same unpacked", measure(500, () => unpackBatch(message)) / 64, "µs"],
    ["cells: bytes of a message in the batch", message.length / 64, "bytes"],
    ["cells: the same without compression", bytes / 64, "bytes"],
  ];
}

function accounts(): Figure[] {
  const account = new AccountState("bob" as AccountName, 0);
  let seq = 0;
  const applied = measure(20_000, () => {
    apply(account, received(++seq));
    account.mailbox.unsaved.clear();
  });
  const w = new NodeFixture();
  w.account("hub");
  for (let i = 0; i < 40; i++) {
    w.account(`user${i}`);
    w.befriend("hub", `user${i}`);
  }
  let done = false;
  w.node.committer.checkpointAll(() => done = true);
  w.time.runWhile(() => !done, w.time.nowMs + 60_000);
  const row = w.disk.rows(["u"]).find((r) => r.key[2] === "hub")!;
  const load = measure(500, () => decodeHead(new AccountState("hub" as AccountName, 0), row.value));
  const hub = new AccountState("hub" as AccountName, 0);
  decodeHead(hub, row.value);
  const checkpoint = measure(500, () => encodeHead(hub, 1));
  const snapshot = measure(500, () => snapshotOf(hub));
  return [
    ["account: message applied to a mailbox", applied, "µs"],
    ["account: head of 40 contacts", row.value.length, "B"],
    ["account: load of that head", load, "µs"],
    ["account: checkpoint of that head", checkpoint, "µs"],
    ["account: snapshot from that head, contacts read", snapshot, "µs"],
  ];
}

/** The shard's step with the store, timers and edge simulated: decisions and records alone. */
function steps(): Figure[] {
  const w = new NodeFixture({
    shards: 16,
    limits: { inboundMessageBurst: 1e9, checkpointMs: 1e9 },
  });
  const names = Array.from({ length: 100 }, (_, i) => `user${i}` as AccountName);
  for (const n of names) {
    w.account(n);
    w.must(n, "settings.set", { messagesFrom: "anyone" });
  }
  const sessions = names.map((n) => w.attach(n).session);
  let acked = 0;
  const send = measure(2000, (i) => {
    w.node.request(names[i % 100]!, "message.send", {
      device: "phone" as DeviceId,
      to: names[(i * 7 + 1) % 100]!,
      id: `m${i}`,
      body: BODY,
      ext: "",
    }, () => acked++);
    if (i % 200 === 199) w.time.runFor(50);
    w.packets.length = 0;
  });
  const shows = ["away", "dnd", "online"] as const;
  const presence = measure(20_000, (i) => {
    w.node.request(names[i % 100]!, "presence.set", {
      session: sessions[i % 100]!,
      presence: { show: shows[i % 3]!, status: `s${i}`, priority: 0, ext: "" },
    }, () => {});
  });
  return [
    ["shard: message between two accounts, both commits", send, "µs"],
    ["shard: presence change, nobody interested", presence, "µs"],
  ];
}

/** What a log row of 4.5 KB costs more because of its checksum: the copy included. */
function checksums(): Figure[] {
  const record = new Uint8Array(4500).map((_, i) => i * 31);
  const stored = addChecksum(["log", 3, 123_456], record);
  const add = measure(20_000, (i) => addChecksum(["log", 3, i], record));
  const check = measure(20_000, () => checkRow(["log", 3, 123_456], stored, false));
  return [
    ["store: checksum of a log row of 4.5 KB, added", add, "µs"],
    ["store: checksum of a log row of 4.5 KB, checked", check, "µs"],
  ];
}

/** Codec, mailbox, checkpoint, shard step. */
export const microBench: Bench = {
  name: "micro",
  what: "codec, records, accounts, shard steps, searches; median of 7 rounds",
  seconds: 10,
  run: () =>
    Promise.resolve([
      ...[...codec(), ...cells(), ...accounts(), ...largeAccount()],
      ...[...steps(), ...checksums(), ...searches()],
    ]),
};
