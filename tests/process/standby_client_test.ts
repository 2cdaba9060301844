/** Clients of a cell whose machine dies find the standby that takes over, and return to the cell: 12. */
import assert from "node:assert/strict";
import { admin, StandbyCells } from "./standby_cells.ts";
import { createClient } from "../../server/web/client.js";
import { tempDir } from "./server.ts";
import { until, untilIs } from "./until.ts";

const PASSWORD = "correct horse battery";
/** As in a browser, but for how long it waits between two tries at most. */
const TIMING = { backoffCapMs: 1000 };

/** A client with the texts that it was shown. */
function person(url: string) {
  const client = createClient({ url, timing: TIMING });
  const texts: string[] = [];
  client.on("message", ({ body }) => void texts.push(body));
  return { client, texts };
}

/** What a server says to a page of `origin` that asks whether it may sign in. */
async function allows(url: string, origin: string): Promise<string | null> {
  const headers = { origin, "access-control-request-method": "POST" };
  const response = await fetch(`${url}/v1/sessions`, { method: "OPTIONS", headers });
  await response.body?.cancel();
  return response.headers.get("access-control-allow-origin");
}

Deno.test("12: clients of a cell that fails over follow by themselves, there and back, and lose nothing", async () => {
  using dir = tempDir();
  const cells = await StandbyCells.start(dir.path, { mode: "sync", automatic: true });
  const home = cells.urlOf("a");
  const [ann, bob] = [person(home), person(cells.urlOf("b"))];
  const written: string[] = [];
  const write = async (text: string) => {
    written.push(`ann: ${text}`, `bob: ${text}`);
    await Promise.all([
      ann.client.send("bob", `ann: ${text}`),
      bob.client.send("ann", `bob: ${text}`),
    ]);
    const arrived = (texts: readonly string[]) =>
      written.every((body) => texts.filter((t) => t === body).length === 1);
    await untilIs(`all of ${text}`, () => [ann.texts, bob.texts], (all) => all.every(arrived));
  };
  try {
    await ann.client.register({ user: "ann", password: PASSWORD });
    await bob.client.register({ user: "bob", password: PASSWORD });
    for (const { client } of [ann, bob]) await client.setMessagesFrom("anyone");
    await write("before");
    const page = await fetch(`${home}/`);
    await page.body?.cancel();
    // The address of the standby's process is not known before it serves.
    assert.match(String(page.headers.get("content-security-policy")), / http:\/\/127\.0\.0\.1:\* /);
    await cells.server("a").kill();
    const takeover = cells.untilPromoted();
    await write("while the machine is gone");
    await takeover;
    const moved = await fetch(`${cells.urlOf("b")}/v1/auth/password`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ user: "ann", password: PASSWORD }),
    });
    const { code, servers } = await moved.json();
    assert.equal(code, "moved");
    // Pages that the lost machine has served are open still.
    for (const url of [servers[0], cells.urlOf("b")]) assert.equal(await allows(url, home), home);
    assert.equal(await allows(cells.urlOf("b"), "https://elsewhere.test"), null);
    const returned = cells.begin("a");
    await cells.untilInSync(cells.promotedDir);
    await admin(cells.dataDir("b"), "POST", "/admin/standby/handback", { cell: "a" });
    await returned;
    await write("after the return");
    await until("ann at home", () => ann.client.state.status === "online");
  } finally {
    for (const { client } of [ann, bob]) client.close();
    await cells.stop();
  }
});
