/** When the configuration of a running server is read again, and what the server is given then. */
import assert from "node:assert/strict";
import { FakeMachine } from "./cli_machine.ts";

/** Lets what has been asked for go on. */
async function turns(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}

const FILE = "roost-data/roost.toml";

function serving(act: (machine: FakeMachine) => Promise<void>): Promise<FakeMachine> {
  const machine = new FakeMachine();
  let acted = false;
  machine.onStart = () => {
    if (acted) return;
    acted = true;
    act(machine).finally(() => machine.finish(0));
  };
  return machine.run("start").then((code) => {
    assert.equal(code, 0);
    return machine;
  });
}

Deno.test("13: SIGHUP has a server go on with what the settings file says now", async () => {
  const { notified, reloads } = await serving(async (machine) => {
    assert.deepEqual(machine.watched, [`/cwd/${FILE}`]);
    machine.files.set(FILE, '[log]\nlevel = "warn"\n[server]\ntlsCert = "c"\ntlsKey = "k"\n');
    machine.hangUp();
    await turns();
    assert.deepEqual(machine.watched.slice(1), ["/cwd/roost-data/c", "/cwd/roost-data/k"]);
  });
  const [next, ...others] = reloads;
  assert.equal(others.length, 0);
  assert.ok(next?.kind === "config");
  assert.equal(next.config.log.level, "warn");
  assert.equal(next.settings.find(({ key }) => key === "log.level")?.value, "warn");
  assert.equal(notified.filter((text) => text === "READY=1").length, 2);
  assert.ok(notified.indexOf("RELOADING=1") < notified.lastIndexOf("READY=1"));
});

Deno.test("13: settings that cannot be used are given as their faults", async () => {
  const { reloads, err } = await serving(async (machine) => {
    machine.files.set(FILE, "[log]\nlevel = 7\n");
    machine.changed();
    await turns();
  });
  assert.equal(err, "");
  assert.deepEqual(reloads, [{
    kind: "faults",
    faults: ["log.level is 7 in roost-data/roost.toml: it must be one of debug, info, warn, error"],
  }]);
});

Deno.test("13: a storm of SIGHUP is the reload under way and one more", async () => {
  let done = () => {};
  const { notified, reloads } = await serving(async (machine) => {
    machine.reloaded = new Promise((resolve) => done = resolve);
    for (let i = 0; i < 1000; i++) machine.hangUp();
    await turns();
    assert.equal(machine.reloads.length, 1);
    for (let i = 0; i < 1000; i++) machine.hangUp();
    done();
    await turns();
    assert.equal(machine.reloads.length, 2);
    machine.hangUp();
    await turns();
  });
  assert.equal(reloads.length, 3);
  assert.equal(notified.filter((text) => text === "RELOADING=1").length, 2);
});

Deno.test("13: SIGHUP before a server serves is a reload when it does, and none once it ends", async () => {
  const machine = new FakeMachine();
  const { launcher, ...host } = machine.host();
  const { runCli } = await import("../../server/cli/cli.ts");
  machine.onStart = async () => {
    await turns();
    machine.signal("SIGTERM");
    machine.finish(0);
  };
  const code = await runCli(["start"], {
    ...host,
    launcher: async () => {
      machine.hangUp();
      return await launcher();
    },
  }, []);
  assert.equal(code, 0);
  assert.equal(machine.reloads.length, 1);
  assert.throws(machine.hangUp, /nobody listens/);
  assert.deepEqual(machine.watched, []);
});
