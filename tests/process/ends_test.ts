import assert from "node:assert/strict";
import { join } from "node:path";
import { type AdminClient, adminClient } from "../../server/cli/client.ts";
import { socketTransport } from "../../server/ops/socket.ts";
import { Refused, rest } from "./client.ts";
import { Metrics } from "./metrics.ts";
import { poolToken } from "../../server/load/provision.ts";
import { type Ended, Probe } from "./probe.ts";
import { SESSION_ENDS } from "../../server/edge/types.ts";
import { ServerProcess, tempDir } from "./server.ts";

/** How long a session may outlive its right, ms. */
const WITHIN_MS = 1000;
const DAY_MS = 86_400_000;
const PASSWORD = "correct horse";

/** What the server has counted as ended, by reason, when there are at least so many. */
async function counted(server: ServerProcess, atLeast = 0): Promise<Record<string, number>> {
  const ENDED = "roost_sessions_ended_total";
  const metrics = await Metrics.when(server.url, (metrics) => metrics.sum(ENDED) >= atLeast);
  const ends = SESSION_ENDS.map((reason) =>
    [reason, metrics.get(`${ENDED}{reason="${reason}"}`)] as const
  );
  return Object.fromEntries(ends.filter(([, count]) => count > 0));
}

interface SignedIn {
  readonly token: string;
  readonly expiresAt: number;
}

async function signIn(server: ServerProcess, user: string, device: string, path = "auth/password") {
  const body = { user, password: PASSWORD, device };
  return await rest<SignedIn & Record<string, unknown>>(server.url, "POST", `/v1/${path}`, {
    body,
  });
}

/** A session by each transport, each of its own device. */
async function openAll(server: ServerProcess, user: string) {
  const socket = await signIn(server, user, "socket");
  const poll = await signIn(server, user, "poll");
  const stream = await signIn(server, user, "stream");
  const probe = await Probe.connect(server.wsUrl, { auth: { token: socket.token } });
  const events = `${server.url}/v1/events`;
  const bearer = ({ token }: SignedIn) => ({ authorization: `Bearer ${token}` });
  const opened = await (await fetch(`${events}?wait=0`, { headers: bearer(poll) })).json();
  const parked = fetch(`${events}?after=${opened.cursor}&soft=${opened.soft}&wait=60`, {
    headers: { ...bearer(poll), "roost-session": opened.session },
  }).then(async (response) => {
    const body = await response.json();
    return { ...body, status: response.status, atMs: performance.now() };
  });
  const read = await fetch(events, { headers: { ...bearer(stream), accept: "text/event-stream" } });
  const streamed = read.text().then((text) => ({ text, atMs: performance.now() }));
  return { probe, parked, streamed, tokens: [socket, poll, stream].map((s) => s.token) };
}

async function endsAll(
  server: ServerProcess,
  user: string,
  revoke: (admin: AdminClient) => Promise<void>,
) {
  await signIn(server, user, "first", "register");
  const { probe, parked, streamed, tokens } = await openAll(server, user);
  const admin = adminClient(socketTransport(join(server.dataDir, "admin.sock"), "tests"));
  await revoke(admin);
  const revokedMs = performance.now();

  const ended: Ended = await probe.ended;
  assert.equal(probe.frames.at(-1)!["reason"], "revoked");
  const poll = await parked;
  // A poll may be answered by the presence of the devices that went before it.
  if (poll.status !== 200) assert.deepEqual([poll.status, poll.code], [401, "unauthorized"]);
  const stream = await streamed;
  assert.match(stream.text, /event: goaway\ndata: \{"t":"goaway","reason":"revoked"\}\n\n$/);
  for (const { atMs } of [ended, poll, stream]) {
    assert.ok(atMs - revokedMs < WITHIN_MS, `${user}: ended ${atMs - revokedMs} ms later`);
  }
  for (const token of tokens) {
    const refused = await rest(server.url, "GET", "/v1/snapshot", { token }).catch((e) => e);
    assert.ok(refused instanceof Refused);
    assert.equal(refused.code, "unauthorized");
  }
}

Deno.test("sessions of every transport end within a second of what ends them", async () => {
  using dir = tempDir();
  const server = await ServerProcess.start({ dataDir: dir.path });
  await endsAll(server, "disabled", (admin) => admin.setDisabled("disabled", true));
  await endsAll(server, "reset", (admin) => admin.setPassword("reset", "another password"));
  await endsAll(server, "removed", (admin) => admin.removeUser("removed"));
  assert.equal(await server.stop(), 0);
});

Deno.test("changing one's password ends the other devices within a second, not one's own", async () => {
  using dir = tempDir();
  const server = await ServerProcess.start({ dataDir: dir.path });
  const own = await signIn(server, "ann", "own", "register");
  const other = await signIn(server, "ann", "other");
  const kept = await Probe.connect(server.wsUrl, { auth: { token: own.token } });
  const probe = await Probe.connect(server.wsUrl, { auth: { token: other.token } });
  const answer = await kept.command("password", { old: PASSWORD, new: "another password" });
  const answeredMs = performance.now();
  assert.equal(answer.t, "ok");
  const { atMs } = await probe.ended;
  assert.ok(atMs - answeredMs < WITHIN_MS, `${atMs - answeredMs} ms`);
  assert.equal(probe.frames.at(-1)!["reason"], "revoked");
  assert.equal((await kept.command("ping")).t, "ok");
  await kept.close();
  assert.equal(await server.stop(), 0);
});

