/** What a release has: archives, the Debian package, the bill of materials, alerts, the dashboard. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { gunzipSync, gzipSync } from "node:zlib";
import { EXIT } from "../../server/cli/host.ts";
import { envName, KNOB_TABLE } from "../../server/config/config.ts";
import { VERSION } from "../../server/config/version.ts";
import {
  archiveFiles,
  compileArgs,
  debianPackage,
  DEPLOYED,
  TARGETS,
  type Texts,
} from "../../server/ops/package/artefacts.ts";
import { NPM_NAME, npmFiles } from "../../server/ops/package/npm.ts";
import { deb, type Gzip } from "../../server/ops/package/deb.ts";
import { grafanaDashboard } from "../../server/ops/package/grafana.ts";
import { type Lock, sbom } from "../../server/ops/package/sbom.ts";
import { type Entry, tar, textEntry, withDirectories } from "../../server/ops/package/tar.ts";
import { SERIES, type Series, SUPERVISOR_SERIES } from "../../server/ops/series_table.ts";
import { ROOT } from "./tidy_source.ts";

const read = (path: string) => Deno.readTextFileSync(`${ROOT}${path}`);
const own = (path: string) => read(`server/ops/package/${path}`);
const { tasks } = JSON.parse(read("deno.json")) as { tasks: Record<string, string> };
const gzip: Gzip = (bytes) => Promise.resolve(gzipSync(bytes));
const md5 = (bytes: Uint8Array) => createHash("md5").update(bytes).digest("hex");
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

const TEXTS: Texts = {
  version: "1.2.3",
  license: read("LICENSE"),
  readme: "# Roost\n",
  changelog: "# Changelog\n",
  program: { words: [], doc: "Serves.", usage: "", options: [], commands: [], notes: "" },
  own,
};
const AMD64 = TARGETS[0]!;
const BINARY = new TextEncoder().encode("the binary");

/** The members of an ar archive. */
function unar(bytes: Uint8Array): ReadonlyMap<string, Uint8Array> {
  assert.equal(text(bytes.subarray(0, 8)), "!<arch>\n");
  const members = new Map<string, Uint8Array>();
  for (let at = 8; at < bytes.length;) {
    const head = text(bytes.subarray(at, at + 60));
    assert.match(head, /^.{16}0 {11}0 {5}0 {5}100644 {2}[\d ]{10}`\n$/);
    const size = Number(head.slice(48, 58));
    members.set(head.slice(0, 16).trimEnd(), bytes.subarray(at + 60, at + 60 + size));
    at += 60 + size + size % 2;
  }
  return members;
}

/** The entries of an archive, each header checked. */
function untar(bytes: Uint8Array): readonly Entry[] {
  const entries: Entry[] = [];
  for (let at = 0; bytes[at] !== 0;) {
    const head = bytes.subarray(at, at + 512);
    const field = (from: number, to: number) =>
      text(head.subarray(from, to)).replace(/\0.*$/s, "").trim();
    const blank = new Uint8Array(head).fill(0x20, 148, 156);
    assert.equal(parseInt(field(148, 156), 8), blank.reduce((sum, byte) => sum + byte, 0));
    assert.deepEqual([field(257, 263), field(108, 116), field(136, 148)], [
      "ustar",
      "0000000",
      "00000000000",
    ]);
    const size = parseInt(field(124, 136), 8);
    const path = [field(345, 500), field(0, 100)].filter((part) => part !== "").join("/");
    assert.equal(field(156, 157), path.endsWith("/") ? "5" : "0", path);
    const content = bytes.subarray(at + 512, at + 512 + size);
    entries.push({ path, mode: parseInt(field(100, 108), 8), bytes: content });
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return entries;
}

Deno.test("tar archives files with their directories before them, and long paths", () => {
  const long = `${"directory/".repeat(12)}file`;
  const archived = untar(
    tar(withDirectories([textEntry("b/c", "12"), textEntry(long, "3", 0o755)])),
  );
  assert.deepEqual(
    archived.filter(({ path }) => !path.endsWith("/")).map(({ path, mode, bytes }) => [
      path,
      mode,
      text(bytes),
    ]),
    [["b/c", 0o644, "12"], [long, 0o755, "3"]],
  );
  assert.deepEqual(archived.slice(0, 2).map(({ path }) => path), ["b/", "b/c"]);
  assert.throws(() => tar([textEntry("x".repeat(101), "")]), /too long/);
});

async function built(): Promise<Uint8Array> {
  return await deb({ ...await debianPackage(AMD64, BINARY, TEXTS, gzip), md5 }, gzip);
}

Deno.test("deb makes a Debian package, twice the same bytes", async () => {
  const bytes = await built();
  assert.deepEqual(await built(), bytes);
  const members = unar(bytes);
  assert.deepEqual([...members.keys()], ["debian-binary", "control.tar.gz", "data.tar.gz"]);
  assert.equal(text(members.get("debian-binary")!), "2.0\n");
  const files = (name: string) =>
    new Map(untar(gunzipSync(members.get(name)!)).map((entry) => [entry.path, entry]));
  const [control, data] = [files("control.tar.gz"), files("data.tar.gz")];
  const controlText = text(control.get("./control")!.bytes);
  assert.match(controlText, /^Package: roost\nVersion: 1\.2\.3\nArchitecture: amd64\n/);
  for (const line of controlText.trimEnd().split("\n")) {
    assert.match(line, /^( \S|[A-Z][\w-]*: \S)/);
  }
  for (const script of ["postinst", "prerm", "postrm"]) {
    assert.equal(control.get(`./${script}`)!.mode, 0o755);
  }
  assert.equal(text(control.get("./conffiles")!.bytes), "/etc/roost/roost.toml\n");
  assert.deepEqual([data.get("./usr/bin/roost")!.mode, data.get("./usr/bin/roost")!.bytes.length], [
    0o755,
    BINARY.length,
  ]);
  const sums = text(control.get("./md5sums")!.bytes).trimEnd().split("\n")
    .map((line) => line.split("  "));
  const paths = [...data.keys()].filter((path) => !path.endsWith("/"));
  assert.deepEqual(sums.map(([, path]) => `./${path}`).sort(), paths.sort());
  for (const [sum, path] of sums) assert.equal(md5(data.get(`./${path}`)!.bytes), sum);
});

Deno.test("the archive of each target has the binary, the manual and the completions", () => {
  for (const target of TARGETS) {
    const root = `roost-1.2.3-${target.name}`;
    const paths = archiveFiles(target, BINARY, TEXTS).map(({ path }) => path);
    for (const file of [target.binary, "LICENSE", "README.md", "roost.1", "completions/_roost"]) {
      assert.ok(paths.includes(`${root}/${file}`), file);
    }
  }
});

Deno.test("the npm package has every file that its manifest and its modules name", () => {
  const web = (path: string) => read(`server/web/${path}`);
  const sources = { version: "1.2.3", license: TEXTS.license, readme: own("npm/README.md"), web };
  const files = new Map(npmFiles(sources).map(({ path, bytes }) => [path, text(bytes)]));
  const manifest = JSON.parse(files.get("package/package.json")!);
  assert.deepEqual([manifest.name, manifest.version], [NPM_NAME, "1.2.3"]);
  const named = Object.values(manifest.exports as Record<string, string | object>)
    .flatMap((entry) => typeof entry === "string" ? entry : Object.values(entry));
  for (const path of named) assert.ok(files.has(`package/${path.slice(2)}`), path);
  for (const [path, module] of files) {
    if (!/\.(js|d\.ts)$/.test(path)) continue;
    for (const [, spec] of module.matchAll(/^(?:import|\} from).*"([^"]+)";$/gm)) {
      const found = spec === "react" ||
        files.has(new URL(spec!, `file:///${path}`).pathname.slice(1));
      assert.ok(found, `${path}: ${spec}`);
    }
  }
});

