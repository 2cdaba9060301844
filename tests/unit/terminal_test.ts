import assert from "node:assert/strict";
import fc from "fast-check";
import { HiddenLine } from "../../server/system/terminal.ts";

const BACKSPACE = "\x7f";

/** Types a text, which must leave the line open. */
function typed(text: string): HiddenLine {
  const line = new HiddenLine();
  for (const byte of new TextEncoder().encode(text)) assert.equal(line.key(byte), "open");
  return line;
}

Deno.test("HiddenLine gives what was typed, in any alphabet", () => {
  fc.assert(fc.property(fc.string({ unit: "grapheme" }), (text) => {
    // deno-lint-ignore no-control-regex
    const printable = text.replace(/[\x00-\x1f\x7f]/g, "");
    assert.equal(typed(printable).text(), printable);
  }));
});

Deno.test("HiddenLine erases whole characters and whole lines", () => {
  assert.equal(typed(`pass${BACKSPACE}`).text(), "pas");
  assert.equal(typed(`a€😀${BACKSPACE}`).text(), "a€");
  assert.equal(typed(`a€😀${BACKSPACE}${BACKSPACE}`).text(), "a");
  assert.equal(typed(`a${BACKSPACE}${BACKSPACE}b`).text(), "b");
  assert.equal(typed("wrong\x15right").text(), "right");
});

Deno.test("HiddenLine ends with Enter and is given up with Ctrl-C or Ctrl-D", () => {
  assert.equal(typed("word").key(0x0d), "complete");
  assert.equal(typed("word").key(0x0a), "complete");
  assert.equal(typed("word").key(0x03), "given up");
  assert.equal(typed("word").key(0x04), "complete");
  assert.equal(typed("").key(0x04), "given up");
});
