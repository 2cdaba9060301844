/** A cell of several workers whose store has a copy in another one of several: real servers. */
import assert from "node:assert/strict";
import { admin, StandbyCells } from "./standby_cells.ts";
import { movedTo, register, textsOf, write } from "./standby_talk.ts";
import { tempDir } from "./server.ts";
import { until } from "./until.ts";

/** Shorter than the lease that workers have by their beats in the store (ms). */
const TAKEOVER_MS = 1500;
const LOOKS = 50;
const LOOK_MS = 40;

const closed = async ({ body }: Response) => {
  await body?.cancel();
  return false;
};

Deno.test("12.4: a machine of workers is lost, is served by its standby, returns, and gets its role back", async () => {
  using dir = tempDir();
  const cells = await StandbyCells.start(dir.path, {
    ...{ mode: "sync", automatic: true },
    workers: { a: 2, b: 2 },
  });
  try {
    const token = await register(cells.urlOf("a"), "alice");
    await register(cells.urlOf("a"), "bob");
    await write(cells.urlOf("a"), token, "before");
    const { own } = await cells.copies("a");
    assert.deepEqual([own?.role, own?.standbys[0]?.state], ["primary", "in sync"]);
    await cells.lose("a");
    await cells.untilPromoted();
    const promoted = await movedTo(cells.urlOf("b"), token);
    assert.deepEqual(await textsOf(promoted, token), ["before"]);
    await write(promoted, token, "meanwhile");
    const returned = cells.begin("a");
    await cells.untilInSync(cells.promotedDir);
    await write(promoted, token, "later");
    await admin(cells.dataDir("b"), "POST", "/admin/standby/handback", { cell: "a" });
    await returned;
    const ownPlace = async () => await movedTo(cells.urlOf("b"), token) === cells.urlOf("a");
    await until("clients are sent to its own place", ownPlace);
    assert.deepEqual(await textsOf(cells.urlOf("a"), token), ["before", "meanwhile", "later"]);
    await write(cells.urlOf("a"), token, "again");
    await cells.untilInSync();
    // A server that drains ends as ever, its workers first.
    assert.equal(await cells.server("a").stop(), 0);
  } finally {
    await cells.stop();
  }
});

Deno.test("12.4: workers whose supervisor is silent reply to nobody once the standby has taken over", async () => {
  using dir = tempDir();
  const flags = ["--set", `standby.takeoverMs=${TAKEOVER_MS}`];
  const cells = await StandbyCells.start(dir.path, {
    ...{ mode: "sync", automatic: true },
    workers: { a: 2 },
    flags,
  });
  const { pid, ended, url } = cells.server("a");
  try {
    const token = await register(url, "alice");
    await register(url, "bob");
    await write(url, token, "before");
    const headers = { authorization: `Bearer ${token}` };
    const devices = async () => {
      const signal = AbortSignal.timeout(LOOK_MS * 10);
      const response = await fetch(`${url}/v1/devices`, { headers, signal }).catch(() => null);
      await response?.body?.cancel();
      return response?.status ?? null;
    };
    assert.equal(await devices(), 200);
    Deno.kill(pid, "SIGSTOP");
    await cells.untilPromoted();
    // The workers are linked with the other cell still.
    const promoted = await movedTo(cells.urlOf("b"), token, url);
    await write(promoted, token, "meanwhile");
    const seen: (number | null)[] = [];
    for (let look = 0; look < LOOKS; look++) {
      seen.push(await devices());
      await new Promise((done) => setTimeout(done, LOOK_MS));
    }
    assert.equal(seen.includes(200), false, seen.join());
    assert.equal(seen.includes(503), true, "they live");
    const ready = await fetch(`${url}/readyz`);
    assert.deepEqual(
      [ready.status, await ready.text()],
      [503, "another place may serve this cell"],
    );
    Deno.kill(pid, "SIGCONT");
    assert.equal((await ended as Deno.CommandStatus).code, 75);
    await until("nobody listens there", () => fetch(url).then(closed, () => true));
    assert.deepEqual(await textsOf(promoted, token), ["before", "meanwhile"]);
  } finally {
    await cells.stop();
  }
});
