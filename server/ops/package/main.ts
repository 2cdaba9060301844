/**
 * `deno task release`: builds into `dist/` what a release has. Targets whose runtime cannot be had
 * here are left out, which is said; a target that was asked for fails instead.
 */
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { parseArgs } from "node:util";
import { buildProgram } from "../../cli/cli.ts";
import { commandTable } from "../../cli/command_table.ts";
import type { CliHost } from "../../cli/host.ts";
import { VERSION } from "../../config/version.ts";
import { addLoadCommand } from "../../load/command.ts";
import {
  archiveFiles,
  compileArgs,
  debianPackage,
  DEPLOYED,
  type Target,
  TARGETS,
  type Texts,
} from "./artefacts.ts";
import { deb, type Gzip } from "./deb.ts";
import { grafanaDashboard } from "./grafana.ts";
import { NPM_NAME, npmFiles } from "./npm.ts";
import { type Lock, sbom } from "./sbom.ts";
import { tar, withDirectories } from "./tar.ts";

const ROOT = new URL("../../../", import.meta.url).pathname;
const HELP = `deno task release [--out DIR] [--target NAME]... [--binary NAME=FILE]... [--npm]

  --out     where to write (dist)
  --target  only this platform: ${TARGETS.map(({ name }) => name).join(", ")}
  --binary  a binary that exists, in the place of compiling one for that platform
  --npm     only the client library
`;

const read = (path: string) => Deno.readTextFileSync(`${ROOT}${path}`);
// No name and no time is in it: the same bytes for the same content.
const gzip: Gzip = (bytes) => Promise.resolve(new Uint8Array(gzipSync(bytes, { level: 6 })));
const digest = (algorithm: string, bytes: Uint8Array) =>
  createHash(algorithm).update(bytes).digest("hex");

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

/** What is written, and its sums. */
class Output {
  readonly #sums = new Map<string, string>();

  constructor(readonly dir: string) {}

  write(path: string, bytes: Uint8Array, mode = 0o644): void {
    const to = `${this.dir}/${path}`;
    Deno.mkdirSync(to.slice(0, to.lastIndexOf("/")), { recursive: true });
    Deno.writeFileSync(to, bytes);
    if (Deno.build.os !== "windows") Deno.chmodSync(to, mode);
    this.#sums.set(path, digest("sha256", bytes));
    say(`${path}  ${bytes.length} bytes`);
  }

  text(path: string, text: string): void {
    this.write(path, new TextEncoder().encode(text));
  }

  /** Writes the sums of all, as sha256sum --check reads them. */
  finish(): void {
    const lines = [...this.#sums].sort().map(([path, sum]) => `${sum}  ${path}\n`);
    Deno.writeTextFileSync(`${this.dir}/SHA256SUMS`, lines.join(""));
    say("SHA256SUMS");
  }
}

/** Packages that the program itself imports, by name. */
function importedPackages(): ReadonlySet<string> {
  const { imports }: { imports: Readonly<Record<string, string>> } = JSON.parse(read("deno.json"));
  const names = Object.keys(imports).map((name) => name.replace(/\/$/, ""));
  const found = new Set<string>();
  const look = (path: string) => {
    const text = read(path);
    for (const name of names) {
      if (text.includes(`"${name}"`) || text.includes(`"${name}/`)) found.add(name);
    }
  };
  const lookIn = (dir: string) => {
    for (const { name, isDirectory } of Deno.readDirSync(`${ROOT}${dir}`)) {
      if (isDirectory) lookIn(`${dir}/${name}`);
      else if (name.endsWith(".ts")) look(`${dir}/${name}`);
    }
  };
  look("main.ts");
  for (const dir of ["server", "shard"]) lookIn(dir);
  return found;
}

/** Compiles for a target; the reason where that fails. */
async function compile(target: Target, output: string): Promise<string | null> {
  const { tasks: { compile: task } } = JSON.parse(read("deno.json"));
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...compileArgs(task, target, output)],
    cwd: ROOT,
    // The compiler recurses deeply over large packages.
    env: { RUST_MIN_STACK: "67108864" },
    stdout: "null",
    stderr: "piped",
  }).output();
  if (success) return null;
  const lines = new TextDecoder().decode(stderr).trim().split("\n");
  return lines.map((line) => line.trim()).filter((line) => line !== "").join("; ");
}

