import assert from "node:assert/strict";
import { appCode } from "../unit/totp_code.ts";
import { createClient } from "../../server/web/client.js";
import { roost } from "./cli.ts";
import { ServerProcess, tempDir } from "./server.ts";

const PASSWORD = "correct horse";

interface Answer {
  readonly status: number;
  readonly code?: string;
  readonly token?: string;
  readonly second?: { readonly exchange: string; readonly methods: readonly string[] };
  readonly [name: string]: unknown;
}

async function call(
  { url }: ServerProcess,
  [method, path]: readonly [string, string],
  body: object | null,
  token?: string,
): Promise<Answer> {
  const response = await fetch(`${url}/v1/${path}`, {
    method,
    headers: {
      "content-type": "application/json",
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    ...(body === null ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, ...(text === "" ? {} : JSON.parse(text)) };
}

const post = (server: ServerProcess, path: string, body: object, token?: string) =>
  call(server, ["POST", path], body, token);
const signIn = (server: ServerProcess, password = PASSWORD) =>
  post(server, "auth/password", { user: "ann", password });
const second = (server: ServerProcess, first: Answer, code: string) =>
  post(server, "auth/second", { exchange: first.second!.exchange, code });

/** Makes ann, with an authenticator app. */
async function setUp(server: ServerProcess) {
  const made = await post(server, "register", { user: "ann", password: PASSWORD });
  const token = made.token!;
  const begun = await post(server, "factors/totp", { password: PASSWORD }, token);
  assert.equal(begun.status, 200);
  const { secret, setup } = begun as unknown as Record<"secret" | "setup", string>;
  // Of the step before: the present one is left for what follows.
  const code = appCode(secret, Date.now(), -1);
  const confirmed = await call(server, ["PUT", "factors/totp"], { setup, code }, token);
  assert.equal(confirmed.status, 200, JSON.stringify(confirmed));
  return { token, secret, recovery: confirmed["recoveryCodes"] as string[] };
}

/** The first frame that a hello gets. */
async function hello(server: ServerProcess, auth: object): Promise<Record<string, unknown>> {
  const socket = new WebSocket(server.wsUrl);
  try {
    return await new Promise((resolve, reject) => {
      socket.onopen = () => socket.send(JSON.stringify({ t: "hello", v: 1, auth }));
      socket.onmessage = ({ data }) => resolve(JSON.parse(data));
      socket.onerror = reject;
    });
  } finally {
    socket.close();
  }
}

async function withServer(run: (server: ServerProcess, dir: string) => Promise<void>) {
  using dir = tempDir();
  const server = await ServerProcess.start({ dataDir: `${dir.path}/data` });
  try {
    await run(server, dir.path);
  } finally {
    await server.stop();
  }
}

Deno.test("13: a second factor is asked for over every way in, and a token goes on without", () =>
  withServer(async (server) => {
    const { recovery, secret, token } = await setUp(server);
    const first = await signIn(server);
    assert.deepEqual([first.status, first.code], [403, "second_factor_required"]);
    assert.deepEqual(first.second!.methods, ["totp", "recovery"]);
    assert.equal(first.token, undefined);
    const greeted = await hello(server, { user: "ann", password: PASSWORD });
    assert.deepEqual([greeted["t"], greeted["code"]], ["error", "second_factor_required"]);
    const { exchange } = greeted["second"] as { exchange: string };
    const code = appCode(secret, Date.now());
    const wrong = await hello(server, { second: { exchange, code: "000000" } });
    assert.equal(wrong["code"], "unauthorized");
    const welcome = await hello(server, { second: { exchange, code } });
    assert.equal(welcome["t"], "welcome", JSON.stringify(welcome));
    assert.equal((await second(server, first, code)).code, "unauthorized", "used already");
    const signed = await second(server, first, recovery[0]!);
    assert.equal(signed.status, 200);
    assert.equal((await second(server, first, recovery[0]!)).code, "unauthorized");
    assert.equal((await call(server, ["GET", "devices"], null, token)).status, 200);
    const left = await call(server, ["GET", "factors"], null, signed.token);
    assert.deepEqual([left["totp"], left["recoveryCodes"]], [true, 9]);
    assert.doesNotMatch(server.log, new RegExp(`${secret}|${code}|${recovery[0]}|${PASSWORD}`));
  }));

Deno.test("13: the client library proves SCRAM, is asked, and signs in by a recovery code", () =>
  withServer(async (server) => {
    const { recovery } = await setUp(server);
    const client = createClient({ url: server.url });
    try {
      const refused = await client.signIn({ user: "ann", password: PASSWORD }).then(
        () => assert.fail("it has signed in"),
        (error) => error,
      );
      assert.equal(refused.code, "second_factor_required");
      assert.match(refused.second.scram, /^v=/);
      const { exchange } = refused.second;
      await client.signIn({ second: exchange, code: recovery[0]! });
      assert.deepEqual([client.state.status, client.state.user], ["online", "ann"]);
      assert.equal((await client.factors()).recoveryCodes, 9);
      const { recoveryCodes } = await client.renewRecoveryCodes({ code: recovery[1]! });
      await assert.rejects(client.removeTotp({ code: recovery[2]! }), { code: "forbidden" });
      await client.removeTotp({ code: recoveryCodes[0]! });
      assert.deepEqual(await client.factors(), { totp: false, recoveryCodes: 0, password: true });
      assert.equal((await signIn(server)).status, 200);
    } finally {
      client.close();
    }
  }));

Deno.test("13: a used code stays used over kill -9, and neither a new password nor a reset link removes the factor", async () => {
  using dir = tempDir();
  const dataDir = `${dir.path}/data`;
  let server = await ServerProcess.start({ dataDir });
  try {
    const { recovery, token } = await setUp(server);
    const first = await signIn(server);
    assert.equal((await second(server, first, recovery[0]!)).status, 200);
    await server.kill();
    server = await ServerProcess.start({ dataDir });
    assert.equal((await second(server, first, recovery[0]!)).code, "unauthorized");
    const changed = { old: PASSWORD, new: `${PASSWORD} 2` };
    assert.equal((await call(server, ["PUT", "password"], changed, token)).status, 204);
    assert.equal((await second(server, first, recovery[1]!)).code, "unauthorized", "old password");
    assert.equal((await signIn(server, changed.new)).code, "second_factor_required");
    const link = await roost(["user", "reset-link", "ann", "--data", dataDir]);
    const reset = { code: link.out.trim(), password: `${PASSWORD} 3` };
    assert.equal((await post(server, "auth/reset", reset)).status, 204);
    const after = await signIn(server, reset.password);
    assert.equal(after.code, "second_factor_required");
    assert.equal((await second(server, after, recovery[1]!)).status, 200);
    const cleared = await roost(["user", "clear-factors", "ann", "--data", dataDir]);
    assert.match(cleared.out, /ann has no second factor any more/);
    assert.match(server.log, /clearFactors/);
    assert.equal((await signIn(server, reset.password)).status, 200);
  } finally {
    await server.stop();
  }
});
