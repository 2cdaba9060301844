import assert from "node:assert/strict";
import type { CliHost } from "../../server/cli/host.ts";
import { runCli } from "../../server/cli/cli.ts";
import { StartEnded } from "../../server/cli/launcher.ts";
import { VERSION } from "../../server/config/version.ts";

import { FakeMachine } from "./cli_machine.ts";

Deno.test("roost without a command starts with the options it is given", async () => {
  const machine = new FakeMachine();
  machine.files.set("here/roost.toml", "[limits]\nrosterMax = 7\n");
  machine.env["ROOST_LOG_LEVEL"] = "warn";
  machine.onStart = () => machine.finish(0);
  const args = ["--data", "here", "--bind", "127.0.0.1:0", "--set", "limits.sendsBurst=60"];
  assert.equal(await machine.run(...args, "--set", "storage.shards=4"), 0);
  const { dataDir, limits, log, server, storage } = machine.started!;
  assert.deepEqual(
    [dataDir, limits.rosterMax, limits.sendsBurst, storage.shards, log.level, server.bind.port],
    ["here", 7, 60, 4, "warn", 0],
  );
  assert.equal(machine.out, `Roost ${VERSION} serves localhost at http://h:1\n`);
  assert.equal(machine.err, "");
});

Deno.test("roost start is the same, and prints the first invite and warnings", async () => {
  const machine = new FakeMachine();
  machine.invite = "first-invite";
  machine.onStart = () => machine.finish(0);
  assert.equal(await machine.run("start", "--bind", "0.0.0.0:1", "--domain", "example.org"), 0);
  assert.match(machine.out, /^Roost \S+ serves example\.org at http:\/\/h:1\n.*first-invite\n$/);
  assert.match(machine.err, /^roost: warning: 0\.0\.0\.0:1 is open to others without TLS/);
  assert.equal(machine.started!.dataDir, "roost-data");
  assert.equal(machine.started!.registration.mode, "invite");
});

Deno.test("roost drains at the first signal and stops at the second", async () => {
  const machine = new FakeMachine();
  machine.onStart = () => {
    machine.signal("SIGTERM");
    assert.equal(machine.stops, 1);
    machine.finish(0);
  };
  assert.equal(await machine.run(), 0);
  machine.onStart = () => {
    machine.signal("SIGINT");
    machine.signal("SIGINT");
  };
  assert.equal(await machine.run(), 1);
  assert.equal(machine.stops, 2);
});

Deno.test("roost that gets a signal while it starts drains as soon as it serves", async () => {
  const machine = new FakeMachine();
  const { launcher, ...rest } = machine.host();
  const host: CliHost = {
    ...rest,
    launcher: async () => {
      const { startRoost, ...others } = await launcher();
      const slow: typeof startRoost = (...given) => {
        machine.signal("SIGTERM");
        assert.equal(machine.stops, 0);
        return startRoost(...given);
      };
      return { startRoost: slow, ...others };
    },
  };
  machine.onStart = () => {
    assert.equal(machine.stops, 1);
    machine.finish(0);
  };
  assert.equal(await runCli([], host, []), 0);
});

Deno.test("roost that gets a signal while it waits for its role in a standby ends at once", async () => {
  for (const signals of [["SIGTERM"], ["SIGTERM", "SIGINT"]]) {
    const machine = new FakeMachine();
    const { launcher, ...rest } = machine.host();
    const host: CliHost = {
      ...rest,
      launcher: async () => ({
        ...await launcher(),
        startRoost: (_config, _settings, _input, ending) => {
          // One that is busy with something else than waiting does not look at it.
          const waits = signals.length === 1;
          return new Promise((_, reject) => {
            if (waits) ending.addEventListener("abort", () => reject(new StartEnded()));
            for (const signal of signals) machine.signal(signal);
          });
        },
      }),
    };
    assert.equal(await runCli([], host, []), signals.length - 1);
  }
});

Deno.test("roost exits with what the node exits with, and 1 where it cannot start", async () => {
  const machine = new FakeMachine();
  machine.onStart = () => machine.finish(1);
  assert.equal(await machine.run(), 1);
  const host: CliHost = {
    ...machine.host(),
    launcher: () => Promise.reject(new Error("Cannot use --data x", { cause: new Error("why") })),
  };
  assert.equal(await runCli([], host, []), 1);
  assert.equal(machine.err, "roost: Cannot use --data x (why)\n");
});

