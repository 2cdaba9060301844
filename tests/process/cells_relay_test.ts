/** Clients of one cell that another one passes on, each a real server. */
import assert from "node:assert/strict";
import { createClient } from "../../server/web/client.js";
import { Client, rest } from "./client.ts";
import { type ServerProcess, tempDir } from "./server.ts";
import { TwoCells } from "./two_cells.ts";
import { until } from "./until.ts";

const ACCOUNT = { user: "bob", password: "correct horse battery" };

/** Bob, whose home is another cell, signs in at `a` over both transports of the library. */
async function byLibrary(a: ServerProcess): Promise<void> {
  for (const onlyTransport of ["ws", "poll"] as const) {
    const library = createClient({ url: a.url, onlyTransport, device: onlyTransport });
    const texts: string[] = [];
    library.on("message", ({ body }) => texts.push(body));
    try {
      assert.equal((await library.signIn(ACCOUNT)).status, "online");
      await library.send("bob", `by ${onlyTransport}`);
      await until("the note", () => texts.includes(`by ${onlyTransport}`));
      const { events } = await library.history("bob");
      assert.ok(events.length > 0);
    } finally {
      library.close();
    }
  }
}

/** An event stream of Bob's at `a` brings what he sends there. */
async function byStream(a: ServerProcess, token: string): Promise<void> {
  const headers = { authorization: `Bearer ${token}`, accept: "text/event-stream" };
  const controller = new AbortController();
  const response = await fetch(`${a.url}/v1/events`, { headers, signal: controller.signal });
  assert.equal(response.headers.get("content-type"), "text/event-stream; charset=utf-8");
  let text = "";
  const read = (async () => {
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) text += chunk;
  })().catch(() => {});
  await until("the welcome", () => text.includes("event: welcome"));
  await rest(a.url, "POST", "/v1/messages", {
    token,
    body: { to: "bob", body: "streamed" },
    key: "stream-1",
  });
  await until("the event", () => text.includes("streamed"));
  controller.abort();
  await read;
}

Deno.test("12: clients at another cell are passed on by all transports, where that is set", async () => {
  using dir = tempDir();
  const cells = await TwoCells.start(dir.path, ["--set", "cells.relay=true"]);
  const { a, b } = cells;
  await rest(b.url, "POST", "/v1/register", { body: ACCOUNT });
  await byLibrary(a);
  const { token } = await rest<{ token: string }>(a.url, "POST", "/v1/auth/password", {
    body: { ...ACCOUNT, device: "early" },
  });
  await byStream(a, token);
  // The addresses of the home are none of a client's that may not reach it.
  const ws = await Client.connect(a.wsUrl, { auth: { token }, device: "early" });
  assert.deepEqual(ws.welcome["servers"] ?? [], []);
  const wrong = await fetch(`${a.url}/v1/auth/password`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ ...ACCOUNT, password: "something else" }),
  });
  assert.equal(wrong.status, 401);
  await wrong.body?.cancel();
  const metrics = await (await fetch(`${a.url}/metrics`)).text();
  assert.match(metrics, /roost_cells_relayed\{cell="b"\} [1-9]/);
  await b.kill();
  await ws.closed;
  const away = await fetch(`${a.url}/v1/devices`, {
    headers: { authorization: `Bearer ${token}` },
  });
  assert.equal(away.status, 503);
  await away.body?.cancel();
  const again = await cells.restart();
  await until("the home again", async () => {
    const headers = { authorization: `Bearer ${token}` };
    const response = await fetch(`${a.url}/v1/devices`, { headers });
    await response.body?.cancel();
    return response.ok;
  });
  await Promise.all([a.stop(), again.stop()]);
});
