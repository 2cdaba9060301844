/** Where stored and wire bytes go: a message in the log, in checkpoints and on the wire. */
import type { Bench, Figure } from "./bench.ts";
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import { encodeEvent } from "../../server/text/event_json.ts";
import { encodeEvent as encodeStored } from "../../shard/mailbox/mailbox_event.ts";
import { NodeFixture } from "../sim/node_fixture.ts";

const BODY = "See you at seven at the usual place, then? I bring the tickets.";
const MESSAGES = 2000;

function keyBytes(key: readonly (string | number)[]): number {
  return key.reduce<number>((n, k) => n + (typeof k === "number" ? 9 : k.length + 2), 0);
}

function stored(w: NodeFixture, table: string): { rows: number; bytes: number } {
  const rows = w.disk.rows([table]);
  const bytes = rows.reduce((n, r) => n + r.value.length + keyBytes(r.key), 0);
  return { rows: rows.length, bytes };
}

function send(w: NodeFixture, from: string, to: string, i: number): void {
  w.must(from, "message.send", {
    device: "phone" as DeviceId,
    to: to as AccountName,
    id: `3f1c0c9e-77ab-4c51-9d3b-${String(i).padStart(12, "0")}`,
    body: BODY,
    ext: "",
  });
}

/** Bytes for each message between two contacts. */
export const sizesBench: Bench = {
  name: "sizes",
  what: "bytes of a 63-byte message in the log, in checkpoints, on the wire",
  seconds: 2,
  run(say): Promise<readonly Figure[]> {
    // Checkpoints are put off, so that the log shows alone first.
    const w = new NodeFixture({
      shards: 4,
      limits: { checkpointMs: 1e9, inboundMessageBurst: 1e6 },
    });
    w.account("alice");
    w.account("bob");
    w.befriend("alice", "bob");
    const before = w.node.committer.stats.bytes;
    for (let i = 0; i < MESSAGES; i++) send(w, "alice", "bob", i);
    w.settle(5000);
    const log = w.node.committer.stats.bytes - before;
    let done = false;
    w.node.committer.checkpointAll(() => done = true);
    w.time.runWhile(() => !done, w.time.nowMs + 60_000);
    const heads = stored(w, "u");
    const blocks = stored(w, "m");
    const dedupe = stored(w, "d");
    const event = w.mailbox("bob").findLast((e) => e.kind === "message")!;
    const wire = encodeEvent(event);
    say(`${MESSAGES} messages of ${BODY.length} bytes, both mailboxes on this node`);
    say(`${blocks.rows} blocks, ${dedupe.rows} dedupe blocks, ${heads.rows} head rows`);
    return Promise.resolve([
      ["body", BODY.length, "B"],
      ["log, both accounts and acks", log / MESSAGES, "B/message"],
      ["checkpoint: mailbox blocks", blocks.bytes / MESSAGES, "B/message"],
      ["checkpoint: dedupe window", dedupe.bytes / MESSAGES, "B/message"],
      ["checkpoint: account heads", heads.bytes / 2, "B/account"],
      ["stored event", encodeStored(event.at, event).length, "B"],
      ["JSON event on the wire", wire.length, "B"],
    ]);
  },
};
