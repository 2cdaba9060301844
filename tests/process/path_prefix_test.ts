import assert from "node:assert/strict";
import { createClient } from "../../server/web/client.js";
import type { Transport } from "../../server/web/client.d.ts";
import { type PrefixProxy, startPrefixProxy } from "./prefix_proxy.ts";
import { ServerProcess, tempDir } from "./server.ts";

const PREFIX = "/a/roost";

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** Starts a server and a proxy that serves it below `PREFIX`; runs `test` with its address. */
async function below(
  strips: boolean,
  flags: (proxy: PrefixProxy) => readonly string[],
  test: (base: string, direct: string) => Promise<void>,
): Promise<void> {
  using dir = tempDir();
  const port = freePort();
  await using proxy = await startPrefixProxy({ prefix: PREFIX, strips, port: () => port });
  const server = await ServerProcess.start({
    dataDir: dir.path,
    flags: ["--bind", `127.0.0.1:${port}`, ...flags(proxy)],
  });
  try {
    await test(proxy.origin + PREFIX, `http://127.0.0.1:${port}`);
    assert.deepEqual(proxy.strays, [], "nothing was asked for outside of the prefix");
  } finally {
    await server.stop();
  }
}

/** Loads the page as a browser would: it, and what it names. */
async function loadPage(address: string): Promise<void> {
  const page = await fetch(address);
  assert.equal(page.status, 200, address);
  const html = await page.text();
  const named = [...html.matchAll(/\b(?:src|href)="([^"#]+)"/g)].map((match) => match[1]!);
  assert.ok(named.length >= 4);
  for (const name of new Set(named)) {
    const response = await fetch(new URL(name, page.url));
    assert.equal(response.status, 200, `${address} loads ${name}`);
    await response.body?.cancel();
  }
}

/** Reads the documents from their redirect on. */
async function loadDocs(base: string): Promise<void> {
  const list = await fetch(`${base}/docs`);
  assert.deepEqual([list.status, list.url], [200, `${base}/docs/`]);
  await loadLinks(list.url, await list.text());
}

async function loadLinks(address: string, html: string): Promise<void> {
  for (const [, name] of html.matchAll(/\b(?:src|href)="([^"#:]+)"/g)) {
    const response = await fetch(new URL(name!, address));
    assert.equal(response.status, 200, `${address} links ${name}`);
    await response.body?.cancel();
  }
}

/** Two users talk by the library, which gets an address with a path. */
async function talk(base: string): Promise<void> {
  const by = (onlyTransport: Transport, url: string) =>
    createClient({ onlyTransport, timing: { ackMs: 20 }, url });
  const ann = by("ws", base);
  const bob = by("poll", `${base.replace(/^http/, "ws")}/`);
  try {
    await ann.register({ user: "ann", password: "correct horse" });
    await bob.register({ user: "bob", password: "battery staple" });
    await bob.setMessagesFrom("anyone");
    const got = new Promise<string>((done) => bob.on("message", ({ body }) => done(body)));
    await ann.send("bob", "Below a path");
    assert.equal(await got, "Below a path");
  } finally {
    ann.close();
    bob.close();
  }
}

Deno.test("a proxy that strips a path prefix: page, library, documents and sockets work (A19)", async () => {
  const flags = () => [
    "--set",
    "server.trustedProxies=127.0.0.0/8",
    "--set",
    "registration.mode=open",
  ];
  await below(true, flags, async (base, direct) => {
    for (const address of [`${base}/`, base, `${direct}/`]) await loadPage(address);
    await loadDocs(base);
    await talk(base);
  });
});

Deno.test("a proxy that keeps the path of server.publicUrl: all of it is served below (A19)", async () => {
  const flags = ({ origin }: PrefixProxy) => ["--set", `server.publicUrl=${origin}${PREFIX}`];
  await below(false, flags, async (base, direct) => {
    for (const address of [`${base}/`, base, `${direct}/`]) await loadPage(address);
    await loadDocs(base);
    const document = await (await fetch(`${base}/openapi.json`)).json();
    assert.deepEqual(document.servers, [{ url: base }]);
    await talk(base);
  });
});

Deno.test("X-Forwarded-Prefix of a proxy that is not trusted, and no plain path, are ignored (A19)", async () => {
  using dir = tempDir();
  const page = async (server: ServerProcess, prefix: string) =>
    await (await fetch(`${server.url}/`, { headers: { "x-forwarded-prefix": prefix } })).text();
  const open = await ServerProcess.start({ dataDir: dir.path });
  try {
    assert.doesNotMatch(await page(open, "/a"), /"\/a\//);
  } finally {
    await open.stop();
  }
  const flags = ["--set", "server.trustedProxies=127.0.0.0/8"];
  const trusting = await ServerProcess.start({ dataDir: dir.path, flags });
  try {
    assert.match(await page(trusting, "/a/"), /src="\/a\/chat\/main\.js\?v=/);
    for (const prefix of ["//evil.example", '/"><script>', "/a/../b", "a", "/a b"]) {
      assert.match(await page(trusting, prefix), /src="chat\/main\.js\?v=/, prefix);
    }
  } finally {
    await trusting.stop();
  }
});