Deno.test("compileArgs are those of the task compile, for a target and its permissions", () => {
  const own = tasks["compile"]!.split(" ");
  const added = (name: string) => {
    const target = TARGETS.find((one) => one.name === name)!;
    const args = compileArgs(tasks["compile"]!, target, "/out/roost");
    assert.deepEqual([args[0], args.at(-1), args.includes("dist/roost")], [
      "compile",
      "main.ts",
      false,
    ]);
    return args.filter((arg) => !own.includes(arg));
  };
  assert.deepEqual(
    added("linux-arm64"),
    ["--target", "aarch64-unknown-linux-gnu", "/out/roost"],
  );
  assert.deepEqual(added("darwin-arm64"), [
    ...["--target", "aarch64-apple-darwin"],
    ...["net", "read", "write", "env", "sys", "run"].map((name) => `--allow-${name}`),
    "/out/roost",
  ]);
  const args = compileArgs(tasks["compile"]!, TARGETS.at(-1)!, "/out/roost");
  assert.ok(!args.includes("-A") && args.includes("--no-prompt"));
  assert.throws(() => compileArgs("deno run main.ts", AMD64, "x"), /does not compile/);
});

Deno.test("sbom names what the program needs, with hashes, and nothing of the tests", () => {
  const lock: Lock = JSON.parse(read("deno.lock"));
  const made = { version: "1.2.3", imported: new Set(["pg", "@hono/node-server"]), runtime: {} };
  const document = JSON.parse(sbom(lock, made));
  assert.equal(sbom(lock, made), sbom(lock, made));
  assert.deepEqual([document.bomFormat, document.specVersion], ["CycloneDX", "1.5"]);
  const components: { purl: string; hashes: { alg: string; content: string }[] }[] =
    document.components;
  const purls = components.map(({ purl }) => purl);
  for (const name of ["%40hono/node-server", "hono", "pg", "pg-protocol", "pg-pool"]) {
    assert.ok(purls.some((purl) => purl.startsWith(`pkg:npm/${name}@`)), name);
  }
  assert.deepEqual(purls.filter((purl) => /fast-check|axe-core|_/.test(purl)), []);
  for (const { hashes: [hash] } of components) {
    assert.deepEqual([hash!.alg, hash!.content.length], ["SHA-512", 128]);
  }
  const refs = new Set(["pkg:generic/roost@1.2.3", ...purls]);
  const named: { ref: string; dependsOn: string[] }[] = document.dependencies;
  assert.deepEqual(named.map(({ ref }) => ref).filter((ref) => !refs.has(ref)), []);
  assert.deepEqual(named.flatMap((each) => each.dependsOn).filter((ref) => !refs.has(ref)), []);
});

