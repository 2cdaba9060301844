import { deepEqual, equal } from "node:assert/strict";
import {
  changeOf,
  clientExt,
  isChanging,
  namedBy,
  noteOf,
  sentExt,
  takenExt,
  withNote,
} from "../../shard/message/note.ts";
import { editOf, reactionOf, removalOf } from "../../server/v1/changes.ts";
import { ITEM_LINE } from "../../server/transfer/line_schemas.ts";
import { eventLine } from "../../server/transfer/lines.ts";
import type { MailboxEvent } from "../../shard/ops.ts";
import type { AccountName } from "../../shard/name/ids.ts";

Deno.test("withNote and noteOf are inverse, and an ext without a note stays what it is", () => {
  for (const ext of ["", "x", '{"a":1}', "roost:note ", 'roost:note {"removed":true}']) {
    const stored = clientExt(ext);
    equal(noteOf(stored)?.ext ?? stored, ext);
    equal(isChanging(stored), false);
  }
  const note = { kind: "react", num: 7, mine: false, emoji: ["\u{1f44d}"], ext: "e" } as const;
  deepEqual(noteOf(withNote(note)), note);
});

Deno.test("noteOf takes nothing for a note that no program makes", () => {
  const bad = [
    "{",
    "null",
    "[]",
    '{"kind":"edit"}',
    '{"kind":"edit","num":-1,"mine":true}',
    '{"kind":"edit","num":1.5,"mine":true}',
    '{"kind":"edit","num":1,"mine":"yes"}',
    '{"kind":"react","num":1,"mine":true}',
    '{"kind":"edit","num":1,"mine":true,"emoji":[]}',
    '{"num":1,"mine":true}',
    '{"kind":"steal","num":1,"mine":true}',
    '{"own":[1]}',
    `{"own":["${"x".repeat(65)}"]}`,
    '{"own":["1","2","3","4","5","6","7","8","9","10","11"]}',
    '{"edited":"now"}',
    '{"removed":false}',
    '{"constructor":1}',
    '{"other":1}',
  ];
  for (const json of bad) equal(noteOf(`roost:note ${json}`), null, json);
});

Deno.test("a recipient stores the message that is named by its own numbers, and nothing else", () => {
  const own = (told: number) => told + 100;
  const edit = takenExt(sentExt(editOf(12, "x").ext, 5), own);
  deepEqual(noteOf(edit), { kind: "edit", num: 7, mine: false, view: true });
  const reaction = takenExt(sentExt(reactionOf({ num: 12 }, []).ext, 5), own);
  deepEqual(noteOf(reaction), { kind: "react", num: 112, mine: true, view: true, emoji: [] });
  deepEqual(namedBy(noteOf(reaction)!, false), { num: 112, out: true });
  equal(takenExt(withNote({ removed: true, own: ["x"], ext: "mine" }), own), "mine");
  equal(takenExt(withNote({ kind: "past" }), own), "");
  equal(changeOf(takenExt(removalOf(1).ext, own))?.kind, "remove");
});

Deno.test("what a node of the version before has stored is shown from the sender's side", () => {
  deepEqual(namedBy(noteOf(editOf(3, "x").ext)!, false), { num: 3, out: false });
  deepEqual(namedBy(noteOf(reactionOf({ num: 3 }, []).ext)!, false), { num: 3, out: true });
});

Deno.test("an export says of messages what an import needs", () => {
  const of = {
    seq: 5,
    at: 1,
    kind: "message",
    with: "bob" as AccountName,
    num: 2,
    id: "k",
  } as const;
  const exts = [
    "",
    "plain",
    withNote({ kind: "edit", num: 1, mine: true, view: true }),
    withNote({ kind: "react", num: 1, mine: false, view: true, emoji: ["\u{1f44d}"] }),
    withNote({ kind: "reply", num: 1, mine: false, view: true, ext: "e" }),
    withNote({ edited: 7, edit: 8, own: ["\u{1f44d}"], peer: ["\u{1f389}"], ext: "e" }),
  ];
  const events: MailboxEvent[] = exts.map((ext) => (
    { ...of, out: false, device: "", body: "text", ext }
  ));
  for (const note of [{ removed: true }, { kind: "past" }] as const) {
    events.push({ ...of, out: true, device: "d", body: "", ext: withNote(note) });
  }
  for (const event of events) {
    const item = ITEM_LINE.parse(JSON.parse(eventLine(event)));
    equal(item.kind, "event");
    if (item.kind !== "event") continue;
    const { ext, ...rest } = item.event as MailboxEvent & { readonly kind: "message" };
    const { ext: wanted, ...others } = event as typeof rest & { readonly ext: string };
    deepEqual(rest, others);
    deepEqual(noteOf(ext) ?? ext, noteOf(wanted) ?? wanted);
  }
});
