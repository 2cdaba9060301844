/** The audit log of a real server (13). */
import assert from "node:assert/strict";
import { Refused, rest } from "./client.ts";
import { roost } from "./cli.ts";
import { ServerProcess, tempDir } from "./server.ts";
import { until } from "./until.ts";

interface Entry {
  readonly log: string;
  readonly actor: string;
  readonly action: string;
  readonly outcome: string;
  readonly target?: string;
  readonly user?: string;
  readonly method?: string;
  readonly address?: string;
}

/** The entries, as `roost audit export` writes them. */
async function exported(dataDir: string, ...filter: readonly string[]): Promise<readonly Entry[]> {
  const { code, err, out } = await roost(["audit", "export", "--data", dataDir, ...filter]);
  assert.equal(code, 0, err);
  return out.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}

async function verified(dataDir: string): Promise<string> {
  const { code, err, out } = await roost(["audit", "verify", "--data", dataDir]);
  assert.equal(code, 0, `${out}${err}`);
  return out;
}

const told = ({ action, actor, method, outcome, target, user }: Entry) =>
  [actor, action, outcome, method, target ?? user].filter((part) => part !== undefined).join(" ");

Deno.test("13: a server records admin actions and sign-ins, also up to a kill -9, and what was done without it", async () => {
  using dir = tempDir();
  const flags = ["--registration", "open"];
  let server = await ServerProcess.start({ dataDir: dir.path, flags });
  try {
    const post = (path: string, body: object) =>
      rest(server.url, "POST", path, { body }).catch((error) =>
        assert.ok(error instanceof Refused)
      );
    const user = "ann";
    await post("/v1/register", { user, password: "correct horse" });
    await post("/v1/auth/password", { user, password: "a secret guess" });
    await post("/v1/auth/password", { user: "a secret name", password: "a secret guess" });
    await post("/v1/auth/password", { user, password: "correct horse" });
    const disabled = await roost(["user", "disable", user, "--data", dir.path]);
    assert.equal(disabled.code, 0, disabled.err);
    // What was acked exists.
    await server.kill();
    server = await ServerProcess.start({ dataDir: dir.path, flags });
    assert.match(await verified(dir.path), /^Nothing was changed or removed/m);
    const admin = await exported(dir.path, "--log", "admin", "--from", "1h");
    assert.deepEqual(admin.map(told).map((text) => text.replace(/^os:\S+/, "os:me")), [
      "os:me disableUser ok ann",
    ]);
    assert.equal(admin[0]!.address, "admin.sock");
    // Sign-ins are written within half a second.
    await post("/v1/auth/password", { user: "bob", password: "a secret guess" });
    await until(
      "sign-ins are recorded",
      async () =>
        (await exported(dir.path, "--log", "signIns")).some(({ outcome }) => outcome !== "ok"),
    );
    const all = await exported(dir.path);
    assert.doesNotMatch(JSON.stringify(all), /secret/);
    assert.equal(await server.stop(), 0);
    const offline = await roost(["user", "enable", user, "--data", dir.path]);
    assert.equal(offline.code, 0, offline.err);
    assert.match(await verified(dir.path), /^Nothing was changed or removed/m);
    server = await ServerProcess.start({ dataDir: dir.path, flags });
    const later = await exported(dir.path, "--user", user, "--action", "enableUser");
    assert.equal(later.length, 1);
    const data = ["--data", dir.path];
    const shown = await roost(["audit", "show", "--count", "3", ...data]);
    assert.match(shown.out, /^TIME +ACTOR .*\n(\S+Z .*\n){3}$/);
    const own = await roost(["audit", "show", "--count", "5000", "--actor", user, ...data]);
    assert.match(own.out, /^TIME +ACTOR .*\n(\S+Z +user:ann .*\n)+$/);
  } finally {
    await server.kill();
  }
});

Deno.test("13: workers of a server have chains of their own, and one log", async () => {
  using dir = tempDir();
  const flags = ["--registration", "open", "--workers", "2"];
  const server = await ServerProcess.start({ dataDir: dir.path, flags });
  try {
    for (let i = 0; i < 6; i++) {
      const body = { user: `user${i}`, password: "correct horse" };
      await rest(server.url, "POST", "/v1/register", { body });
    }
    await until(
      "all registrations are recorded",
      async () => (await exported(dir.path, "--action", "register")).length === 6,
    );
    assert.match(await verified(dir.path), /^Nothing was changed or removed/m);
  } finally {
    await server.kill();
  }
});
