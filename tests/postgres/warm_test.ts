/** What a store in PostgreSQL has ready before it is needed. Needs Debian's postgresql-15. */
import assert from "node:assert/strict";
import { openPgStore } from "../../server/store/pg_open.ts";
import { parsePgAddress } from "../../server/config/pg_url.ts";
import { startCluster } from "./cluster.ts";
import { systemTimers } from "../../server/system/timers.ts";

/** Sessions of the store, and how many of them have run a statement with this text. */
const SESSIONS = "SELECT count(*) FILTER (WHERE query LIKE '%roost_%') || ' of ' || count(*) " +
  "FROM pg_stat_activity WHERE application_name = 'roost' AND state = 'idle'";

Deno.test("11.6: a store that was warmed has all connections, and each has run what it will run", async () => {
  const cluster = startCluster(["fsync = off"]);
  try {
    const address = parsePgAddress(await cluster.database("warm"))!;
    const { store } = await openPgStore({ address, rootCert: null, timers: systemTimers() });
    store.warm();
    let found = "";
    for (let tries = 0; tries < 1000 && found !== "6 of 6"; tries++) {
      [found = ""] = await cluster.sql(SESSIONS, "warm");
    }
    assert.equal(found, "6 of 6");
    const held = await new Promise((done) => store.holders((error, all) => done([error, all])));
    assert.deepEqual(held, [null, []]);
    await new Promise<void>((done) => store.close(done));
  } finally {
    cluster.stop();
  }
});
