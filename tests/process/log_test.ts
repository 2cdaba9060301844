import assert from "node:assert/strict";
import { Probe } from "./probe.ts";
import { rest } from "./client.ts";
import { roost } from "./cli.ts";
import { ServerProcess, tempDir } from "./server.ts";

interface LogLine {
  readonly event: string;
  readonly level: string;
  readonly trace?: string;
  readonly mailbox?: string;
}

function linesOf(log: string): readonly LogLine[] {
  return log.trim().split("\n").filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line));
}

/** Sends what nobody should, with `secret` wherever something secret could be. */
async function misbehave(server: ServerProcess, token: string, secret: string): Promise<void> {
  const headers = { "content-type": "application/json" };
  const post = async (path: string, body: string, more: Record<string, string> = {}) => {
    const init = { method: "POST", headers: { ...headers, ...more }, body };
    await (await fetch(`${server.url}${path}`, init)).body?.cancel();
  };
  await post("/v1/auth/password", JSON.stringify({ user: "ann", password: secret }));
  await post("/v1/auth/password", `{"user":"ann","password":"${secret}`);
  await post("/v1/register", JSON.stringify({ user: "ann", password: secret, invite: secret }));
  await post("/v1/register", JSON.stringify({ user: "bob/", password: secret }));
  await post("/v1/auth/scram", JSON.stringify({ mechanism: "SCRAM-SHA-256", message: secret }));
  await post("/v1/messages", JSON.stringify({ to: "bob", body: secret }), {
    authorization: `Bearer ${secret}`,
  });
  const auth = { authorization: `Bearer ${token}` };
  await post("/v1/messages", JSON.stringify({ to: "bob", body: secret.repeat(2000) }), auth);
  await post(`/v1/auth/scram/${secret}`, JSON.stringify({ message: secret }));
  await (await fetch(`${server.url}/v1/sessions/${secret}`, { method: "DELETE", headers: auth }))
    .body?.cancel();
  const probe = await Probe.connect(server.wsUrl, { auth: { token }, device: "phone" });
  probe.sendRaw(secret);
  probe.sendRaw(`{"t":"send","id":1,"to":"bob","body":"${secret}"`);
  await probe.command("send", { to: "bob", key: secret.repeat(10), body: secret });
  await probe.command(secret, { body: secret });
  await probe.command("password", { old: secret, new: secret });
  await probe.close();
  for (const hello of [{ token: `rt1_YW5u_${secret}` }, { user: "ann", password: secret }]) {
    await Probe.connect(server.wsUrl, { auth: hello }).catch(() => {});
  }
}

Deno.test("the log follows a message by its trace, and never has bodies, passwords or tokens", async () => {
  using dir = tempDir();
  const server = await ServerProcess.start({
    dataDir: dir.path,
    flags: ["--log-level", "debug", "--set", "log.format=json"],
  });
  const secrets = ["correct horse", "battery staple", "tropical fish"];
  const register = async (user: string, password: string) => {
    const body = { user, password, device: "phone" };
    const { token } = await rest<Record<string, unknown> & { readonly token: string }>(
      server.url,
      "POST",
      "/v1/register",
      { body },
    );
    secrets.push(token);
    return token;
  };
  const ann = await Probe.connect(server.wsUrl, {
    auth: { token: await register("ann", "correct horse") },
  });
  const token = await register("bob", "battery staple");
  const bob = await Probe.connect(server.wsUrl, { auth: { token } });
  await bob.command("settings", { messagesFrom: "anyone" });
  await ann.command("send", { to: "bob", key: "m1", body: "body one", ext: "extension one" });
  await bob.event((event) => event.k === "message");
  await ann.command("signal", { to: "bob", type: "typing", body: "body two" });
  await ann.command("presence", { status: "status one", ext: "extension two" });
  for (const probe of [ann, bob]) secrets.push(String(probe.frames[0]!["session"]));
  await ann.close();
  await bob.close();
  await misbehave(server, token, "very-secret");
  await roost(["user", "passwd", "ann", "--password-stdin", "--data", dir.path], "tropical fish");
  const invite = await roost(["invite", "create", "--data", dir.path]);
  await server.stop();

  const lines = linesOf(server.log);
  const accepted = lines.find((line) => line.event === "message accepted")!;
  assert.match(accepted.trace!, /^[0-9a-f]{16}$/);
  const delivered = lines.filter((line) =>
    line.event === "message delivered" && line.trace === accepted.trace
  );
  assert.deepEqual(delivered.map((line) => line.mailbox).sort(), ["ann", "bob"]);
  assert.deepEqual(lines.filter((line) => line.level === "error"), []);
  assert.ok(lines.some((line) => line.event === "sign_in_refused"));

  secrets.push("body one", "body two", "extension one", "extension two", "status one");
  secrets.push("very-secret", invite.out.trim());
  assert.ok(secrets.every((secret) => secret.length > 7), secrets.join());
  assert.deepEqual(secrets.filter((secret) => server.log.includes(secret)), []);
  assert.deepEqual(secrets.filter((secret) => server.output.includes(secret)), []);
});

Deno.test("log.level and log.format decide what is written", async () => {
  using dir = tempDir();
  const flags = ["--log-level", "warn"];
  const quiet = await ServerProcess.start({ dataDir: dir.path, flags });
  await quiet.stop();
  assert.match(quiet.log, /^roost: SIGTERM: finishing accepted work; again to stop at once\n$/);
  const text = await ServerProcess.start({ dataDir: dir.path });
  await text.stop();
  assert.match(text.log, /^\d\d:\d\d:\d\d\.\d{3} INFO {2}serving url=http:\/\/127/m);
  assert.deepEqual(linesOf(text.log), []);
});
