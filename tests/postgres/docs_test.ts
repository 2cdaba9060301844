/**
 * The documents' commands for one machine with workers and for three nodes over PostgreSQL with a
 * standby, run as they are written (issue 11). Each machine is a mount namespace with directories of
 * its own, and all are in one network namespace with the addresses of the documents.
 */
import assert from "node:assert/strict";
import { type Block, blocksOf, commandsOf, missing } from "../process/document.ts";
import { tempDir } from "../process/server.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
const DOCUMENT = "server/peer/README.md";
/** What a machine has for itself. */
const OWN = ["/srv", "/etc/postgresql", "/var/lib/postgresql", "/run/postgresql"];
const NODES = [1, 2, 3];

/** Why nothing is run here; null where it is. */
function obstacle(): string | null {
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) return "it takes Linux and root";
  const lacks = missing(["unshare", "nsenter", "ip", "curl", "pg_createcluster"]);
  if (lacks !== null) return `there is no ${lacks}`;
  const { success } = new Deno.Command("unshare", {
    args: ["--net", "--mount", "--pid", "--fork", "true"],
    stderr: "null",
  }).outputSync();
  return success ? null : "namespaces are not allowed";
}

const reason = obstacle();
if (reason !== null) {
  // deno-lint-ignore no-console -- a test that is not run says why
  console.log(`The documents' commands for a cell are not run here: ${reason}.`);
}

/** Shell functions that stand for machines, and for the program. */
const PRELUDE = `
set -euo pipefail
ip link set lo up
for last in 1 2 3 11 12; do ip addr add 10.0.0.$last/32 dev lo; done
mkdir -p "$WORK/bin"
printf '#!/bin/sh\\nexec "%s" run -A --no-check --quiet "%s/main.ts" "$@"\\n' "$DENO" "$SOURCE" \\
  > "$WORK/bin/roost"
chmod +x "$WORK/bin/roost"
export PATH="$WORK/bin:$PATH"
declare -A machines
machine() {
  unshare --mount sh -c '
    for own in ${OWN.join(" ")}; do mkdir -p $own && mount -t tmpfs tmpfs $own; done
    chown postgres /etc/postgresql /var/lib/postgresql /run/postgresql 2>/dev/null
    touch /srv/ready
    exec sleep 1000' &
  machines[$1]=$!
  until on $1 test -e /srv/ready 2>/dev/null; do sleep 0.05; done
}
on() { local pid=\${machines[$1]}; shift; (cd /; exec nsenter --mount --target "$pid" "$@"); }
lines() { on "$1" bash -euo pipefail "$WORK/$2"; }
until_ok() { for i in $(seq 300); do if "$@"; then return 0; fi; sleep 0.1; done; return 1; }
ready() { until_ok curl -fsS -o /dev/null "http://$1/readyz"; }
`;

