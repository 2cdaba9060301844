import assert from "node:assert/strict";
import type { Store } from "../../server/node/ports.ts";
import { openKvStore } from "../../server/store/kv_store.ts";
import { commandOf, start } from "./child_process.ts";

/** Runs a shell script with a command line behind it (`"$@"`), and reads its one line of JSON. */
async function shell(
  script: string,
  wrapper: readonly string[],
  command: readonly string[],
): Promise<Record<string, unknown> | string> {
  const child = start([...wrapper, "sh", "-c", script, "sh", ...command]);
  const line = await child.nextLine();
  const { code, signal } = await child.ended();
  if (line === null) return `it ended with ${signal ?? code} and said nothing`;
  return JSON.parse(line);
}

/** Why a private file system of a few MiB cannot be mounted here, or null where it can. */
function mountProblem(): string | null {
  if (Deno.build.os !== "linux") return `there is no tmpfs on ${Deno.build.os}`;
  try {
    const { success, stderr } = new Deno.Command("unshare", {
      args: ["--mount", "--map-root-user", "mount", "-t", "tmpfs", "tmpfs", "/mnt"],
      stdin: "null",
    }).outputSync();
    return success ? null : new TextDecoder().decode(stderr).trim();
  } catch (error) {
    return String(error);
  }
}

const problem = mountProblem();
if (problem !== null) {
  // deno-lint-ignore no-console -- a test that is not run says why
  console.log(`kv_store on a full tmpfs is not tested here: ${problem}`);
}

Deno.test({
  name: "kv_store answers full on a full disk, reads on, and recovers with the space",
  ignore: problem !== null,
  fn: async () => {
    const dir = Deno.makeTempDirSync();
    // The mount is gone with the last process that sees it.
    const seen = await shell(
      `mount -t tmpfs -o size=3m tmpfs "${dir}" && exec "$@"`,
      ["unshare", "--mount", "--map-root-user"],
      commandOf("kv_fill.ts", dir, "free"),
    );
    assert.ok(typeof seen === "object", String(seen));
    const { acked, kinds, atFull, recovered, opened, atEnd } = seen;
    assert.ok(Number(acked) > 5, `only ${acked} writes fitted`);
    assert.deepEqual(kinds, ["full", "full", "full"]);
    assert.equal(atFull, acked);
    assert.equal(recovered, "ok");
    assert.equal(opened, "refused, then opened");
    assert.equal(atEnd, Number(acked) + 1);
    Deno.removeSync(dir, { recursive: true });
  },
});

Deno.test({
  name: "kv_store answers unknown when the disk refuses, keeps what was acked, and recovers",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const dir = Deno.makeTempDirSync();
    // A file may grow to 700 × 512 bytes (dash) or 1,024 (bash); beyond, EFBIG instead of a signal.
    const seen = await shell(
      `trap '' XFSZ; ulimit -f 700; exec "$@"`,
      [],
      commandOf("kv_fill.ts", dir),
    );
    assert.ok(typeof seen === "object", String(seen));
    const { acked, kinds, atFull } = seen;
    assert.ok(Number(acked) > 1, `only ${acked} writes fitted`);
    assert.deepEqual(kinds, ["unknown", "unknown", "unknown"]);
    assert.equal(atFull, acked);
    const store: Store = await openKvStore(`${dir}/kv.sqlite3`);
    const error = await new Promise((resolve) =>
      store.write([{ kind: "set", key: ["row", 999], value: new Uint8Array(60_000) }], resolve)
    );
    assert.equal(error, null);
    const rows = await new Promise<number>((resolve) =>
      store.list({ prefix: ["row"], after: null, limit: 500 }, (_, rows) => resolve(rows.length))
    );
    // A write of unknown outcome may have returned, unless the one above took its place.
    assert.equal(rows, Number(acked) + 1);
    await new Promise<void>((resolve) => store.close(resolve));
    Deno.removeSync(dir, { recursive: true });
  },
});
