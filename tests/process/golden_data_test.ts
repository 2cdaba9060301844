import assert from "node:assert/strict";
import { describeAll, type Expected, saltOf, signIn } from "../golden/data.ts";
import { signInByScram, untilDelivered } from "../golden/data.ts";
import { type Bindings, difference, type Json } from "../golden/placeholders.ts";
import { Refused, rest } from "./client.ts";
import { roost } from "./cli.ts";
import { ServerProcess, tempDir } from "./server.ts";

const FOLDER = new URL("../golden/", import.meta.url).pathname;
const NAMES = [...Deno.readDirSync(FOLDER)].map((entry) => entry.name)
  .filter((name) => /^data-\d+$/.test(name)).sort();
/** The program runs on the day after the directory was made: nothing is over age yet. */
const DAY_MS = 86_400_000;

/** The code of a refusal, or "ok". */
async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "ok";
  } catch (error) {
    if (error instanceof Refused) return error.code;
    throw error;
  }
}

async function checkSignIns(url: string, expected: Expected): Promise<void> {
  const { passwords, shut, tokens, invites, fakeSalt } = expected;
  for (const [user, password] of Object.entries(passwords)) {
    assert.match(await signIn(url, user, password), /^rt1_/);
    assert.equal(await codeOf(signIn(url, user, `${password}!`)), "unauthorized");
  }
  for (const [user, password] of Object.entries(shut)) {
    assert.equal(await codeOf(signIn(url, user, password)), "unauthorized", user);
  }
  const [[user, password]] = Object.entries(passwords) as [[string, string]];
  await signInByScram(url, user, password, "SCRAM-SHA-256");
  await signInByScram(url, user, password, "SCRAM-SHA-1");
  assert.equal(await saltOf(url, fakeSalt.name), fakeSalt.salt);
  const look = (token: string) => codeOf(rest(url, "GET", "/v1/snapshot", { token }));
  assert.equal(await look(tokens.good), "ok");
  assert.equal(await look(tokens.revoked), "unauthorized");
  const register = (name: string, invite: string) =>
    codeOf(
      rest(url, "POST", "/v1/register", {
        body: { user: name, password: "a new password", invite },
      }),
    );
  assert.equal(await register("newcomer", invites.used), "forbidden");
  assert.equal(await register("gone", invites.unused), "conflict");
  assert.equal(await register("newcomer", invites.unused), "ok");
}

/** A message repeated after the restart gets the answer that it had. */
async function checkDedupe(url: string, { sent, passwords }: Expected): Promise<void> {
  const token = await signIn(url, sent.from, passwords[sent.from]!);
  const { key, ...body } = sent.request;
  const again = await rest(url, "POST", "/v1/messages", { token, key: String(key), body });
  assert.deepEqual(again, sent.answer);
}

async function checkAccounts(url: string, expected: Expected): Promise<void> {
  const bindings: Bindings = new Map();
  const accounts = await describeAll(url, expected);
  const what = difference(expected.accounts as Json, accounts as Json, bindings);
  assert.equal(what, null);
}

for (const name of NAMES) {
  Deno.test(`golden ${name} is read, and everything in it exists`, async () => {
    using dir = tempDir();
    for (const { name: file } of Deno.readDirSync(`${FOLDER}${name}/data`)) {
      Deno.copyFileSync(`${FOLDER}${name}/data/${file}`, `${dir.path}/${file}`);
    }
    const expected: Expected = JSON.parse(
      Deno.readTextFileSync(`${FOLDER}${name}/expected.json`),
    );
    const clockShiftMs = expected.madeAt + DAY_MS - Date.now();
    const flags = ["--domain", expected.domain, "--registration", "invite"];
    const start = () => ServerProcess.start({ dataDir: dir.path, flags, clockShiftMs });
    const server = await start();
    await untilDelivered(server.url, expected);
    await checkDedupe(server.url, expected);
    await checkAccounts(server.url, expected);
    await checkSignIns(server.url, expected);
    assert.equal(await server.stop(), 0);
    // What this version has written, it reads as well.
    const again = await start();
    await checkDedupe(again.url, expected);
    await checkAccounts(again.url, expected);
    assert.equal(await again.stop(), 0);
  });
}

Deno.test("there is a golden data directory", () => assert.ok(NAMES.length > 0));

Deno.test("a data directory of a newer format is refused with exit code 1, and left alone", async () => {
  using dir = tempDir();
  const server = await ServerProcess.start({ dataDir: dir.path });
  await server.stop();
  const file = `${dir.path}/format.json`;
  const { format } = JSON.parse(Deno.readTextFileSync(file));
  const newer = JSON.stringify({ format: format + 1 });
  Deno.writeTextFileSync(file, newer);
  const refusal = {
    code: 1,
    out: "",
    err: `roost: Cannot use --data ${dir.path}: it has format ${format + 1}, this program knows ` +
      `up to ${format}. Use the newer program that made it.\n`,
  };
  const data = ["--data", dir.path];
  assert.deepEqual(await roost(["start", "--bind", "127.0.0.1:0", ...data]), refusal);
  assert.deepEqual(await roost(["user", "list", ...data]), refusal);
  assert.equal(Deno.readTextFileSync(file), newer);
});
