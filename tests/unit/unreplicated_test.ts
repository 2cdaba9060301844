/** What a former primary has acknowledged alone: found in its rows, kept, and sent again once. */
import assert from "node:assert/strict";
import type {
  AccountId,
  AccountName,
  CellName,
  DeviceId,
  MailboxId,
} from "../../shard/name/ids.ts";
import { AccountState } from "../../shard/account/account.ts";
import { addChecksum } from "../../server/store/row_checksum.ts";
import { blockKey } from "../../shard/account/checkpoint.ts";
import { ByteWriter } from "../../shard/record/bytes.ts";
import { chunkRows } from "../../shard/account/head_rows.ts";
import { encodeBlock, encodeEvent, type MailboxBody } from "../../shard/mailbox/mailbox_event.ts";
import { encodeHead } from "../../shard/account/head.ts";
import { fail, ok, type Result } from "../../shard/errors.ts";
import { Mailbox } from "../../shard/mailbox/mailbox.ts";
import { memoryLog } from "../sim/sim_ports.ts";
import { pointOf } from "../../shard/name/ids.ts";
import { RECORD_VERSION, writeEntry } from "../../shard/account/records.ts";
import { type ResubmitHost, resubmitter } from "../../server/standby/resubmit.ts";
import { keptLines } from "../../server/system/standby_files.ts";
import { statSync } from "node:fs";
import type { StandbyFrame } from "../../server/standby/link_frames.ts";
import type { StoreKey } from "../../server/node/ports.ts";
import {
  type Unreplicated,
  unreplicatedIn,
  UnreplicatedIndex,
} from "../../server/standby/unreplicated.ts";
import type { UnreplicatedMessage } from "../../server/standby/unreplicated.ts";
import { UnreplicatedDelivery } from "../../server/standby/unreplicated_delivery.ts";
import { tempDir } from "../process/server.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

const CELL = "a" as CellName;
const ANN = "ann" as AccountName;
const BOB = "bob" as AccountName;
const ID = "AAAAAAAAAAAAAAAA" as AccountId;
const DEVICE = "DDDDDDDDDDDDDDDD" as DeviceId;

const row = (key: StoreKey, value: Uint8Array) => ({ key, value: addChecksum(key, value) });

function message(id: string, at = 5): UnreplicatedMessage {
  return { from: ANN, to: BOB, id, body: `body of ${id}`, ext: "", device: DEVICE, at };
}

function event(id: string, out = true): MailboxBody {
  const { body, device, ext } = message(id);
  return { kind: "message", with: BOB, out, num: 1, id, body, ext, device: out ? device : "" };
}

function record(id: string): Uint8Array {
  const { at, body, device, ext, to } = message(id);
  const w = new ByteWriter().u8(RECORD_VERSION);
  writeEntry(w, ANN, {
    kind: "sent",
    to,
    toId: "",
    n: 1,
    seq: 1,
    at,
    num: 1,
    id,
    body,
    ext,
    device,
  });
  return w.take();
}

function head(...ids: string[]) {
  const account = new AccountState(ANN, pointOf(ANN));
  account.id = ID;
  account.mailbox = new Mailbox("MMMMMMMMMMMMMMMM" as MailboxId);
  for (const id of ids) account.mailbox.append(5, event(id), 0);
  const [first] = chunkRows(account.point, ANN, encodeHead(account, 7));
  return row(first!.key as StoreKey, first!.value);
}

Deno.test("12.4: messages are found in the log, in mailbox blocks and in heads", () => {
  const block = encodeBlock([
    encodeEvent(5, event("in a block")),
    encodeEvent(5, event("received", false)),
    encodeEvent(5, { kind: "read", with: BOB, upTo: 1, unread: 0 }),
  ]);
  const rows = [
    row(["log", 1, 9], record("in the log")),
    row(blockKey(pointOf(ANN), ID, 1) as StoreKey, block),
    head("in a head"),
  ];
  assert.deepEqual(
    messagesOf(rows.flatMap(unreplicatedIn)),
    ["in the log", "in a block", "in a head"].map((id) => message(id)),
  );
  const damaged = { ...rows[0]!, value: rows[0]!.value.with(9, rows[0]!.value[9]! ^ 1) };
  assert.deepEqual(unreplicatedIn(damaged), []);
  assert.deepEqual(unreplicatedIn(row(["meta", "x"], new Uint8Array([1]))), []);
  const sealed = [rows[1]!, head()].flatMap(unreplicatedIn);
  assert.deepEqual(messagesOf(sealed), [message("in a block")]);
  assert.deepEqual(messagesOf(unreplicatedIn(rows[1]!)), [null], "nobody has the account any more");
});

/** The messages of a file with these lines, in the order in which they are sent again. */
function messagesOf(lines: readonly Unreplicated[]): readonly (UnreplicatedMessage | null)[] {
  const index = new UnreplicatedIndex();
  lines.forEach((line, place) => index.add(line, place));
  return index.places.map((place) => index.messageOf(lines[place]!));
}

