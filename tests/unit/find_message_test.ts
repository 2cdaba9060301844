import { equal, ok } from "node:assert/strict";
import type { AccountName, MailboxId } from "../../shard/name/ids.ts";
import { findMessage } from "../../shard/mailbox/find_message.ts";
import { Mailbox } from "../../shard/mailbox/mailbox.ts";

const [BOB, CAROL] = ["bob" as AccountName, "carol" as AccountName];

/** 2,000 messages, of which each hundredth is to Bob, and each tenth from him; the rest is Carol's. */
function fixture() {
  const mailbox = new Mailbox("mailboxmailbox00" as MailboxId);
  const last = { out: 0, in: 0 };
  for (let i = 1; i <= 2000; i++) {
    const out = i % 100 === 0;
    const peer = i % 10 === 0 ? BOB : CAROL;
    const num = peer === CAROL ? i : out ? ++last.out : ++last.in;
    mailbox.append(i, {
      kind: "message",
      with: peer,
      out,
      num,
      id: `m${i}`,
      body: "x".repeat(60),
      ext: "",
      device: "",
    }, peer === BOB ? 0 : 1);
  }
  const store = new Map(mailbox.unsaved);
  mailbox.unsaved.clear();
  const find = (out: boolean, num: number) => {
    const loaded = new Map<number, Uint8Array>();
    for (;;) {
      const found = findMessage(mailbox, { peer: BOB, conversation: 0, out, num }, loaded);
      if (found === null || !("need" in found)) return { found, reads: loaded.size };
      loaded.set(found.need, store.get(found.need)!);
    }
  };
  return { find, last };
}

Deno.test("findMessage finds every message of both sides, and reads few blocks for it", () => {
  const { find, last } = fixture();
  for (const out of [true, false]) {
    const most = out ? last.out : last.in;
    for (let num = 1; num <= most; num += 3) {
      const { found, reads } = find(out, num);
      ok(found !== null && found.with === BOB && found.out === out && found.num === num);
      ok(reads <= (out ? 16 : 64), `${reads} blocks are read`);
    }
    for (const num of [0, most + 1]) equal(find(out, num).found, null);
  }
});

Deno.test("findMessage finds no message of an account that had the peer's name before", () => {
  const mailbox = new Mailbox("mailboxmailbox00" as MailboxId);
  const say = (num: number, body: string) =>
    mailbox.append(1, {
      kind: "message",
      with: BOB,
      out: false,
      num,
      id: `m${num}`,
      body,
      ext: "",
      device: "",
    }, 0);
  const find = (num: number) => {
    const query = { peer: BOB, conversation: 0, out: false, num };
    const found = findMessage(mailbox, query, mailbox.unsaved);
    return found === null || "need" in found ? null : found.body.trim();
  };
  for (let num = 1; num <= 300; num++) say(num, `former ${num}`.padEnd(200));
  for (const num of [2, 3, 5]) say(num, `present ${num}`);
  equal(find(300), null);
  equal(find(4), null);
  equal(find(1), null);
  equal(find(3), "present 3");
  for (let num = 6; num <= 200; num++) say(num, `present ${num}`.padEnd(200));
  equal(find(2), "present 2");
  equal(find(1), null);
  equal(find(250), null);
  equal(find(150), "present 150");
});
