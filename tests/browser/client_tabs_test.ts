/** Tabs of a real browser share one client of the library (A22). */
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { createClient } from "../../server/web/client.js";
import { findChromium, startBrowser } from "../prove/browser.ts";
import { rest } from "../process/client.ts";
import { ServerProcess, tempDir } from "../process/server.ts";

const chromium = findChromium();
if (chromium === null) {
  // deno-lint-ignore no-console -- a test that is not run says why
  console.log("Tabs are not tested here, for there is no Chromium.");
}

/** Runs code in a page; `client` is the tab's client, `bodies` what it has shown. */
function run<T>(page: Page, code: string): Promise<T> {
  return page.evaluate(`(async () => { ${code} })()`) as Promise<T>;
}

const OPEN = `
  const { createClient } = await import(location.origin + "/client.js");
  const options = { storage: localStorage, storageKey: "tabs", share: true };
  globalThis.client = createClient(options);
  globalThis.bodies = [];
  client.on("message", ({ body }) => bodies.push(body));
  client.on("snapshot", ({ reset }) => reset && bodies.push("reset"));
`;
const ANN = '{ user: "ann", password: "correct horse" }';
/** Resolves when a condition holds; the client's events are when it can. */
const until = (condition: string) => `
  await new Promise((resolve) => {
    const look = () => (${condition}) && resolve();
    for (const event of ["message", "status", "snapshot"]) client.on(event, () => queueMicrotask(look));
    look();
  });
`;

Deno.test({
  name: "tabs of a browser share one device, and another takes over when the first closes (A22)",
  ignore: chromium === null,
  fn: async () => {
    using dir = tempDir();
    const server = await ServerProcess.start({ dataDir: dir.path });
    const browser = await startBrowser(chromium!);
    try {
      const context = await browser.newContext();
      const account = { user: "ann", password: "correct horse", device: "other" };
      const { token } = await rest<{ token: string }>(server.url, "POST", "/v1/register", {
        body: account,
      });
      const note = (body: string) =>
        rest(server.url, "POST", "/v1/messages", { token, key: body, body: { to: "ann", body } });
      const [first, second] = [await context.newPage(), await context.newPage()];
      for (const page of [first, second]) await page.goto(server.url);
      await run(first, `${OPEN} await client.signIn(${ANN});`);
      await run(second, `${OPEN} await client.signIn();`);
      assert.equal(
        await run(second, "return (await client.devices()).filter((d) => d.online).length"),
        1,
      );
      await note("one");
      for (const page of [first, second]) await run(page, until('bodies.includes("one")'));
      await first.close();
      await run(second, 'await client.send("ann", "two");');
      await note("three");
      await run(second, until('bodies.includes("three")'));
      const bodies = await run<string[]>(second, "return bodies");
      assert.deepEqual([...new Set(bodies)], ["one", "two", "three"]);
      assert.equal((await run<{ status: string }>(second, "return client.state")).status, "online");
      assert.equal(
        await run(second, "return (await client.devices()).filter((d) => d.online).length"),
        1,
      );
    } finally {
      await browser.close();
      await server.stop();
    }
  },
});

for (const events of [true, false]) {
  Deno.test({
    name: `a tab takes over from a frozen one ${
      events ? "that gets the event" : "by a missed heartbeat"
    }, and nothing is sent twice when it thaws (9.5)`,
    ignore: chromium === null,
    fn: async () => {
      using dir = tempDir();
      const server = await ServerProcess.start({ dataDir: dir.path });
      const browser = await startBrowser(chromium!);
      try {
        const { token } = await rest<{ token: string }>(server.url, "POST", "/v1/register", {
          body: { user: "ann", password: "correct horse", device: "other" },
        });
        const context = await browser.newContext();
        const pages = [await context.newPage(), await context.newPage(), await context.newPage()];
        for (const page of pages) await page.goto(server.url);
        const [first, second, third] = pages as [Page, Page, Page];
        await run(first, `${OPEN} await client.signIn(${ANN});`);
        for (const page of [second, third]) await run(page, `${OPEN} await client.signIn();`);
        await run(first, 'await client.send("ann", "before");');
        await run(third, until('bodies.includes("before")'));
        // Page.setWebLifecycleState freezes hidden pages only, and headless ones never are: the
        // debugger stops all tasks of the page instead.
        const control = await context.newCDPSession(first);
        await control.send("Debugger.enable");
        if (events) await run(first, 'document.dispatchEvent(new Event("freeze"))');
        await control.send("Debugger.pause");
        await run(second, 'await client.send("ann", "meanwhile");');
        await run(third, until('bodies.includes("meanwhile")'));
        await control.send("Debugger.resume");
        if (events) await run(first, 'document.dispatchEvent(new Event("resume"))');
        await run(first, 'await client.send("ann", "afterwards");');
        for (const page of pages) await run(page, until('bodies.includes("afterwards")'));
        for (const page of pages) {
          const [status, ...bodies] = await run<string[]>(
            page,
            "return [client.state.status, ...bodies]",
          );
          assert.equal(status, "online");
          // The browser drops what is said to a page that the debugger holds: then the client says so.
          if (page === first) bodies[1] = bodies[1]!.replace("reset", "meanwhile");
          assert.deepEqual(bodies, ["before", "meanwhile", "afterwards"]);
        }
        const { events: history } = await rest<{ events: { body: string }[] }>(
          server.url,
          "GET",
          "/v1/conversations/ann/messages",
          { token },
        );
        const wanted = ["before", "meanwhile", "afterwards"];
        assert.deepEqual(history.map(({ body }) => body), wanted);
      } finally {
        await browser.close();
        await server.stop();
      }
    },
  });
}

Deno.test({
  name: "the chat offers to end another session, where the account has as many as it may (A11)",
  ignore: chromium === null,
  fn: async () => {
    using dir = tempDir();
    const flags = ["--set", "limits.sessionsPerAccountMax=1"];
    const server = await ServerProcess.start({ dataDir: dir.path, flags });
    const browser = await startBrowser(chromium!);
    const other = createClient({ url: server.url, device: "desk", label: "Ann's desk" });
    try {
      await other.register({ user: "ann", password: "correct horse" });
      const page = await (await browser.newContext()).newPage();
      await page.goto(server.url);
      await page.getByRole("textbox", { name: "Name" }).fill("ann");
      await page.locator("#sign-in").getByLabel("Password", { exact: true }).fill("correct horse");
      await page.getByRole("button", { name: "Sign in", exact: true }).click();
      await page.getByRole("button", { name: "End the one on Ann's desk" }).click();
      await page.getByRole("button", { name: "Add a contact" }).waitFor();
    } finally {
      other.close();
      await browser.close();
      await server.stop();
    }
  },
});
