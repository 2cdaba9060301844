/** What the chat decides about alerts, its icon and its keys. */
import assert from "node:assert/strict";
import { choiceIn } from "../../server/web/chat/alert_choice.js";
import { badgeText } from "../../server/web/chat/badge.js";
import { actionOf, SHORTCUTS } from "../../server/web/chat/shortcuts.js";
import { t as en } from "../../server/web/chat/texts/en.js";

Deno.test("choiceIn: a sound and no notifications, until somebody decides", () => {
  const first = { notify: false, sound: true };
  for (const stored of [null, "", "{", "null", "7", '"x"', "[]", '{"notify":"yes","sound":"no"}']) {
    assert.deepEqual(choiceIn(stored), first, String(stored));
  }
  assert.deepEqual(choiceIn('{"notify":true,"sound":false}'), { notify: true, sound: false });
});

Deno.test("badgeText: has room for two digits", () => {
  const texts = [-1, 0, 1, 99, 100, 12_345].map(badgeText);
  assert.deepEqual(texts, ["", "", "1", "99", "99+", "99+"]);
});

const PLAIN = { altKey: false, ctrlKey: false, metaKey: false };
const OUTSIDE = { inField: false, apple: false, single: true };

Deno.test("actionOf: single keys work outside of fields, and only while they are on", () => {
  for (const { action, keys, single } of SHORTCUTS) {
    if (!single) continue;
    const pressed = { ...PLAIN, key: keys[0]! };
    assert.equal(actionOf(pressed, OUTSIDE), action);
    assert.equal(actionOf(pressed, { ...OUTSIDE, inField: true }), null);
    assert.equal(actionOf(pressed, { ...OUTSIDE, single: false }), null);
    for (const modifier of ["altKey", "ctrlKey", "metaKey"]) {
      assert.equal(actionOf({ ...pressed, [modifier]: true }, OUTSIDE), null);
    }
  }
  // With caps lock.
  assert.equal(actionOf({ ...PLAIN, key: "L" }, OUTSIDE), "list");
  assert.equal(actionOf({ ...PLAIN, key: "x" }, OUTSIDE), null);
});

Deno.test("actionOf: Alt and an arrow lead to the next conversation, but not within fields of Apple's", () => {
  const down = { ...PLAIN, altKey: true, key: "ArrowDown" };
  assert.equal(actionOf(down, OUTSIDE), "next");
  assert.equal(actionOf({ ...down, key: "ArrowUp" }, { ...OUTSIDE, inField: true }), "previous");
  assert.equal(actionOf(down, { ...OUTSIDE, single: false }), "next");
  assert.equal(actionOf(down, { ...OUTSIDE, inField: true, apple: true }), null);
  assert.equal(actionOf(down, { ...OUTSIDE, apple: true }), "next");
  // Screen readers of Apple's take Control, Alt and an arrow.
  assert.equal(actionOf({ ...down, ctrlKey: true }, OUTSIDE), null);
  assert.equal(actionOf({ ...down, altKey: false }, OUTSIDE), null);
});

Deno.test("SHORTCUTS: no key has two meanings, and the sheet names all", () => {
  const keys = SHORTCUTS.map(({ keys }) => keys.join("+"));
  assert.equal(new Set(keys).size, keys.length);
  for (const { action } of SHORTCUTS) assert.notEqual(en.keys[action], "");
});
