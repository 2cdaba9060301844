import assert from "node:assert/strict";
import { readLines } from "../../server/system/text_file.ts";
import { tempDir } from "./server.ts";

async function linesOf(path: string): Promise<readonly string[]> {
  return await Array.fromAsync(readLines(path));
}

Deno.test("readLines gives the lines of a file, whatever it is read in", async () => {
  using dir = tempDir();
  const path = `${dir.path}/lines`;
  const lines = Array.from({ length: 3000 }, (_, i) => `${i} ${"é😀".repeat(i % 50)}`);
  Deno.writeTextFileSync(path, lines.join("\n"));
  assert.deepEqual(await linesOf(path), lines);
  Deno.writeTextFileSync(path, "one\n\ntwo\n");
  assert.deepEqual(await linesOf(path), ["one", "", "two"]);
});

Deno.test("readLines says which file it cannot read, and why", async () => {
  using dir = tempDir();
  await assert.rejects(
    linesOf(`${dir.path}/none`),
    /^Error: Cannot read \S+none: there is no such file$/,
  );
  await assert.rejects(linesOf(dir.path), /^Error: Cannot read \S+$/);
  const path = `${dir.path}/binary`;
  Deno.writeFileSync(path, new Uint8Array([65, 10, 0xff, 0xfe]));
  await assert.rejects(linesOf(path), /^Error: Cannot read \S+binary: it is not text in UTF-8$/);
  // Half of a character at the end.
  Deno.writeFileSync(path, new Uint8Array([65, 10, 0xc3]));
  await assert.rejects(linesOf(path), /it is not text in UTF-8$/);
});

Deno.test("readLines keeps no more than a line that is too long", async () => {
  using dir = tempDir();
  const path = `${dir.path}/long`;
  using file = Deno.openSync(path, { createNew: true, write: true });
  file.truncateSync(2 ** 33);
  await assert.rejects(linesOf(path), /a line is too long$/);
});
