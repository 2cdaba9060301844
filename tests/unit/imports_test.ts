/** Holds what the project has decided about imports. Exemptions are here, with reasons. */
import assert from "node:assert/strict";
import {
  circularImports,
  importsOf,
  inDir,
  NOTHING,
  readSources,
  target,
  unexpected,
} from "./tidy_source.ts";

/** Who may import server/system/: those that wire a process together, and transports. */
const WIRING: ReadonlySet<string> = new Set([
  "main.ts",
  "server/ops/backup.ts",
  "server/ops/check.ts",
  "server/ops/repair.ts",
  "server/ops/store_copy.ts",
  "server/http/admission_control.ts",
  "server/config_files.ts",
  "server/front.ts",
  "server/front_abroad.ts",
  "server/front_sign_in.ts",
  "server/load/ports.ts",
  "server/open.ts",
  "server/open_acme.ts",
  "server/open_push.ts",
  "server/services.ts",
  "server/start.ts",
  "server/process_life.ts",
  "server/reload.ts",
  "server/launch.ts",
  "server/supervise.ts",
  "server/worker.ts",
  "server/worker_metrics.ts",
  "server/peer/place.ts",
  "server/store/kv_store.ts",
  "server/store/start_check.ts",
  "server/store/wal_file.ts",
  "server/store/pg_address.ts",
  "server/store/pg_lane.ts",
  "server/open_standby.ts",
  "server/own_role.ts",
  "server/open_station.ts",
  "server/open_store.ts",
  "server/open_links.ts",
  "server/peer/connection.ts",
  "server/peer/endpoint.ts",
]);

const IMPORTS = readSources().flatMap(importsOf);

Deno.test("tidy: imports lead from main.ts to server/ to shard/, and nothing to tests/", () => {
  const upwards = IMPORTS.filter((i) => {
    const to = target(i) ?? "";
    if (inDir("tests")(i)) return false;
    if (to.startsWith("tests/") || to === "main.ts") return true;
    return inDir("shard")(i) && !to.startsWith("shard/") && i.spec !== "bidi-js";
  });
  assert.deepEqual(upwards, []);
  const entries = IMPORTS.filter((i) => !i.type && target(i) === "main.ts");
  assert.deepEqual(entries, []);
});

/** Imports in circles of folders that stay. */
const CIRCLES: Readonly<Record<string, string>> = {
  "server/web -> server/web/client": "the library's entry exports what its modules have",
  "server/web/client -> server/web":
    "types only: the declarations are beside the entry, for clients",
};

Deno.test("tidy: folders do not import each other in a circle, not even types (issue 9 B7)", () => {
  const imports = IMPORTS.filter((i) => !inDir("tests")(i));
  assert.deepEqual(unexpected(circularImports(imports), CIRCLES), NOTHING);
  const circle = ["a/x.ts ../b/y.ts", "b/y.ts ../c/z.ts", "c/z.ts ../a/w.ts", "a/w.ts ../d/v.ts"]
    .map((line) => line.split(" "))
    .map(([path, spec]) => ({ path: path!, spec: spec!, type: true, late: false }));
  assert.deepEqual(circularImports(circle), ["a -> b", "b -> c", "c -> a"]);
});

/** Packages that are loaded with a module, but for those of its dynamic imports. */
function loadedWith(entry: string): ReadonlySet<string> {
  const seen = new Set([entry]);
  const packages = new Set<string>();
  for (const path of seen) {
    for (const i of IMPORTS.filter((each) => each.path === path && !each.type && !each.late)) {
      const to = target(i);
      to === null ? packages.add(i.spec) : seen.add(to);
    }
  }
  return packages;
}

Deno.test("tidy: a start loads only the packages that it needs (9 C)", () => {
  const excluded = {
    "main.ts": ["hdr-histogram-js", "hono", "pg", "prom-client", "ws"],
    "server/start.ts": ["commander", "hdr-histogram-js", "pg"],
    "server/supervise.ts": ["commander", "hdr-histogram-js", "marked", "pg"],
  };
  for (const [entry, packages] of Object.entries(excluded)) {
    const loaded = loadedWith(entry);
    assert.ok(loaded.size > 0, entry);
    assert.deepEqual(packages.filter((each) => loaded.has(each)), [], entry);
  }
});

Deno.test("tidy: only what wires a process together, and transports, use server/system/", () => {
  const users = IMPORTS.filter((i) =>
    !i.type && !inDir("tests")(i) && !inDir("server/system")(i) &&
    target(i)?.startsWith("server/system/")
  ).map(({ path }) => path);
  assert.deepEqual([...new Set(users)].sort(), [...WIRING].sort());
});