/** Names of all samples, with the labels that they have besides those of the scrape. */
function exported(table: readonly Series[]): ReadonlyMap<string, readonly string[]> {
  return new Map(
    table.flatMap(({ name, kind, labels = [] }) =>
      kind === "histogram"
        ? [[`${name}_bucket`, ["le"]], [`${name}_sum`, []], [`${name}_count`, []]] as const
        : [[name, labels]] as const
    ),
  );
}

const EXPORTED = exported([...SERIES, ...SUPERVISOR_SERIES]);
const SCRAPED = ["instance", "job"];

/** What is wrong with the names of metrics and labels in an expression. */
function faults(expr: string): readonly string[] {
  const names = [...expr.matchAll(/\b(?:roost|process)_\w+/g)].map(([name]) => name);
  const known = [...SCRAPED, ...names.flatMap((name) => EXPORTED.get(name) ?? [])];
  const labels = [
    ...[...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list]) => list!.split(/, */)),
    ...[...expr.matchAll(/[{,](\w+)=/g)].map((m) => m[1]!),
  ];
  return [
    ...names.filter((name) => !EXPORTED.has(name)),
    ...labels.filter((label) => !known.includes(label)),
  ];
}

/** Labels that the samples of an expression have. */
function labelsOf(expr: string): readonly string[] {
  const by = /\bby \(([^)]*)\)/.exec(expr);
  if (by !== null) return by[1]!.split(/, */);
  const names = [...expr.matchAll(/\b(?:roost|process)_\w+/g)].map(([name]) => name);
  return [...SCRAPED, ...names.flatMap((name) => EXPORTED.get(name) ?? [])];
}

