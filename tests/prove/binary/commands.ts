/** The command line of the binary: help, errors, settings, accounts with and without a server. */
import assert from "node:assert/strict";
import { type BinaryFixture, type Check, PASSWORD } from "./binary_fixture.ts";
import { Refused, rest } from "../../process/client.ts";
import { VERSION } from "../../../server/config/version.ts";

/** What is left behind by an error that nobody foresaw. */
const CRASH = /^\s+at |panicked|Uncaught|undefined|\[object/m;

/** The commands that a help text lists. */
function listed(help: string): readonly string[] {
  const [, list = ""] = help.split(/^Commands:$/m);
  const [block = ""] = list.split(/\n\n/);
  return [...block.matchAll(/^ {2}([a-z]\S*)/gm)].map((m) => m[1]!).filter((n) => n !== "help");
}

async function helpOf(
  fixture: BinaryFixture,
  words: readonly string[],
): Promise<readonly string[][]> {
  const { code, out, err } = await fixture.roost([...words, "--help"]);
  const name = ["roost", ...words].join(" ");
  assert.equal(code, 0, `${name} --help: ${err}`);
  assert.ok(out.startsWith(`Usage: ${name} `), out);
  assert.doesNotMatch(out + err, CRASH);
  const all: string[][] = [[...words]];
  for (const word of listed(out)) all.push(...await helpOf(fixture, [...words, word]));
  return all;
}

const help: Check = {
  name: "help text of every command; wrong ones are named, with exit code 2",
  async run(fixture) {
    const commands = await helpOf(fixture, []);
    assert.ok(commands.length >= 38, commands.map((words) => words.join(" ")).join("; "));
    const wrong: readonly (readonly [string, RegExp])[] = [
      ["strat", /did you mean start\?/],
      ["user lst", /did you mean user list\?/],
      ["help nothing", /there is no command nothing/],
      ["user add", /missing required argument 'name'/],
      ["start --bnd x", /Did you mean --bind\?/],
      ["load nothing", /there is no scenario nothing/],
      ["--set limits.rostrMax=1", /did you mean limits\.rosterMax\?/],
    ];
    for (const [words, message] of wrong) {
      const { code, out, err } = await fixture.roost(words.split(" "));
      assert.deepEqual([code, out], [2, ""], `${words}: ${err}`);
      assert.match(err, message);
      assert.match(err, /^roost: /);
      assert.doesNotMatch(err, CRASH);
    }
    return `${commands.length} help texts, ${wrong.length} errors`;
  },
};

const settings: Check = {
  name: "version; config check and show, from defaults, file, environment and flags",
  async run(fixture) {
    assert.equal(await fixture.must(["version"]), `roost ${VERSION}\n`);
    assert.equal(await fixture.must(["--version"]), `roost ${VERSION}\n`);
    assert.match(await fixture.must(["config", "check"]), /is valid/);
    const shown = JSON.parse(await fixture.must(["config", "show", "--json"])).settings;
    const text = await fixture.must(["config", "show"]);
    for (const key of Object.keys(shown)) assert.ok(text.includes(`${key.split(".")[1]} = `), key);
    Deno.mkdirSync(fixture.path("settings"));
    Deno.writeTextFileSync(fixture.path("settings/roost.toml"), text);
    const inFile = ["--data", "settings"];
    assert.match(await fixture.must(["config", "check", ...inFile]), /is valid/);
    const set = [...inFile, "--set", "limits.rosterMax=0"];
    const wrong = await fixture.roost(["config", "check", ...set]);
    assert.equal(wrong.code, 2);
    assert.match(wrong.err, /limits\.rosterMax is 0/);
    return `roost ${VERSION}, ${Object.keys(shown).length} settings`;
  },
};

function mayUse(port: number): boolean {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
    return true;
  } catch {
    return false;
  }
}

