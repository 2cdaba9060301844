import assert from "node:assert/strict";
import { mutate } from "../mutants/main.ts";
import { MUTANTS } from "../mutants/mutants.ts";

Deno.test("every mutant applies to the code as it is, and has a name of its own", async () => {
  const names = new Set<string>();
  for (const mutant of MUTANTS) {
    assert.ok(!names.has(mutant.name), mutant.name);
    names.add(mutant.name);
    const text = await Deno.readTextFile(new URL(`../../${mutant.file}`, import.meta.url));
    assert.notEqual(mutate(text, mutant), text);
  }
});