Deno.test("wrong usage exits with 2, says what is meant, and starts nothing", async () => {
  const rows: readonly (readonly [readonly string[], RegExp])[] = [
    [["strat"], /^roost: there is no command strat: did you mean start\?\n$/],
    [["frobnicate"], /^roost: there is no command frobnicate: see roost --help\n$/],
    [["--dat", "x"], /unknown option '--dat'[^]*--data/],
    [["start", "now"], /too many arguments/],
    [["user"], /Usage: roost user/],
    [["user", "ad", "alice"], /^roost: there is no command user ad: did you mean user add\?\n$/],
    [["shards", "nope"], /^roost: there is no command shards nope: see roost shards --help\n$/],
    [["help", "usr"], /^roost: there is no command usr: did you mean user\?\n$/],
    [["user", "add"], /^roost: missing required argument 'name'/],
    [["--set", "limits.rosterMax"], /^roost: --set limits\.rosterMax has no value/],
    [["--set", "limits.rostrMax=1"], /did you mean limits\.rosterMax\?/],
    [["--config", "none.toml"], /^roost: Cannot read none\.toml: there is no such file\n$/],
  ];
  for (const [args, message] of rows) {
    const machine = new FakeMachine();
    assert.equal(await machine.run(...args), 2, args.join(" "));
    assert.match(machine.err, message);
    assert.equal(machine.started, null);
    assert.equal(machine.out, "");
  }
});

Deno.test("help and version go to standard output and exit with 0", async () => {
  for (const args of [["--version"], ["-V"], ["version"]]) {
    const machine = new FakeMachine();
    assert.equal(await machine.run(...args), 0);
    assert.equal(machine.out, `roost ${VERSION}\n`);
  }
  for (const args of [["--help"], ["help"], ["user", "--help"], ["help", "start"]]) {
    const machine = new FakeMachine();
    assert.equal(await machine.run(...args), 0);
    assert.match(machine.out, /^Usage: roost /);
    assert.equal(machine.err, "");
  }
  for (const args of [["help", "user", "add"], ["user", "help", "add"], ["user", "add", "-h"]]) {
    const machine = new FakeMachine();
    assert.equal(await machine.run(...args), 0);
    assert.match(machine.out, /^Usage: roost user add /, args.join(" "));
  }
});

Deno.test("roost config check prints every fault on a line and exits with 2", async () => {
  const machine = new FakeMachine();
  machine.files.set("/etc/roost.toml", "[limits]\nrosterMax = 0\nrosterMx = 1\n");
  machine.env["ROOST_CONFIG"] = "/etc/roost.toml";
  assert.equal(await machine.run("config", "check"), 2);
  assert.deepEqual(machine.err.split("\n").map((line) => line.slice(0, 35)), [
    "roost: limits.rosterMx in /etc/roos",
    "roost: limits.rosterMax is 0 in /et",
    "",
  ]);
  machine.files.set("/etc/roost.toml", "[limits]\nrosterMax = 3\n");
  assert.equal(await machine.run("config", "check"), 0);
  assert.equal(machine.out, "The configuration is valid.\n");
});

Deno.test("roost config check looks into the files that are named, config show does not", async () => {
  const machine = new FakeMachine();
  machine.fileFaults = ["Cannot read server.tlsCert x", "Cannot use the jwt settings"];
  assert.equal(await machine.run("config", "check"), 2);
  assert.equal(machine.err, machine.fileFaults.map((fault) => `roost: ${fault}\n`).join(""));
  assert.equal(machine.out, "");
  assert.equal(await machine.run("config", "show"), 0);
});