Deno.test("alerts and dashboard use metrics and labels that the server exports", () => {
  const rules = own("prometheus/roost.rules.yaml").replaceAll(/>-\n\s+/g, "")
    .replaceAll(/,\n\s+/g, ", ");
  const alerts = [...rules.matchAll(/^ +expr: (.*)$/gm)].map((m) => m[1]!);
  const { panels }: { panels: { targets: { expr: string; legendFormat: string }[] }[] } = JSON
    .parse(grafanaDashboard());
  const targets = panels.flatMap((panel) => panel.targets);
  assert.ok(alerts.length > 10 && targets.length > 20, `${alerts.length}, ${targets.length}`);
  const exprs = [...alerts, ...targets.map(({ expr }) => expr)];
  assert.deepEqual(exprs.flatMap(faults), []);
  for (const { expr, legendFormat } of targets) {
    for (const [, label] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) {
      assert.ok(expr.includes(label!), `${legendFormat} of ${expr}`);
    }
  }
  for (const alert of rules.split(/^ +- alert: /m).slice(1)) {
    const [, expr] = /^ +expr: (.*)$/m.exec(alert)!;
    const labels = [...alert.matchAll(/\$labels\.(\w+)/g)].map((m) => m[1]!);
    assert.deepEqual(labels.filter((label) => !labelsOf(expr!).includes(label)), [], alert);
  }
  assert.deepEqual(faults("rate(roost_lost_total[5m])"), ["roost_lost_total"]);
  assert.deepEqual(faults("sum by (colour) (roost_ready)"), ["colour"]);
});

Deno.test("what is deployed exists and names settings and metrics that exist", () => {
  const settings = new Set([...KNOB_TABLE.keys()].map(envName));
  for (const path of Object.keys(DEPLOYED)) {
    const named = [...own(path).matchAll(/\bROOST_[A-Z_]+\b/g)].map(([name]) => name);
    const other = ["ROOST_DATA", "ROOST_CONFIG", "ROOST_DOMAIN"];
    const unknown = named.filter((name) => !settings.has(name) && !other.includes(name));
    assert.deepEqual(unknown, [], path);
  }
  const keys = own("debian/roost.toml").matchAll(/^(?:# )?(\w+) = /gm);
  for (const [, key] of keys) assert.ok(KNOB_TABLE.has(`server.${key!}`), key!);
});

Deno.test("what is deployed and documented names this version", () => {
  const pages = ["README.md", "server/ops/README.md", "server/web/README.md"].map(read);
  const texts = [...Object.keys(DEPLOYED).map(own), ...pages];
  const named = texts.flatMap((text) =>
    [...text.matchAll(/\broost(?:-client)?(?:_|-|:)(\d+\.\d+\.\d+)/g)].map((m) => m[1]!)
  );
  assert.ok(named.length >= 4, `${named.length}`);
  assert.deepEqual(named.filter((version) => version !== VERSION), []);
});

Deno.test("the unit leaves a node that has left its cell, and starts one that lost its role", () => {
  const unit = own("debian/roost.service");
  // A clean exit code; see server/start.ts for the other.
  assert.match(unit, /^Restart=on-failure$/m);
  assert.doesNotMatch(unit, /^(SuccessExitStatus|RestartPreventExitStatus)=.*\b75\b/m);
  assert.match(unit, new RegExp(`^RestartPreventExitStatus=${EXIT.usage}$`, "m"));
});

Deno.test("the unit runs nothing that a small Debian lacks", () => {
  const programs = [...own("debian/roost.service").matchAll(/^Exec\w+=(\S+)/gm)].map((m) => m[1]);
  assert.deepEqual(programs, ["/usr/bin/roost", "/bin/sh"]);
});

Deno.test("the unit lets V8 write code, and has the time that a drain takes", () => {
  const unit = own("debian/roost.service");
  assert.doesNotMatch(unit, /^MemoryDenyWriteExecute=(yes|true)/m);
  assert.match(unit, /^Type=notify$/m);
  assert.match(unit, /^StateDirectory=roost$/m);
  const [, drainMs] = /^TimeoutStopSec=(\d+)min$/m.exec(unit)!;
  assert.ok(Number(drainMs) * 60_000 > Number(KNOB_TABLE.get("timeouts.drainMs")!.default));
});
