import assert from "node:assert/strict";
import type { MailboxId } from "../../shard/name/ids.ts";
import { shownMailboxId } from "../../shard/mailbox/restored.ts";

const ID = "AZaz09-_AZaz09-_" as MailboxId;

Deno.test("shownMailboxId is the mailbox's own where the store was never restored", () => {
  assert.equal(shownMailboxId(ID, ""), ID);
});

Deno.test("shownMailboxId is another one for each restore, and still a mailbox's id", () => {
  const tags = ["AAAAAAAAAAAAAAAB", "_-90zaZA_-90zaZA", "QQQQQQQQQQQQQQQQ"];
  const shown = tags.map((tag) => shownMailboxId(ID, tag));
  for (const id of shown) assert.match(id, /^[A-Za-z0-9_-]{16}$/);
  assert.equal(new Set([ID, ...shown]).size, 4);
  // Different mailboxes stay different.
  const other = "AZaz09-_AZaz09-A" as MailboxId;
  for (const tag of tags) assert.notEqual(shownMailboxId(ID, tag), shownMailboxId(other, tag));
});
