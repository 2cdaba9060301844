/** Cells that are real servers on one machine. */
import assert from "node:assert/strict";
import { roost } from "./cli.ts";
import { ServerProcess, tempDir } from "./server.ts";

/** On a machine that is busy with others. */
const LIMIT_MS = 60_000;

interface SeenNode {
  readonly id: string;
  readonly state: string;
  readonly rttMs: number | null;
  readonly fault: string | null;
}

interface Seen {
  readonly members: { readonly version: number };
  readonly self: { readonly cell: string; readonly address: string };
  readonly cells: readonly {
    readonly cell: string;
    readonly state: string;
    readonly nodes: readonly SeenNode[];
  }[];
  readonly unreached: readonly { readonly address: string; readonly fault: string }[];
  readonly others: readonly Pick<Seen, "cells">[];
}

/** A cell of a test: its directory, its server, and what it says of the others. */
class TestCell {
  readonly server: ServerProcess;

  private constructor(server: ServerProcess) {
    this.server = server;
  }

  static async start(dir: string, name: string, more: readonly string[]): Promise<TestCell> {
    const flags = ["--cells-name", name, "--cells-listen", "127.0.0.1:0", ...more];
    return new TestCell(await ServerProcess.start({ dataDir: `${dir}/${name}`, flags }));
  }

  async seen(): Promise<Seen> {
    const { out, err, code } = await roost(["cells", "--json", "--data", this.server.dataDir]);
    assert.equal(code, 0, err);
    return JSON.parse(out);
  }

  /** What it sees, once that satisfies `holds`. */
  async until(holds: (seen: Seen) => boolean): Promise<Seen> {
    for (const endMs = performance.now() + LIMIT_MS;;) {
      const seen = await this.seen();
      if (holds(seen)) return seen;
      assert.ok(performance.now() < endMs, `it takes too long: ${JSON.stringify(seen)}`);
      await new Promise((done) => setTimeout(done, 100));
    }
  }
}

function linked({ cells }: Pick<Seen, "cells">): string {
  return cells.filter(({ state }) => state === "linked").map(({ cell }) => cell).join();
}

function secretFile(dir: string, name: string): string {
  const path = `${dir}/${name}`;
  Deno.writeTextFileSync(path, `${name} of a federation, which has no other use\n`, {
    mode: 0o600,
  });
  return path;
}

/** The status of a registration that was decided: until all cells are members it is not. */
async function register({ url }: ServerProcess, user: string): Promise<number> {
  for (const endMs = performance.now() + LIMIT_MS;;) {
    const response = await fetch(`${url}/v1/register`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ user, password: "correct horse battery" }),
    });
    await response.body?.cancel();
    if (response.status !== 503 || performance.now() > endMs) return response.status;
    await new Promise((done) => setTimeout(done, 200));
  }
}

/** A name that one cell has given is not given by another one. */
async function oneNameSpace(...servers: readonly ServerProcess[]): Promise<void> {
  for (const [i, server] of servers.entries()) {
    assert.equal(await register(server, `user${i}`), 201);
    for (const other of servers) assert.equal(await register(other, `user${i}`), 409);
  }
}

Deno.test("12: three cells find each other, lose one, and have it back", async () => {
  using dir = tempDir();
  const secret = ["--cells-secret-file", secretFile(dir.path, "secret")];
  const a = await TestCell.start(dir.path, "a", secret);
  const { self: { address } } = await a.seen();
  const join = ["--cells-join", address, ...secret];
  const [b, c] = await Promise.all([
    TestCell.start(dir.path, "b", join),
    TestCell.start(dir.path, "c", [...join, "--workers", "2"]),
  ]);
  const seen = await b.until((s) => linked(s) === "a,c" && s.members.version === 3);
  assert.equal(seen.cells[1]!.nodes.length, 2);
  await a.until((s) => linked(s) === "b,c" && s.cells[1]!.nodes.every((n) => n.state === "linked"));
  await oneNameSpace(a.server, b.server, c.server);
  // Each worker is linked by itself.
  const workers = await c.until((s) =>
    linked(s) === "a,b" && s.others.every((o) => linked(o) === "a,b")
  );
  assert.equal(workers.others.length, 1);
  await a.until((s) => s.cells.every(({ nodes }) => nodes.every(({ rttMs }) => rttMs !== null)));
  const table = await roost(["cells", "--data", a.server.dataDir]);
  assert.match(
    table.out,
    /^cell +state .*\na +this +yes( +-){4} +1 +0 .*\nb +linked +yes +\d+\.\d .* 1\/1 .*\nc +linked .* 2\/2 /,
  );
  const metrics = await (await fetch(`${a.server.url}/metrics`)).text();
  assert.match(metrics, /roost_cells_links\{cell="c"\} 2\n/);
  await b.server.kill();
  await a.until((s) => linked(s) === "c");
  const again = await TestCell.start(dir.path, "b", join);
  await a.until((s) => linked(s) === "b,c");
  await c.until((s) => linked(s) === "a,b");
  assert.equal(await again.server.stop(), 0);
  await a.until((s) => s.cells[0]!.state === "left");
  await Promise.all([a.server.stop(), c.server.stop()]);
});