Deno.test("roost config show prints all settings as TOML or JSON", async () => {
  const machine = new FakeMachine();
  const args = ["--data", "d", "--log-level", "debug"];
  assert.equal(await machine.run("config", "show", ...args), 0);
  assert.match(machine.out, /^# .*\n[^]*\[log\]\n[^]*\nlevel = "debug" {2}# flag --log-level\n/);
  machine.out = "";
  assert.equal(await machine.run("config", "show", "--json", ...args), 0);
  const { dataDir, settings } = JSON.parse(machine.out);
  assert.equal(dataDir, "d");
  assert.equal(settings["log.level"].value, "debug");
});

for (const online of [true, false]) {
  const where = online ? "the running server" : "the store while no server runs";

  Deno.test(`roost user and roost invite work on ${where}`, async () => {
    const machine = new FakeMachine();
    machine.online = online;
    machine.stdin = "correct horse\n";
    const data = ["--data", "d"];
    assert.equal(await machine.run("user", "add", "Alice", "--password-stdin", ...data), 0);
    assert.equal(machine.fake.passwords.get("alice"), "correct horse");
    machine.typed = ["battery staple", "battery staple"];
    assert.equal(await machine.run("user", "passwd", "alice", ...data), 0);
    assert.equal(machine.fake.passwords.get("alice"), "battery staple");
    assert.equal(await machine.run("user", "disable", "alice", ...data), 0);
    assert.equal(machine.fake.accounts.get("alice")!.state, "disabled");
    assert.equal(await machine.run("user", "enable", "alice", ...data), 0);
    assert.equal(machine.fake.accounts.get("alice")!.state, "active");
    assert.equal(await machine.run("user", "add", "bob", "--no-password", ...data), 0);
    assert.equal(machine.fake.passwords.get("bob"), null);
    assert.equal(await machine.run("user", "remove", "bob", "--yes", ...data), 0);
    assert.equal(machine.fake.accounts.get("bob")!.state, "deleted");
    assert.equal(await machine.run("user", "release", "bob", ...data), 0);
    assert.ok(!machine.fake.accounts.has("bob"));
    machine.out = "";
    assert.equal(await machine.run("invite", "create", ...data), 0);
    assert.equal(machine.out, "invite-code\n");
    assert.equal(machine.offline, online ? "unused" : "closed");
    assert.deepEqual([...new Set(machine.sockets)], ["d/admin.sock"]);
  });
}

Deno.test("only roost user add makes a data directory, and tells the domain that it has", async () => {
  const machine = new FakeMachine();
  machine.ownDomain = "old.example.org";
  const add = ["user", "add", "alice", "--no-password", "--domain", "new.example.org"];
  assert.equal(await machine.run(...add), 0);
  assert.equal(machine.made, true);
  assert.equal(machine.out, "alice@old.example.org is created.\n");
  machine.typed = ["battery staple", "battery staple"];
  const others = ["user list", "user passwd alice", "user disable alice", "user enable alice"];
  for (
    const line of [...others, "user remove alice --yes", "user release alice", "invite create"]
  ) {
    machine.made = true;
    assert.equal(await machine.run(...line.split(" ")), 0, line);
    assert.equal(machine.made, false, line);
  }
});

Deno.test("roost user list prints every page as a table or as JSON", async () => {
  const machine = new FakeMachine();
  machine.online = true;
  for (let i = 0; i < 250; i++) {
    await machine.run("user", "add", `user${String(i).padStart(3, "0")}`, "--no-password");
  }
  machine.out = "";
  assert.equal(await machine.run("user", "list"), 0);
  const lines = machine.out.split("\n");
  assert.equal(lines.length, 252);
  assert.equal(lines[0], "NAME     STATE   DEVICES  SESSIONS  CONTACTS  EVENTS  CREATED");
  assert.equal(lines[250], "user249  active  2        1         3         4       2026-01-02");
  machine.out = "";
  assert.equal(await machine.run("user", "list", "--json"), 0);
  assert.equal(JSON.parse(machine.out).length, 250);
});

Deno.test("roost user list leaves the load tool's users out, and --synthetic lists them", async () => {
  const machine = new FakeMachine();
  machine.online = true;
  machine.fake.add("alice");
  machine.fake.add("roost.dark.000007");
  const names = async (...flags: string[]) => {
    machine.out = machine.err = "";
    assert.equal(await machine.run("user", "list", "--json", ...flags), 0);
    return JSON.parse(machine.out).map((account: { name: string }) => account.name);
  };
  assert.deepEqual(await names(), ["alice"]);
  assert.equal(machine.err, "Synthetic accounts left out: 1 (--synthetic).\n");
  assert.deepEqual(await names("--synthetic"), ["roost.dark.000007"]);
  assert.equal(machine.err, "");
});

Deno.test("roost user add refuses the load tool's names, and says whose they are", async () => {
  const machine = new FakeMachine();
  machine.online = true;
  for (const name of ["roost.dark.000007", "Roost.Fan", "roost.fan@example.org"]) {
    assert.equal(await machine.run("user", "add", name, "--no-password"), 1, name);
    assert.match(machine.err, /reserved for the synthetic users of roost load/);
    machine.err = "";
  }
  assert.equal(machine.fake.accounts.size, 0);
});

Deno.test("roost user takes passwords from the terminal or standard input only", async () => {
  const rows: readonly (readonly [string[] | null, string, readonly string[], RegExp])[] = [
    [null, "", ["add", "alice", "s3cret-value"], /too many arguments/],
    [null, "", ["add", "alice"], /no password was given: type one, or use --password-stdin/],
    [["one password", "another one"], "", ["add", "alice"], /the two passwords differ/],
    [null, "", ["add", "alice", "--password-stdin"], /standard input is empty/],
    [null, "a password\nmore\n", ["passwd", "alice", "--password-stdin"], /several lines/],
    [null, "", ["add", "a", "--no-password", "--password-stdin"], /exclude each other/],
  ];
  for (const [typed, stdin, args, message] of rows) {
    const machine = new FakeMachine();
    machine.typed = typed;
    machine.stdin = stdin;
    assert.equal(await machine.run("user", ...args), 2, args.join(" "));
    assert.match(machine.err, message);
    assert.doesNotMatch(machine.err, /password (one|another)/);
    assert.equal(machine.fake.accounts.size, 0);
  }
});

Deno.test("roost user exits with 1 where the operation is refused, and closes the store", async () => {
  const machine = new FakeMachine();
  assert.equal(await machine.run("user", "disable", "nobody"), 1);
  assert.equal(machine.err, "roost: There is no such account\n");
  assert.equal(machine.offline, "closed");
  assert.equal(machine.out, "");
});

Deno.test("11: roost secret create prints a new secret, and nothing else", async () => {
  const machine = new FakeMachine();
  assert.equal(await machine.run("secret", "create"), 0);
  assert.deepEqual([machine.out, machine.err], ["a new secret\n", ""]);
});