/** A file in memory. */
function memoryFile() {
  let lines: Unreplicated[] = [];
  return {
    full: false,
    get exists() {
      return lines.length > 0;
    },
    add(found: readonly Unreplicated[]) {
      if (this.full) throw new Error("No space left on device");
      lines.push(...found);
    },
    part: (from: number) => ({
      lines: lines.slice(from).map((line, i) => ({ line, place: from + i })),
      next: null,
    }),
    at: (place: number) => lines[place] ?? null,
    remove: () => void (lines = []),
  };
}

function deliveryOf(file: ReturnType<typeof memoryFile>) {
  const time = new VirtualTime();
  const { timers } = time.process();
  const delivery = new UnreplicatedDelivery({ cell: CELL, file, timers, log: memoryLog().log });
  const sent: (StandbyFrame & { kind: "unreplicated" })[] = [];
  const peer = {
    cell: CELL,
    send: (frame: StandbyFrame) => sent.push(frame as typeof sent[number]) > 0,
  };
  return { delivery, sent, peer, time };
}

Deno.test("12.4: what was kept is offered in batches until the primary has taken it, after a restart too", () => {
  const file = memoryFile();
  const ids = Array.from({ length: 60 }, (_, i) => `message ${i}`);
  const before = deliveryOf(file);
  assert.ok(!before.delivery.pending);
  assert.ok(before.delivery.keep(ids.map((id, i) => row(["log", 1, i], record(id)))));
  file.full = true;
  assert.ok(!before.delivery.keep([row(["log", 1, 99], record("another"))]), "it is not replaced");
  const { delivery, sent, peer, time } = deliveryOf(file);
  assert.ok(delivery.pending);
  delivery.offer(peer);
  delivery.offer(peer);
  assert.deepEqual(sent.map(({ messages }) => messages.length), [50], "one batch at a time");
  time.runFor(6000);
  delivery.offer(peer);
  assert.equal(sent.length, 2, "it is sent again where nobody has taken it");
  delivery.taken(sent[0]!.n);
  delivery.offer(peer);
  assert.equal(sent.length, 2, "a reply to an older batch counts for nothing");
  delivery.taken(sent[1]!.n);
  delivery.offer(peer);
  assert.deepEqual(sent[2]!.messages.map(({ id }) => id), ids.slice(50));
  assert.ok(file.exists);
  delivery.taken(sent[2]!.n);
  assert.ok(!file.exists && !delivery.pending);
});

Deno.test("12.4: a message that several rows have is sent again once", () => {
  const file = memoryFile();
  const { delivery, sent, peer } = deliveryOf(file);
  delivery.keep([row(["log", 1, 1], record("one")), head("one", "other")]);
  delivery.offer(peer);
  assert.deepEqual(sent[0]!.messages.map(({ id }) => id), ["one", "other"]);
});

Deno.test("12: what is kept has a bound, and is read in parts, whatever the length of its lines", () => {
  using dir = tempDir();
  const path = `${dir.path}/kept`;
  const file = keptLines<string>(path, 3000, 64);
  const lines = [..."x".repeat(20)].map((x, i) => x.repeat(i * i));
  for (const line of lines) file.add([line, "ä"]);
  const found: string[] = [];
  let parts = 0;
  for (let next: number | null = 0; next !== null; parts++) {
    const part = file.part(next);
    for (const { line, place } of part.lines) {
      assert.equal(file.at(place), line);
      found.push(line);
    }
    next = part.next;
  }
  assert.deepEqual(found, lines.flatMap((line) => [line, "ä"]));
  assert.ok(parts > 10, `${parts} parts`);
  // A crash has cut the last line.
  Deno.writeTextFileSync(path, '\n"cut', { append: true });
  assert.equal(file.at(statSync(path).size - 4), null);
  file.add(["after"]);
  assert.throws(() => file.add(["y".repeat(3000)]), /limit of 3000 bytes/);
  assert.ok(statSync(path).size <= 3000);
});

Deno.test("12.4: messages are sent again under their ids, and left out where they are refused for good", () => {
  const time = new VirtualTime();
  const process = time.process();
  const { log, lines } = memoryLog();
  const sent: string[] = [];
  let busy = 2;
  const node: ResubmitHost = {
    request(name, op, input, done) {
      const reply = done as (result: Result<unknown>) => void;
      const { id } = input as { id?: string };
      if (name !== ANN) return reply(fail("not_found", "nobody"));
      if (op === "account.info") return reply(ok({ createdAt: 3 }));
      if (busy-- > 0) return reply(fail("busy", "full", 200));
      if (id === "refused") return reply(fail("forbidden", "no"));
      sent.push(id!);
      reply(ok({}));
    },
  };
  let taken = 0;
  const clock = { wallMs: () => 1000 };
  const take = resubmitter({ node, clock, timers: process.timers, log, ageMsMax: 998 });
  const gone = { ...message("of nobody"), from: BOB };
  take([
    ...[message("first"), message("refused"), message("too old", 1)],
    ...[message("of a former account", 2), gone, message("last")],
  ], () => taken++);
  assert.equal(taken, 0);
  time.runFor(1000);
  assert.deepEqual([sent, taken], [["first", "last"], 1]);
  assert.deepEqual(lines.map(({ fields }) => [fields["id"], fields["why"]]), [
    ["refused", "forbidden"],
    ["too old", "it is too old"],
    ["of a former account", "the account is a later one"],
    ["of nobody", "not_found"],
  ]);
});