/** The binary of a target: the one that is given, or compiled. */
async function binaryOf(
  target: Target,
  given: ReadonlyMap<string, string>,
): Promise<Uint8Array | string> {
  const path = given.get(target.name);
  if (path !== undefined) return Deno.readFileSync(path);
  const dir = Deno.makeTempDirSync();
  try {
    // deno compile adds .exe where that is missing.
    const fault = await compile(target, `${dir}/${target.binary}`);
    return fault ?? Deno.readFileSync(`${dir}/${target.binary}`);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}

async function writeTarget(out: Output, target: Target, binary: Uint8Array, texts: Texts) {
  const suffix = target.binary.endsWith(".exe") ? ".exe" : "";
  out.write(`roost-${target.name}${suffix}`, binary, 0o755);
  const archive = tar(withDirectories(archiveFiles(target, binary, texts)));
  out.write(`roost-${VERSION}-${target.name}.tar.gz`, await gzip(archive));
  if (target.debian === null) return;
  const made = await debianPackage(target, binary, texts, gzip);
  const md5 = (bytes: Uint8Array) => digest("md5", bytes);
  out.write(`roost_${VERSION}_${target.debian}.deb`, await deb({ ...made, md5 }, gzip));
}

function readTexts(): Texts {
  // Nothing of the host is used before a command runs.
  const program = buildProgram({} as CliHost, () => {}, [addLoadCommand]);
  return {
    version: VERSION,
    license: read("LICENSE"),
    readme: read("README.md"),
    changelog: read("server/CHANGELOG.md"),
    program: commandTable(program),
    own: (path) => read(`server/ops/package/${path}`),
  };
}

/** The client library: as a directory, and as the archive that `npm pack` would make of it. */
async function writeNpm(out: Output, { version, license, own }: Texts): Promise<void> {
  const web = (path: string) => read(`server/web/${path}`);
  const files = npmFiles({ version, license, readme: own("npm/README.md"), web });
  for (const { path, bytes } of files) {
    out.write(`npm/${NPM_NAME}/${path.replace(/^package\//, "")}`, bytes);
  }
  out.write(`npm/${NPM_NAME}-${version}.tgz`, await gzip(tar(files)));
}

function writeShared(out: Output, texts: Texts, compiled: boolean): void {
  const lock: Lock = JSON.parse(read("deno.lock"));
  // A binary that was given may have another runtime: none is named then.
  const { deno, v8 } = Deno.version;
  const runtime: Record<string, string> = compiled ? { deno, v8 } : {};
  out.text(
    `roost-${VERSION}.cdx.json`,
    sbom(lock, { version: VERSION, imported: importedPackages(), runtime }),
  );
  for (const [from, to] of Object.entries(DEPLOYED)) out.text(to, texts.own(from));
  out.text("grafana/roost.json", grafanaDashboard());
}

/**
 * Writes what there is for each target; `named`: those that were asked for, all where none was. Returns
 * whether all that were asked for, or any, could be made.
 */
async function writeTargets(
  out: Output,
  texts: Texts,
  named: readonly string[],
  given: ReadonlyMap<string, string>,
): Promise<boolean> {
  let made = 0;
  let failed = 0;
  for (const target of TARGETS) {
    if (named.length > 0 && !named.includes(target.name)) continue;
    const binary = await binaryOf(target, given);
    if (typeof binary === "string") {
      failed++;
      say(`LEFT OUT ${target.name}: ${binary}`);
      continue;
    }
    made++;
    await writeTarget(out, target, binary, texts);
  }
  return made > 0 && (named.length === 0 || failed === 0);
}

async function main(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      out: { type: "string", default: `${ROOT}dist` },
      target: { type: "string", multiple: true, default: [] },
      binary: { type: "string", multiple: true, default: [] },
      npm: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    say(HELP);
    return 0;
  }
  const given = new Map(values.binary.map((text) => {
    const at = text.indexOf("=");
    return [text.slice(0, at), text.slice(at + 1)] as const;
  }));
  const named = [...values.target, ...given.keys()];
  const unknown = named.filter((name) => !TARGETS.some((target) => target.name === name));
  if (unknown.length > 0) {
    say(`There is no target ${unknown.join(", ")}\n${HELP}`);
    return 2;
  }
  const texts = readTexts();
  const out = new Output(values.out);
  if (values.npm) {
    await writeNpm(out, texts);
    out.finish();
    return 0;
  }
  const made = await writeTargets(out, texts, named, given);
  writeShared(out, texts, given.size === 0);
  await writeNpm(out, texts);
  out.finish();
  return made ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