Deno.test("12: a cell with another secret or domain is refused, which both log once", async () => {
  using dir = tempDir();
  const secret = ["--cells-secret-file", secretFile(dir.path, "secret")];
  const a = await TestCell.start(dir.path, "a", secret);
  const { self: { address } } = await a.seen();
  const join = ["--cells-join", address];
  const other = ["--cells-secret-file", secretFile(dir.path, "other")];
  const [b, c] = await Promise.all([
    TestCell.start(dir.path, "b", [...join, ...other]),
    TestCell.start(dir.path, "c", [...join, ...secret, "--domain", "example.com"]),
  ]);
  const stranger = await b.until((s) => s.unreached.length > 0);
  assert.match(stranger.unreached[0]!.fault, /^(tls|ended): /);
  const foreign = await c.until((s) => s.unreached.some(({ fault }) => fault.startsWith("domain")));
  assert.match(foreign.unreached[0]!.fault, /^domain: its domain is localhost, not example.com/);
  const shown = await roost(["cells", "--data", c.server.dataDir]);
  assert.match(shown.err, /No node is reached at .*: domain: /);
  for (const { server } of [b, c]) {
    const lines = server.log.split("\n").filter((line) => line.includes("cell link refused"));
    const causes = lines.map((line) => /cause=(\w+)/.exec(line)?.[1]);
    assert.equal(new Set(causes).size, causes.length, lines.join("\n"));
  }
  assert.equal(linked(await a.seen()), "");
  await Promise.all([a, b, c].map(({ server }) => server.stop()));
});

Deno.test("12: two cells with users join once no name is taken twice", async () => {
  using dir = tempDir();
  const secret = ["--cells-secret-file", secretFile(dir.path, "secret")];
  const a = await TestCell.start(dir.path, "a", secret);
  const { self: { address } } = await a.seen();
  // B was a server of its own before.
  const b = await ServerProcess.start({ dataDir: `${dir.path}/b` });
  for (const user of ["bob", "twice"]) assert.equal(await register(b, user), 201);
  for (const user of ["alice", "twice"]) assert.equal(await register(a.server, user), 201);
  assert.equal(await b.stop(), 0);
  const again = await TestCell.start(dir.path, "b", ["--cells-join", address, ...secret]);
  await again.until((s) => linked(s) === "a");
  const at = ["--data", again.server.dataDir];
  const check = await roost(["cells", "check", ...at]);
  assert.deepEqual([check.code, check.out], [1, "twice is taken in a\nCompared 2 names with a\n"]);
  const refused = await roost(["cells", "join", ...at]);
  assert.match(refused.err, /1 names are taken in other cells as well, such as twice in a/);
  for (const step of [["remove", "--yes"], ["release"]]) {
    const { code, err } = await roost(["user", ...step, "twice", ...at]);
    assert.equal(code, 0, err);
  }
  const joined = await roost(["cells", "join", ...at]);
  assert.deepEqual([joined.code, joined.out], [0, "Members, version 2: a, b\n"]);
  await a.until((s) => s.members.version === 2);
  for (const user of ["alice", "bob", "twice"]) {
    for (const { server } of [a, again]) assert.equal(await register(server, user), 409, user);
  }
  await Promise.all([a, again].map(({ server }) => server.stop()));
  // Without the others no name is given.
  const zoe = await roost(
    ["user", "add", "zoe", "--password-stdin", ...at],
    "correct horse battery\n",
  );
  assert.match(zoe.err, /All cells decide on names together: start the server for that/);
  const alone = await roost(["start", "--bind", "127.0.0.1:0", ...at]);
  assert.match(alone.err, /Cannot start without cells.name: this cell is a member .* as b/);
});
