import assert from "node:assert/strict";
import { createClient } from "../../server/web/client.js";
import { chat, CHAT_FLAGS } from "../prove/client_chat.ts";
import { clientLibrary } from "../../server/web/assets.ts";
import { next, talk } from "./library_talk.ts";
import { rest } from "./client.ts";
import { Prng } from "../sim/prng.ts";
import { ServerProcess, tempDir } from "./server.ts";

for (const transport of ["ws", "poll"] as const) {
  Deno.test(`the client library does everything over ${transport}`, async () => {
    using dir = tempDir();
    const server = await ServerProcess.start({ dataDir: dir.path });
    try {
      await talk(server.url, transport);
    } finally {
      await server.stop();
    }
  });
}

for (const onlyTransport of ["ws", "poll"] as const) {
  Deno.test(`a session over the limit is refused at once, and can end another, over ${onlyTransport} (A11)`, async () => {
    using dir = tempDir();
    const flags = ["--set", "limits.sessionsPerAccountMax=2"];
    const server = await ServerProcess.start({ dataDir: dir.path, flags });
    const account = { user: "ann", password: "correct horse" };
    const make = (device: string) => createClient({ url: server.url, onlyTransport, device });
    const [first, second, third] = [make("one"), make("two"), make("three")];
    try {
      await first.register(account);
      await second.signIn(account);
      await assert.rejects(third.signIn(account), { code: "limit_reached" });
      assert.equal(third.state.status, "stopped");
      const online = (await third.devices()).filter((device) => device.online);
      assert.deepEqual(online.map(({ device }) => device).sort(), ["one", "two"]);
      const stopped = next(first, "status", ({ status }) => status === "stopped");
      assert.equal((await third.signIn(undefined, { end: "one" })).status, "online");
      // It returns by itself, and learns that there is no room.
      assert.equal((await stopped).reason, "limit_reached");
      await third.revoke("two");
      assert.equal((await first.signIn()).status, "online");
    } finally {
      for (const client of [first, second, third]) client.close();
      await server.stop();
    }
  });
}

Deno.test("an event stream over the limit of sessions is refused, and can end another (A11)", async () => {
  using dir = tempDir();
  const flags = ["--set", "limits.sessionsPerAccountMax=1"];
  const server = await ServerProcess.start({ dataDir: dir.path, flags });
  const account = { user: "ann", password: "correct horse" };
  const first = createClient({ url: server.url, device: "one" });
  try {
    await first.register(account);
    const body = { ...account, device: "two" };
    const { token } = await rest(server.url, "POST", "/v1/auth/password", { body });
    for (const accept of ["application/json", "text/event-stream"]) {
      const headers = { authorization: `Bearer ${token}`, accept };
      const refused = await fetch(`${server.url}/v1/events?wait=0`, { headers });
      assert.deepEqual([refused.status, (await refused.json()).code], [422, "limit_reached"]);
    }
    const headers = { authorization: `Bearer ${token}`, accept: "text/event-stream" };
    const opened = await fetch(`${server.url}/v1/events?end=one`, { headers });
    assert.equal(opened.status, 200);
    await opened.body?.cancel();
  } finally {
    first.close();
    await server.stop();
  }
});

Deno.test("the client library loses and doubles nothing over a network with faults", async () => {
  using dir = tempDir();
  const server = await ServerProcess.start({ dataDir: dir.path, flags: CHAT_FLAGS });
  try {
    const { faults, figures } = await chat({
      server: server.url,
      people: ["ann", "bob"],
      messages: 200,
      transport: "both",
      restarts: 1,
      meanMs: 80,
      stallMs: 200,
      prng: new Prng(4),
      withinMs: 60_000,
    });
    assert.deepEqual(faults, []);
    assert.ok(Number(figures["cut"]) > 0, JSON.stringify(figures));
  } finally {
    await server.stop();
  }
});