const defaults: Check = {
  name: "roost without arguments serves in an empty directory",
  async run(fixture) {
    assert.deepEqual([...Deno.readDirSync(fixture.dir)].map(({ name }) => name), ["roost"]);
    const free = mayUse(8420);
    if (!free) {
      const { code, err } = await fixture.roost([]);
      assert.deepEqual([code, /8420/.test(err), CRASH.test(err)], [1, true, false], err);
    }
    const began = performance.now();
    const server = await fixture.serve(free ? [] : ["--bind", "127.0.0.1:0"]);
    const tookMs = Math.round(performance.now() - began);
    assert.ok(server.output.startsWith(`Roost ${VERSION} serves localhost at http://127.0.0.1:`));
    for (const path of ["/healthz", "/readyz"]) {
      const answer = await fetch(server.url + path);
      assert.equal(answer.status, 200, await answer.text());
    }
    const { domain } = await rest(server.url, "GET", "/v1/info");
    assert.equal(domain, "localhost");
    await fixture.stop(server);
    const made = [...Deno.readDirSync(fixture.dir)].map(({ name }) => name).sort();
    assert.deepEqual(made, ["roost", "roost-data"]);
    Deno.removeSync(fixture.path("roost-data"), { recursive: true });
    return `${server.url}${free ? "" : " (8420 is taken, which it said)"} after ${tookMs} ms`;
  },
};

/** The code of a sign-in. */
async function signIn(url: string, user: string, password: string): Promise<string> {
  try {
    await rest(url, "POST", "/v1/auth/password", { body: { user, password } });
    return "ok";
  } catch (error) {
    assert.ok(error instanceof Refused, String(error));
    return error.code;
  }
}

async function states(fixture: BinaryFixture): Promise<readonly string[]> {
  const list = JSON.parse(await fixture.must(["user", "list", "--json", ...fixture.data]));
  return list.map(({ name, state }: Record<string, string>) => `${name} ${state}`).sort();
}

/** Does everything with an account; an account that exists afterwards is active. */
async function manage(fixture: BinaryFixture, user: string, url: string | null): Promise<void> {
  const tries = async (password: string, wanted: string) => {
    if (url !== null) assert.equal(await signIn(url, user, password), wanted);
  };
  const run = (words: string, input: string | null = null) =>
    fixture.must([...words.split(" "), ...fixture.data], input);
  await run(`user add ${user} --password-stdin`, PASSWORD);
  assert.ok((await states(fixture)).includes(`${user} active`));
  await tries(PASSWORD, "ok");
  await run(`user disable ${user}`);
  assert.ok((await states(fixture)).includes(`${user} disabled`));
  await tries(PASSWORD, "unauthorized");
  await run(`user enable ${user}`);
  await run(`user passwd ${user} --password-stdin`, "another password");
  await tries("another password", "ok");
  await run(`user remove ${user} --yes`);
  const again = await fixture.roost(["user", "add", user, "--no-password", ...fixture.data]);
  assert.equal(again.code, 1, "the name of a removed account is closed");
  await run(`user release ${user}`);
  await run(`user add ${user} --no-password`);
  assert.ok((await states(fixture)).includes(`${user} active`));
  assert.match(await run("user list"), new RegExp(`^${user} +active`, "m"));
}

const offline: Check = {
  name: "user and invite commands while no server runs",
  async run(fixture) {
    const none = await fixture.roost(["user", "list", "--data", "none"]);
    assert.deepEqual([none.code, CRASH.test(none.err)], [1, false], none.err);
    await manage(fixture, "offline", null);
    const invite = (await fixture.must(["invite", "create", ...fixture.data])).trim();
    const flags = ["--registration", "invite"];
    const server = await fixture.start("data", flags);
    const body = { user: "invited", password: PASSWORD };
    await assert.rejects(rest(server.url, "POST", "/v1/register", { body }), /forbidden/);
    await rest(server.url, "POST", "/v1/register", { body: { ...body, invite } });
    await fixture.stop(server);
    return (await states(fixture)).join(", ");
  },
};

const online: Check = {
  name: "user and invite commands beside a running server",
  async run(fixture) {
    const { url } = fixture.server;
    await manage(fixture, "online", url);
    const invite = await fixture.must(["invite", "create", ...fixture.data]);
    assert.match(invite, /^ri1_[\w-]{22}\n$/);
    const second = await fixture.roost(["start", "--bind", "127.0.0.1:0", ...fixture.data]);
    assert.equal(second.code, 1, "a second process on the same directory is refused");
    assert.doesNotMatch(second.err, CRASH);
    return (await states(fixture)).join(", ");
  },
};

/** In their order: the first needs a directory that is empty. */
export const COMMANDS_ALONE: readonly Check[] = [defaults, help, settings, offline];
/** Those that need the server. */
export const COMMANDS_BESIDE: readonly Check[] = [online];
