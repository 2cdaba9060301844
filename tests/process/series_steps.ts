/** What moves each series of a server's metrics. */
import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { Client, rest } from "./client.ts";
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import { type Drive, PASSWORD, UPGRADE } from "./series_drive.ts";
import { masked, PING, TEXT } from "../scenario/raw_socket.ts";
import { poolName } from "../../server/load/ring.ts";
import { poolToken } from "../../server/load/provision.ts";
import { proveScram } from "../golden/scram_proof.ts";

const POOL_SECRET = "0123456789abcdef0123456789abcdef";

/** A message that fills buffers. */
const LARGE = {
  device: "phone" as DeviceId,
  to: "ann" as AccountName,
  body: "x".repeat(4000),
  ext: "",
};

const MESSAGE = { to: "bob", body: "x" };

/** What happens, in this order. */
export const STEPS: Readonly<Record<string, (drive: Drive) => Promise<void>>> = {
  async conversation(d) {
    for (const user of ["ann", "bob", "cat", "dan", "eve", "fay"]) await d.register(user);
    const [ann, bob] = [await d.connect("ann"), await d.connect("bob")];
    for (const type of ["subscribe", "subscribed"]) {
      await ann.command("subscription", { contact: "bob", type });
      await bob.command("subscription", { contact: "ann", type });
    }
    for (const client of [ann, bob]) await client.command("settings", { messagesFrom: "anyone" });
    for (const show of ["dnd", "away", "dnd", "away"]) await bob.command("presence", { show });
    await ann.command("send", { to: "bob", key: "1", body: "hello" });
    await ann.command("signal", { to: "bob", type: "typing", body: "on" });
    await d.moved(
      "roost_presence_deliveries_total",
      "roost_messages_delivered_total",
      "roost_signals_delivered_total",
      'roost_sessions{transport="websocket",synthetic="false"}',
    );
  },

  async "refused sends"(d) {
    const ann = d.client("ann");
    const sends = [
      { to: "cat", key: "1", body: "" },
      { to: "bob", key: "1", body: "something else" },
      { to: "bob", key: "2", body: "x".repeat(5000) },
      { to: "ann", key: "3", body: "x", ext: "x".repeat(3000) },
    ];
    await Promise.allSettled(sends.map((send) => ann.command("send", send)));
    await d.client("bob").command("settings", { messagesFrom: "contacts" });
    // Those that wait for fay are left behind by the one that she takes.
    await ann.command("send", { to: "fay", key: "waits", body: "x" });
    const fay = await d.connect("fay");
    await fay.command("settings", { messagesFrom: "anyone" });
    await ann.command("send", { to: "fay", key: "taken", body: "x" });
    const bob = d.client("bob");
    await bob.command("block", { contact: "ann", blocked: true });
    await ann.command("send", { to: "bob", key: "blocked", body: "x" });
    await d.moved(
      'roost_messages_silently_refused_total{cause="closed"}',
      'roost_messages_silently_refused_total{cause="blocked"}',
    );
    await bob.command("block", { contact: "ann", blocked: false });
  },

  async rates(d) {
    const ann = d.client("ann");
    const many = async (
      count: number,
      name: string,
      input: (i: number) => Record<string, unknown>,
    ) => {
      const sent = Array.from({ length: count }, (_, i) => ann.command(name, input(i)));
      await Promise.allSettled(sent);
    };
    await many(20, "presence", () => ({ show: "dnd" }));
    await many(10, "signal", () => ({ to: "bob", type: "typing", body: "on" }));
    await many(10, "subscription", (i) => ({ contact: `nobody${i}`, type: "subscribe" }));
    await many(60, "send", (i) => ({ to: "bob", key: `many-${i}`, body: "x" }));
    await many(1000, "ping", () => ({}));
    const token = d.tokens.get("cat");
    for (let i = 0; i < 5; i++) await d.call("GET", "/v1/export", undefined, token);
    await d.moved(
      ...["presence", "signals", "sends", "frames", "subscription_requests", "exports"]
        .map((limit) => `roost_rate_limited_total{limit="${limit}"}`),
    );
  },

  async "sign-ins"(d) {
    const scram = async (password: string) => {
      const first = "n,,n=cat,r=fyko+d2lbbFgONRv9qkxdawL";
      const mechanism = "SCRAM-SHA-256";
      const begun = await rest<{ exchange: string; message: string }>(
        d.url,
        "POST",
        "/v1/auth/scram",
        { body: { mechanism, message: first } },
      );
      const { message } = proveScram(mechanism, first, begun.message, password);
      return await d.call("POST", `/v1/auth/scram/${begun.exchange}`, { message });
    };
    assert.equal(await scram(PASSWORD), 200);
    const password = (user: string, password: string) =>
      d.call("POST", "/v1/auth/password", { user, password });
    assert.equal(await password("cat", PASSWORD), 200);
    assert.equal(await d.call("POST", "/v1/register", { user: "ann", password: PASSWORD }), 409);
    assert.equal(await password("dan", "wrong"), 401);
    for (let i = 0; i < 8; i++) await password("dan", "wrong");
    for (let i = 0; i < 8; i++) {
      await d.call("POST", "/v1/register", { user: `u${i}`, password: PASSWORD });
    }
    await Promise.all(Array.from({ length: 10 }, (_, i) => password(`nobody${i}`, PASSWORD)));
    for (const token of [`rt1_Y2F0_${"A".repeat(43)}`, "a.jwt.x"]) {
      assert.equal(await d.call("POST", "/v1/sessions", {}, token), 401);
    }
    assert.equal(await scram("wrong"), 401);
  },

  async transports(d) {
    const open = (user: string) =>
      rest<{ session: string }>(d.url, "POST", "/v1/sessions", {
        body: {},
        token: d.tokens.get(user)!,
      });
    await open("cat");
    await d.moved('roost_sessions{transport="poll",synthetic="false"}');
    await d.stream(d.tokens.get("dan")!);
    await d.moved('roost_sessions{transport="sse",synthetic="false"}');
  },

  async "a polled session that nobody polls"(d) {
    const body = { user: "ann", password: PASSWORD, device: "poll" };
    const { token } = await rest<{ token: string }>(d.url, "POST", "/v1/auth/password", { body });
    await rest(d.url, "POST", "/v1/sessions", { body: {}, token });
    const bob = d.client("bob");
    for (const show of ["dnd", "away", "xa", "chat"]) await bob.command("presence", { show });
    await d.moved("roost_presence_coalesced_total");
  },

  async "clients that do not read"(d) {
    const token = d.tokens.get("ann")!;
    const authorization = `Authorization: Bearer ${token}\r\n\r\n`;
    const accept = "Accept: text/event-stream\r\n";
    await d.deaf(`GET /v1/events HTTP/1.1\r\nHost: localhost\r\n${accept}${authorization}`);
    // More than the buffers of its socket take.
    const { node } = d.node.open;
    for (let i = 0; i < 20; i++) {
      await Promise.all(Array.from({ length: 100 }, (_, k) => {
        const input = { ...LARGE, id: `large-${i}-${k}` };
        return new Promise((done) =>
          node.request("bob" as AccountName, "message.send", input, done)
        );
      }));
    }
    await d.moved(
      "roost_sessions_behind",
      "roost_sessions_fell_behind_total",
      "roost_outbox_bytes",
    );
  },

  async "synthetic users"(d) {
    const pool = {
      pool: "roost.test",
      users: 10,
      contacts: 2,
      secret: POOL_SECRET,
      password: null,
    };
    const expiresAt = Date.now() + 3_600_000;
    const body = JSON.stringify({ ...pool, step: "accounts", from: 0, to: 10, expiresAt });
    const made = await d.node.admin.request("/admin/provision", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
    });
    assert.equal(made.status, 200, await made.text());
    const tokens = [0, 1, 2].map((i) => poolToken(POOL_SECRET, poolName("roost.test", i)));
    const connected = await Client.connect(d.wsUrl, { auth: { token: tokens[0] } });
    await rest(d.url, "POST", "/v1/sessions", { body: {}, token: tokens[1]! });
    await d.stream(tokens[2]!);
    const live = (transport: string) => `roost_sessions{transport="${transport}",synthetic="true"}`;
    await d.moved(live("websocket"), live("poll"), live("sse"));
    await connected.close();
    await d.moved(live("none"));
  },

  async "ends of sessions"(d) {
    const lost = await d.connect("eve");
    const { session } = lost.welcome;
    await lost.close();
    await d.moved('roost_sessions{transport="none",synthetic="false"}');
    const token = d.tokens.get("eve")!;
    const again = await Client.connect(d.wsUrl, { auth: { token }, session });
    d.clients.push(again);
    await again.command("signout").catch(() => {});
    const replaced = await d.connect("fay");
    await d.connect("fay");
    await replaced.closed;
    const out = await d.connect("cat");
    await out.command("bye").catch(() => {});
    await out.closed;
    await d.client("fay").command("revoke", { device: "phone" }).catch(() => {});
  },

  async "bad connections"(d) {
    const http = d.rawSocket();
    http.socket.write("NOT HTTP AT ALL\r\n\r\n");
    const silent = await d.rawWebSocket({ auth: { token: d.tokens.get("cat") } });
    silent.socket.pause();
    await d.rawWebSocket(null);
    const malformed = await d.rawWebSocket(null);
    malformed.socket.write(masked(TEXT, "{"));
    const large = await d.rawWebSocket(null);
    large.socket.write(masked(TEXT, "x".repeat(9000)));
    const flood = await d.rawWebSocket(null);
    for (let i = 0; i < 20; i++) flood.socket.write(masked(PING, ""));
    const fault = (name: string) => `roost_connections_bad_total{fault="${name}"}`;
    await d.moved(
      ...["http", "hello_timeout", "malformed", "too_large", "flood", "silent"].map(fault),
    );
  },

  async "more sessions than an account may have"(d) {
    const expiresAt = d.node.open.ports.clock.wallMs() + 500;
    const sink = { send() {}, bufferedBytes: () => 0, close() {}, terminate() {} };
    const open = (device: string) =>
      new Promise<boolean>((done) =>
        d.node.front.openSession({
          user: "dan" as AccountName,
          device: device as DeviceId,
          auth: { kind: "issuer", expiresAt },
          provedUntil: null,
          cursor: null,
          presence: null,
          resume: null,
          sink,
        }, (result) => {
          if (result.ok) result.value.session.start();
          done(result.ok);
        })
      );
    for (let i = 0; i < 10; i++) await open(`device-${i}`);
    assert.equal(await open("one too many"), false);
    await d.moved(
      'roost_admission_refused_total{kind="signIn",reason="full"}',
      'roost_sessions_ended_total{reason="expired"}',
    );
  },

  async services(d) {
    let status = 500;
    const receiver = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen() {} },
      () => new Response(null, { status }),
    );
    d.servers.push(receiver);
    const post = (path: string, body: unknown) =>
      d.node.admin.request(path, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      });
    const scopes = ["watch", "outcomes", "send"];
    const made = await post("/admin/services", { name: "mail", scopes, expiresDays: null });
    const { token } = await made.json();
    assert.ok(token);
    const url = `http://127.0.0.1:${receiver.addr.port}/`;
    const hook = { url, topics: ["outcomes"] };
    assert.equal(await d.call("PUT", "/gateway/v1/webhooks/one", hook, token), 200);
    const headers = {
      "content-type": "application/json",
      authorization: `Bearer ${token}`,
      "idempotency-key": "1",
    };
    await d.call("PUT", "/v1/settings", { messagesFrom: "anyone" }, d.tokens.get("cat"));
    const body = JSON.stringify({ to: "cat", body: "hello" });
    await (await fetch(`${d.url}/gateway/v1/messages`, { method: "POST", headers, body })).text();
    await d.moved("roost_webhook_requests_failed_total");
    // More than the 100 that may wait: the oldest become dead letters.
    const { node } = d.node.open;
    for (let i = 0; i < 120; i++) {
      const input = {
        ...LARGE,
        body: "x",
        to: "cat" as AccountName,
        id: `hook-${i}`,
      };
      await new Promise((done) =>
        node.request("service.mail" as AccountName, "message.send", input, done)
      );
    }
    await d.moved(
      'roost_webhook_events{state="waiting"}',
      'roost_webhook_events{state="dead"}',
    );
    status = 200;
    await d.moved("roost_webhook_events_delivered_total");
    for (let i = 0; i < 40; i++) await d.call("GET", "/gateway/v1/service", undefined, token);
    await d.moved('roost_rate_limited_total{limit="services"}');
  },

  async "failures of the store"(d) {
    const { appends } = d.node;
    const bob = d.client("bob");
    let n = 0;
    const send = () => bob.command("send", { to: "bob", key: `fault-${n++}`, body: "x" });
    appends.hold();
    const held = send();
    await d.moved("roost_commit_queue_requests");
    appends.release();
    await held;
    for (const kind of ["full", "failed", "unknown", "fenced"] as const) {
      appends.fail(kind);
      let isOver = false;
      const moved = d.moved(`roost_commit_failures_total{kind="${kind}"}`)
        .finally(() => isOver = true);
      // Of a busy server some are refused before they are written.
      while (!isOver) await Promise.race([moved, send().catch(() => {}).then(() => delay(100))]);
      await moved;
      if (kind === "full") {
        await d.moved("roost_store_failing");
        const refused = 'roost_admission_refused_total{kind="write",reason="storeFailing"} 0';
        for (let i = 0; i < 50 && (await d.node.look()).includes(refused); i++) {
          const options = { token: d.tokens.get("dan")!, key: `failing-${i}`, body: MESSAGE };
          await rest(d.url, "POST", "/v1/messages", options).catch(() => {});
        }
      }
      await d.until((text) => text.includes("roost_store_failing 0"));
    }
    const { node } = d.node.open;
    node.request("ann" as AccountName, "account.resolve", {}, () => {
      throw new Error("a test's caller throws");
    });
    await d.moved("roost_bugs_total");
  },

  async "full and draining"(d) {
    const full = Array.from({ length: 70 }, () => d.rawSocket());
    await d.moved('roost_admission_refused_total{kind="connection",reason="full"}');
    for (const { socket } of full) socket.destroy();
    await d.until((text) => Number(/^roost_connections (\d+)$/m.exec(text)![1]) < 50);
    const open = Array.from({ length: 20 }, () => d.rawSocket().socket);
    await Promise.all(open.map((socket) => new Promise((done) => socket.once("connect", done))));
    const asks = Array.from({ length: 20 }, async () => {
      for (let i = 0; i < 40; i++) await d.call("GET", "/v1/info").catch(() => {});
    });
    await Promise.all(asks);
    for (const socket of open) socket.write(UPGRADE);
    await d.moved('roost_rate_limited_total{limit="address_requests"}');
    await d.moved('roost_rate_limited_total{limit="address_connections"}');
  },
};