Deno.test("a token's expiry ends its session within a second", async () => {
  using dir = tempDir();
  const flags = ["--set", "auth.tokenTtlDays=1"];
  const first = await ServerProcess.start({ dataDir: dir.path, flags });
  const { token, expiresAt } = await signIn(first, "ann", "phone", "register");
  await first.stop();
  // The same server a day later, a little before the end of the token.
  const clockShiftMs = DAY_MS - 4000;
  const server = await ServerProcess.start({ dataDir: dir.path, flags, clockShiftMs });
  const probe = await Probe.connect(server.wsUrl, { auth: { token } });
  assert.equal(probe.frames[0]!["expiresAt"], expiresAt);
  await probe.ended;
  const lateMs = Date.now() + clockShiftMs - expiresAt;
  assert.equal(probe.frames.at(-1)!["reason"], "expired");
  assert.ok(lateMs >= -1 && lateMs < WITHIN_MS, `it ended ${lateMs} ms after its token`);
  const refused = await Probe.connect(server.wsUrl, { auth: { token } }).catch(String);
  assert.match(String(refused), /"code":"unauthorized"/);
  assert.deepEqual(await counted(server), { expired: 1 });
  assert.equal(await server.stop(), 0);
});

Deno.test("roost_sessions_ended_total counts every end by its reason", async () => {
  using dir = tempDir();
  const flags = ["--set", "presence.graceMs=200"];
  const server = await ServerProcess.start({ dataDir: dir.path, flags });
  const { token } = await signIn(server, "ann", "phone", "register");
  const connect = () => Probe.connect(server.wsUrl, { auth: { token } });
  assert.deepEqual(await counted(server), {});

  const first = await connect();
  const second = await connect();
  await first.ended;
  assert.equal(first.frames.at(-1)!["reason"], "replaced");
  await second.command("bye");
  await second.ended;
  const broken = await connect();
  await broken.close();
  const poll = await signIn(server, "ann", "poll");
  await rest(server.url, "GET", "/v1/events?wait=0", { token: poll.token });
  assert.deepEqual(await counted(server, 4), { replaced: 1, signed_out: 1, lost: 1, idle: 1 });

  const revoked = await connect();
  await rest(server.url, "DELETE", "/v1/devices/phone", { token: poll.token });
  await revoked.ended;
  assert.equal((await counted(server))["revoked"], 1);
  const metrics = await Metrics.of(server.url);
  assert.equal(
    metrics.sum("roost_sessions_ended_total"),
    metrics.get("roost_sessions_opened_total"),
  );
  assert.equal(await server.stop(), 0);
});

Deno.test("metrics tell users of the load tool from others", async () => {
  using dir = tempDir();
  const server = await ServerProcess.start({ dataDir: dir.path });
  await assert.rejects(signIn(server, "roost.fan.000001", "phone", "register"), /reserved/);
  const reserved = { t: "register", user: "roost.fan.000001", password: PASSWORD };
  await assert.rejects(Probe.connect(server.wsUrl, reserved), /bad_request.*reserved/);
  const { token } = await signIn(server, "ann", "phone", "register");
  const probe = await Probe.connect(server.wsUrl, { auth: { token } });
  const input = { pool: "roost.fan", users: 4, contacts: 2, from: 0, to: 4, password: null };
  const secret = "s".repeat(32);
  const provisioned = await socketTransport(join(server.dataDir, "admin.sock"), "tests")({
    method: "POST",
    path: "/admin/provision",
    body: { ...input, step: "accounts", secret, expiresAt: Date.now() + DAY_MS },
  });
  assert.equal(provisioned.status, 200, JSON.stringify(provisioned.body));
  const auth = { token: poolToken(secret, "roost.fan.000001") };
  const synthetic = await Probe.connect(server.wsUrl, { auth });
  const stream = await fetch(`${server.url}/v1/events`, {
    headers: {
      authorization: `Bearer ${poolToken(secret, "roost.fan.000002")}`,
      accept: "text/event-stream",
    },
  });
  const metrics = await Metrics.of(server.url);
  assert.equal(metrics.get('roost_users_online{synthetic="false"}'), 1);
  assert.equal(metrics.get('roost_users_online{synthetic="true"}'), 2);
  for (const [transport, real, others] of [["websocket", 1, 1], ["sse", 0, 1], ["poll", 0, 0]]) {
    const sessions = (label: string) =>
      metrics.get(`roost_sessions{transport="${transport}",synthetic="${label}"}`);
    assert.deepEqual([sessions("false"), sessions("true")], [real, others], String(transport));
  }
  await stream.body!.cancel();
  await synthetic.close();
  await probe.close();
  assert.equal(await server.stop(), 0);
});
