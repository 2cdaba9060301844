/** A cell whose store has a copy in another cell: real servers. */
import assert from "node:assert/strict";
import { admin, StandbyCells } from "./standby_cells.ts";
import { until, untilIs } from "./until.ts";
import { Client } from "./client.ts";
import { movedTo, register, textsOf, write } from "./standby_talk.ts";
import { roost } from "./cli.ts";
import { ServerProcess, tempDir } from "./server.ts";

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** What a server counts of copies of the store of `a`. */
async function metricsOf(url: string): Promise<Readonly<Record<string, number>>> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Object.fromEntries(
    [...text.matchAll(/^roost_standby_(\w+)\{(?:node="[^"]*",)?cell="a"\} (\S+)$/gm)].map(
      ([, name, value]) => {
        return [name, Number(value)];
      },
    ),
  );
}

Deno.test("12.4: a standby takes over by itself; the returning machine is filled and gets its role back", async () => {
  using dir = tempDir();
  const cells = await StandbyCells.start(dir.path, { mode: "sync", automatic: true });
  try {
    const token = await register(cells.urlOf("a"), "alice");
    await register(cells.urlOf("a"), "bob");
    await write(cells.urlOf("a"), token, "before");
    // Workers write of themselves all the time.
    await untilIs(
      "nothing that the copy lacks",
      () => metricsOf(cells.urlOf("a")),
      ({ in_sync, lag_seconds, lag_writes }) =>
        in_sync === 1 && lag_seconds === 0 && lag_writes === 0,
    );
    // The copy reads of it a moment later.
    await untilIs(
      "the copy in sync",
      () => metricsOf(cells.urlOf("b")),
      ({ filled_bytes, in_sync, serves }) => filled_bytes! > 0 && in_sync === 1 && serves === 0,
    );
    await cells.server("a").kill();
    await cells.untilPromoted();
    const promoted = await movedTo(cells.urlOf("b"), token);
    assert.notEqual(promoted, cells.urlOf("a"));
    assert.equal((await metricsOf(cells.urlOf("b")))["serves"], 1);
    assert.equal((await metricsOf(promoted!))["in_sync"], 0);
    assert.deepEqual(await textsOf(promoted, token), ["before"]);
    await write(promoted, token, "meanwhile");
    // Its machine returns: it must not serve, although it was the primary.
    const returned = cells.begin("a");
    await cells.untilInSync(cells.promotedDir);
    await write(promoted, token, "later");
    await admin(cells.dataDir("b"), "POST", "/admin/standby/handback", { cell: "a" });
    await returned;
    // The process that has handed it over is linked for a moment more.
    const own = async () => await movedTo(cells.urlOf("b"), token) === cells.urlOf("a");
    await until("clients are sent to its own place", own);
    assert.deepEqual(await textsOf(cells.urlOf("a"), token), ["before", "meanwhile", "later"]);
    await cells.untilInSync();
    const [copy] = (await cells.copies("b")).copies;
    assert.deepEqual([copy?.serves, copy?.role], [false, "standby"]);
    // The process that has served it here has said that it stops.
    const states = async () => {
      type Seen = {
        readonly cells: readonly { cell: string; nodes: readonly { state: string }[] }[];
      };
      const seen = await admin<Seen>(cells.dataDir("w"), "GET", "/admin/cells");
      return seen.cells.find(({ cell }) => cell === "a")!.nodes.map(({ state }) => state);
    };
    await untilIs("no node of it that is unlinked", states, (all) => !all.includes("unlinked"));
    assert.ok((await states()).includes("left"));
  } finally {
    await cells.stop();
  }
});

Deno.test("12.4: without other voters an operator promotes the copy, and the old primary learns it", async () => {
  using dir = tempDir();
  const cells = await StandbyCells.start(dir.path, { mode: "async", automatic: false });
  try {
    const token = await register(cells.urlOf("a"), "alice");
    await register(cells.urlOf("a"), "bob");
    await write(cells.urlOf("a"), token, "before");
    await until("the copy", async () => {
      const { own } = await cells.copies("a");
      return own?.standbys[0]?.lagWrites === 0;
    });
    await cells.server("a").kill();
    // It lists the copy as in sync, but the only place that votes is gone.
    const promote = (force: boolean) =>
      admin(cells.dataDir("b"), "POST", "/admin/standby/promote", { cell: "a", force });
    await promote(true);
    await cells.untilPromoted();
    const promoted = await movedTo(cells.urlOf("b"), token);
    assert.deepEqual(await textsOf(promoted, token), ["before"]);
    await assert.rejects(promote(true), /served here already/);
    // One that waits has nothing to finish: the first signal ends it.
    let pid = 0;
    const ended = cells.begin("a", (own) => pid = own);
    await cells.untilInSync(cells.promotedDir);
    Deno.kill(pid, "SIGTERM");
    await assert.rejects(ended, /ended before it served/);
    await cells.untilInSync(cells.promotedDir, false);
    const returned = cells.begin("a");
    await cells.untilInSync(cells.promotedDir);
    await write(promoted, token, "meanwhile");
    await admin(cells.dataDir("b"), "POST", "/admin/standby/handback", { cell: "a" });
    await returned;
    assert.deepEqual(await textsOf(cells.urlOf("a"), token), ["before", "meanwhile"]);
    // A cell that stops lets what it serves for another one finish first.
    await cells.untilInSync();
    await cells.server("a").kill();
    await promote(true);
    await cells.untilPromoted();
    await movedTo(cells.urlOf("b"), token);
    const b = cells.server("b");
    assert.equal(await b.stop(), 0);
    assert.match(b.log, /another cell is not served any more.*code=0/);
  } finally {
    await cells.stop();
  }
});

Deno.test("12.4: async: what a lost primary had acknowledged alone is sent again once, and cursors end", async () => {
  using dir = tempDir();
  const cells = await StandbyCells.start(dir.path, { mode: "async", automatic: true });
  try {
    const token = await register(cells.urlOf("a"), "alice");
    await register(cells.urlOf("a"), "bob");
    await write(cells.urlOf("a"), token, "before");
    const before = await Client.connect(cells.server("a").wsUrl, { auth: { token } });
    await until(
      "the copy",
      async () => (await cells.copies("a")).own?.standbys[0]?.lagWrites === 0,
    );
    // What is on its way to a process that lives arrives there: both are lost.
    await cells.server("b").kill();
    await write(cells.urlOf("a"), token, "alone");
    await cells.server("a").kill();
    await cells.begin("b");
    await cells.untilPromoted();
    const promoted = await movedTo(cells.urlOf("b"), token);
    assert.deepEqual(await textsOf(promoted, token), ["before"]);
    // Another event has the place of one that this client may know.
    await write(promoted, token, "meanwhile");
    const wsUrl = `${promoted.replace("http", "ws")}/v1/ws`;
    const after = await Client.connect(wsUrl, { auth: { token } });
    const mailboxOf = ({ welcome }: Client) => String(welcome["cursor"]).split(":")[0];
    assert.notEqual(mailboxOf(after), mailboxOf(before));
    await after.close();
    cells.begin("a").catch(() => {});
    const texts = ["before", "meanwhile", "alone"];
    await until("what is sent again", async () => {
      return (await textsOf(promoted, token)).length === texts.length;
    });
    await write(promoted, token, "alone");
    assert.deepEqual(await textsOf(promoted, token), texts, "its key is known");
    await until("the end of it", () => !exists(`${cells.dataDir("a")}/standby/a.unreplicated`));
  } finally {
    await cells.stop();
  }
});

Deno.test("12: standby.at with a name that no cell has is shown", async () => {
  using dir = tempDir();
  const secret = `${dir.path}/secret`;
  Deno.writeTextFileSync(secret, "a secret of a federation, which has no other use\n", {
    mode: 0o600,
  });
  const flags = [
    ...["--cells-name", "a", "--cells-secret-file", secret, "--cells-listen", "127.0.0.1:0"],
    ...["--cells-join", "127.0.0.1:1", "--set", "standby.at=nowhere"],
  ];
  const server = await ServerProcess.start({ dataDir: `${dir.path}/a`, flags });
  try {
    assert.equal((await metricsOf(server.url))["known"], 0);
    const { code, err, out } = await roost(["cells", "--data", server.dataDir]);
    assert.equal(code, 0, err);
    assert.match(out, /^a +primary .* nowhere +no such cell is known/m);
  } finally {
    await server.stop();
  }
});
