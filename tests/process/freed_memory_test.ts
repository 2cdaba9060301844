import assert from "node:assert/strict";

const MODULE = new URL("../../server/system/freed_memory.ts", import.meta.url).href;

/** Frees 60 MB in blocks between used ones; prints the resident MB before and after `trim`. */
const CODE = `
import { systemMemoryGiver } from ${JSON.stringify(MODULE)};
const { collect, trim } = systemMemoryGiver();
if (trim === null) console.log("none", collect === null);
else {
  const rssMb = () => Deno.memoryUsage().rss / 2 ** 20;
  const blocks = Array.from({ length: 1024 }, () => new Uint8Array(65_536).fill(1));
  for (let i = 0; i < blocks.length; i++) if (i % 16 !== 0) blocks[i].buffer.transfer(0);
  const beforeMb = rssMb();
  trim();
  for (let tries = 0; tries < 200 && rssMb() > beforeMb - 40; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  console.log(Math.round(beforeMb - rssMb()), blocks[16].length);
}
`;

async function run(flags: readonly string[]): Promise<string> {
  const args = ["run", "--no-prompt", "--no-check", "--quiet", ...flags, "-"];
  const child = new Deno.Command(Deno.execPath(), { args, stdin: "piped", stdout: "piped" })
    .spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(CODE));
  await writer.close();
  return new TextDecoder().decode((await child.output()).stdout).trim();
}

Deno.test("trim gives back blocks that lie between used ones", async () => {
  const said = await run(["-A"]);
  // Another C library has no such function.
  if (Deno.build.os !== "linux" || said.startsWith("none")) return;
  const [givenMb, used] = said.split(" ").map(Number);
  assert.ok(givenMb! >= 40, `${givenMb} of 60 MB`);
  assert.equal(used, 65_536);
});

Deno.test("10.12: nothing native is called without the permission", async () => {
  assert.equal(await run(["--allow-read", "--allow-sys"]), "none true");
});

Deno.test("collect needs V8's flag", async () => {
  const flags = ["--allow-read", "--allow-sys", "--v8-flags=--expose-gc"];
  assert.equal(await run(flags), "none false");
});