/** Runs a script in new namespaces; all that it has started ends with it. */
async function runScript(dir: string, script: string): Promise<string> {
  Deno.writeTextFileSync(`${dir}/script`, PRELUDE + script);
  const { code, stderr, stdout } = await new Deno.Command("unshare", {
    args: [
      ...["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"],
      ...["bash", `${dir}/script`],
    ],
    env: { WORK: dir, SOURCE: ROOT, DENO: Deno.execPath(), NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  const logs = code === 0
    ? ""
    : [...Deno.readDirSync(dir)].filter(({ name }) => name.endsWith(".log")).map(({ name }) =>
      `\n${name}: ${Deno.readTextFileSync(`${dir}/${name}`)}`
    ).join("");
  assert.equal(code, 0, `${out}\n${err}${logs}`);
  return out!;
}

const INSTALLED = `pg_createcluster 15 main --port 5432
echo "listen_addresses = ''" > /etc/postgresql/15/main/conf.d/installed.conf
pg_ctlcluster 15 main start`;

/**
 * The package is installed already: in a new machine, what its installation does besides. The two
 * machines share loopback, so that both servers cannot listen there.
 */
function installed(text: string): string {
  const commands = commandsOf(text);
  return commands.map((line) => line.startsWith("apt-get install") ? INSTALLED : line).join("\n") +
    "\n";
}

/** Blocks by what stands behind their backticks, in the order of the document. */
function named(blocks: readonly Block[], name: string): readonly string[] {
  const texts = blocks.filter(({ info }) => info === `sh ${name}`).map(({ text }) => text);
  assert.ok(texts.length > 0, `${DOCUMENT} has no block "${name}"`);
  return texts;
}

Deno.test({
  name: "11: the documents' commands for workers run as they are written",
  ignore: reason !== null,
  fn: async () => {
    using dir = tempDir();
    const [start] = blocksOf(DOCUMENT, "## One machine, several workers");
    Deno.writeTextFileSync(`${dir.path}/start`, start!.text);
    const out = await runScript(
      dir.path,
      `
machine vm
lines vm start > "$WORK/start.log" 2>&1 &
ready 127.0.0.1:8420
on vm roost user add ann --no-password --data /srv/roost > /dev/null
on vm roost cluster status --json --data /srv/roost
`,
    );
    const nodes = JSON.parse(out) as readonly { readonly shards: readonly number[] }[];
    assert.equal(nodes.length, Math.max(1, navigator.hardwareConcurrency), out);
  },
});

Deno.test({
  name: "11: the documents' commands for three nodes, PostgreSQL and a standby run as written",
  ignore: reason !== null,
  fn: async () => {
    using dir = tempDir();
    const blocks = blocksOf(DOCUMENT, "## Run three nodes");
    const [[both], primary, standby, [node], [nodes]] = [
      "both",
      "primary",
      "standby",
      "node",
      "nodes",
    ]
      .map((name) => named(blocks, name)) as [string[], string[], string[], string[], string[]];
    const files: Record<string, string> = {
      both: installed(both!),
      primary: primary[0]!,
      synchronous: primary[1]!,
      standby: standby[0]!,
      promote: standby[1]!,
      node: node!,
    };
    for (const n of NODES) files[`node${n}`] = nodes!.replaceAll("10.0.0.1:", `10.0.0.${n}:`);
    for (const [name, text] of Object.entries(files)) {
      Deno.writeTextFileSync(`${dir.path}/${name}`, text);
    }
    const out = await runScript(
      dir.path,
      `
machine db1
machine db2
{
  lines db1 both; lines db1 primary
  lines db2 both; lines db2 standby
  lines db1 synchronous
  for n in ${NODES.join(" ")}; do machine $n; done
  lines 1 node
} > "$WORK/setup.log" 2>&1
for n in 2 3; do for file in roost.secret roost.store; do
  on 1 cat /srv/$file | on $n sh -c "umask 077; cat > /srv/$file"
done; done
for n in ${NODES.join(" ")}; do lines $n node$n > "$WORK/node$n.log" 2>&1 & done
for n in ${NODES.join(" ")}; do ready 10.0.0.$n:8420; done
on 2 roost user add ann --no-password --data /srv/roost > /dev/null
linked() { [ "$(on 3 roost cluster status --json --data /srv/roost | grep -o '"linked"' | wc -l)" = 2 ]; }
until_ok linked
kill -9 $(on db1 head -1 /var/lib/postgresql/15/main/postmaster.pid)
lines db2 promote >> "$WORK/setup.log" 2>&1
until_ok on 3 roost user add bob --no-password --data /srv/roost > "$WORK/bob.log" 2>&1
on 1 roost user list --json --data /srv/roost
`,
    );
    const users = JSON.stringify(JSON.parse(out));
    assert.ok(users.includes('"ann"') && users.includes('"bob"'), users);
    const log = Deno.readTextFileSync(`${dir.path}/node1.log`);
    assert.match(log, /store opened.*synchronousStandbys"?[:=] ?1/, log);
  },
});