Deno.test("the client library and its types are served to pages of every origin", async () => {
  using dir = tempDir();
  const server = await ServerProcess.start({ dataDir: dir.path });
  try {
    const types = { "client.js": "text/javascript", "client.d.ts": "application/typescript" };
    for (const [name, type] of Object.entries(types)) {
      const url = `${server.url}/${name}`;
      const response = await fetch(url, { headers: { origin: "https://example.com" } });
      const { headers } = response;
      const { bytes } = clientLibrary()[`/${name}`]!;
      assert.equal(await response.text(), new TextDecoder().decode(bytes));
      assert.equal(headers.get("content-type"), `${type}; charset=utf-8`);
      assert.equal(headers.get("x-content-type-options"), "nosniff");
      assert.equal(headers.get("access-control-allow-origin"), "*");
      assert.equal(headers.get("cross-origin-resource-policy"), "cross-origin");
      const etag = headers.get("etag")!;
      // A content coding has an entity tag of its own.
      assert.match(etag, /^"[\w-]{22}(-br|-gzip)?"$/);
      const again = await fetch(url, { headers: { "if-none-match": `"other", ${etag}` } });
      assert.deepEqual([again.status, await again.text(), again.headers.get("etag")], [
        304,
        "",
        etag,
      ]);
    }
    const info = await fetch(`${server.url}/v1/info`, {
      headers: { origin: "https://example.com" },
    });
    await info.body?.cancel();
    assert.equal(info.headers.get("access-control-allow-origin"), null);
  } finally {
    await server.stop();
  }
});

/** A program for Node: two users, one message; prints what arrived and how. */
const NODE = `
const [url] = process.argv.slice(2);
const { createClient } = await import("./client.mjs");
const ann = createClient({ url }), bob = createClient({ url });
await ann.register({ user: "ann", password: "correct horse" });
await ann.signOut();
await ann.signIn({ user: "ann", password: "correct horse" });
await bob.register({ user: "bob", password: "battery staple" });
await bob.setMessagesFrom("anyone");
const got = new Promise((resolve) => bob.on("message", resolve));
await ann.send("bob", "Hello from Node");
const { with: from, body } = await got;
console.log(JSON.stringify([from, body, ann.state.transport]));
ann.close();
bob.close();
`;

const node = new Deno.Command("node", { args: ["--version"], stdout: "piped" });
let version = "";
try {
  version = new TextDecoder().decode(node.outputSync().stdout).trim();
} catch {
  // deno-lint-ignore no-console -- a test that is not run says why
  console.log("The client library is not tested under Node here, for there is no node.");
}

Deno.test({
  name: "the client library as it is served works under Node, with WebSockets and without",
  ignore: version === "",
  fn: async () => {
    using dir = tempDir();
    using work = tempDir();
    const server = await ServerProcess.start({ dataDir: `${dir.path}/ws` });
    const other = await ServerProcess.start({ dataDir: `${dir.path}/poll` });
    try {
      const source = await (await fetch(`${server.url}/client.js`)).text();
      Deno.writeTextFileSync(`${work.path}/client.mjs`, source);
      Deno.writeTextFileSync(`${work.path}/main.mjs`, NODE);
      // Node has WebSockets since 22, and before that behind this flag.
      const major = Number(/^v(\d+)/.exec(version)![1]);
      const flags = {
        ws: major < 22 ? ["--experimental-websocket"] : [],
        poll: ["--no-experimental-websocket"],
      };
      for (const [transport, { url }] of [["ws", server], ["poll", other]] as const) {
        const { code, stdout, stderr } = await new Deno.Command("node", {
          args: [...flags[transport], "main.mjs", url],
          cwd: work.path,
        }).output();
        assert.equal(code, 0, new TextDecoder().decode(stderr));
        const said = JSON.parse(new TextDecoder().decode(stdout));
        assert.deepEqual(said, ["ann", "Hello from Node", transport]);
      }
    } finally {
      await server.stop();
      await other.stop();
    }
  },
});
