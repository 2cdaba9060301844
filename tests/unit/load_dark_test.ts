import assert from "node:assert/strict";
import { type Console, consoleOf, type LoadPorts } from "../../server/load/ports.ts";
import { type DarkRequest, type LoadRequest, readRequest } from "../../server/load/load_options.ts";
import { LoadFixture, POOL } from "./load_fixture.ts";
import type { Machine } from "../../server/load/machine.ts";
import { NoServerError } from "../../server/ops/socket.ts";
import { parsePool } from "../../server/load/pool.ts";
import { perform } from "../../server/load/perform.ts";
import type { RawLoadOptions, Request } from "../../server/load/load_options.ts";
import { UsageError } from "../../server/cli/host.ts";

/** A machine, an admin socket and a console in memory, beside a fake server. */
class DarkFixture extends LoadFixture {
  readonly files = new Map<string, string>();
  readonly steps: string[] = [];
  out = "";
  notes: string[] = [];
  adminRuns = true;
  signal: () => void = () => assert.fail("nobody listens for signals");

  machine(): Machine {
    const none = () => assert.fail("not needed here");
    return {
      nowUs: () => this.nowUs(),
      own: () => ({ cpuUs: 0, rssBytes: 0 }),
      cores: 2,
      cpuModel: "none",
      commandLine: "roost load",
      stateDir: "/state",
      live: false,
      readFile: (path) => Promise.resolve(this.files.get(path) ?? null),
      writeFile: (path, text) => Promise.resolve(void this.files.set(path, text)),
      appendFile: (path, text) =>
        Promise.resolve(void this.files.set(path, (this.files.get(path) ?? "") + text)),
      removeFile: (path) => Promise.resolve(void this.files.delete(path)),
      use: () => null,
      serverPid: () => null,
      child: none,
    };
  }

  loadPorts(): LoadPorts {
    const console: Console = {
      out: (text) => this.out += text,
      note: (text) => this.notes.push(text),
      progress: () => {},
    };
    return {
      ...this.ports(),
      clock: this.time.global.clock,
      machine: this.machine(),
      console,
      adminSocket: () => ({ path, body }) => {
        if (!this.adminRuns) return Promise.reject(new NoServerError("nobody"));
        const { step } = (body ?? {}) as { readonly step?: string };
        if (step !== undefined) this.steps.push(step);
        const status = path === "/admin/status" || step !== undefined ? 200 : 404;
        return Promise.resolve({ status, body: { done: 1, left: 0, refusal: null } });
      },
      onSignal: (run) => {
        this.signal = () => run("SIGTERM");
        return () => this.signal = () => {};
      },
    };
  }

  perform(request: Request): Promise<number> {
    return this.until(perform(this.loadPorts(), request));
  }
}

function request(scenario: string | null, raw: RawLoadOptions): Request {
  const read = readRequest(scenario, { pool: POOL, ...raw }, { filesMax: 1000 });
  assert.ok(!("length" in read), JSON.stringify(read));
  return read;
}

function dark(raw: RawLoadOptions = {}): DarkRequest {
  const shape = { users: "12", contacts: "4", rate: "10", report: "10s" };
  return request(null, { dark: true, ...shape, ...raw }) as DarkRequest;
}

Deno.test("dark: reports at intervals, holds its objective, and removes its users", async () => {
  const fixture = new DarkFixture();
  const code = await fixture.perform(dark({ seconds: "60s", json: "/r.ndjson", html: "/r.html" }));
  assert.equal(code, 0, fixture.out);
  const reports = fixture.files.get("/r.ndjson")!.trim().split("\n").map((line) =>
    JSON.parse(line)
  );
  assert.ok(reports.length >= 6 && reports.length <= 7, `${reports.length}`);
  // Half of the operations are messages to one, half presence for four.
  const last = reports.at(-1).overall;
  assert.deepEqual([last.expected, last.arrived, last.lost, last.held], [1500, 1500, 0, true]);
  assert.ok(last.p99Ms < 10);
  assert.match(fixture.files.get("/r.html")!, /The objective holds/);
  assert.match(fixture.out, /^The objective held: 100\.000 % of 1,500 delivered/);
  assert.deepEqual(fixture.steps, ["accounts", "contacts", "check", "remove"]);
  assert.deepEqual([...fixture.files.keys()].filter((path) => path.startsWith("/state")), []);
});

Deno.test("dark: goes on until it is stopped", async () => {
  const fixture = new DarkFixture();
  fixture.time.global.timers.after(7_200_000, () => fixture.signal());
  assert.equal(await fixture.perform(dark({ rate: "0.1", report: "1h" })), 0);
  assert.match(fixture.out, /of 1,[78]\d\d delivered/);
  assert.equal(fixture.steps.at(-1), "remove");
});

Deno.test("dark: an outage is counted in full, and survived", async () => {
  const fixture = new DarkFixture();
  const { timers } = fixture.time.global;
  timers.after(30_000, () => {
    fixture.server.busy = 200;
    fixture.server.breakAll();
  });
  const code = await fixture.perform(dark({ seconds: "120s", json: "/r.ndjson" }));
  assert.equal(code, 1);
  assert.match(fixture.out, /^THE OBJECTIVE DID NOT HOLD: 9\d\.\d+ % of 3,000 delivered/);
  const reports = fixture.files.get("/r.ndjson")!.trim().split("\n").map((line) =>
    JSON.parse(line)
  );
  assert.ok(reports.some(({ held }) => !held));
  assert.equal(reports.at(-1).held, true);
  assert.equal(reports.at(-1).online, 12);
  assert.equal(reports.at(-1).broken, 12);
});

Deno.test("dark: users are removed where a report cannot be written, too", async () => {
  const fixture = new DarkFixture();
  const ports = fixture.loadPorts();
  const appendFile = () => Promise.reject(new Error("the disk is full"));
  const broken = { ...ports, machine: { ...ports.machine, appendFile } };
  await assert.rejects(
    fixture.until(perform(broken, dark({ seconds: "60s", json: "/r.ndjson" }))),
    /the disk is full/,
  );
  assert.equal(fixture.steps.at(-1), "remove");
});

Deno.test("dark: stopped while its users are being made, it leaves none", async () => {
  const fixture = new DarkFixture();
  const ports = fixture.loadPorts();
  const adminSocket: LoadPorts["adminSocket"] = (path) => {
    const send = ports.adminSocket(path);
    return (request) => {
      if (fixture.steps.at(-1) === "contacts") fixture.signal();
      return send(request);
    };
  };
  const code = await fixture.until(perform({ ...ports, adminSocket }, dark({ seconds: "9h" })));
  assert.equal(code, 0);
  assert.equal(fixture.steps.at(-1), "remove");
  assert.match(fixture.out, /of 0 delivered/);
});

Deno.test("dark: users it cannot remove are not made", async () => {
  const fixture = new DarkFixture();
  await assert.rejects(fixture.perform(dark({ provision: "public" })), UsageError);
  fixture.adminRuns = false;
  await assert.rejects(fixture.perform(dark()), /no server runs on the data directory/);
  assert.equal(fixture.server.connections <= 2, true);
});

Deno.test("load: users are made once, reused, and removed when that is asked for", async () => {
  const fixture = new DarkFixture();
  const shape = { users: "12", contacts: "4", rate: "20", seconds: "3s" };
  assert.equal(await fixture.perform(request("presence", shape)), 0, fixture.out);
  assert.match(fixture.out, /12 users with 4 contacts each/);
  const [path] = [...fixture.files.keys()];
  const kept = parsePool(fixture.files.get(path!)!);
  assert.ok(typeof kept !== "string" && kept.complete);
  assert.equal(await fixture.perform(request("chat", { ...shape, json: "-" })), 0);
  assert.deepEqual(fixture.steps, ["accounts", "contacts", "check"]);
  const { messages } = JSON.parse(fixture.out.slice(fixture.out.lastIndexOf('\n{\n "v": 1')));
  assert.equal(messages.received, 60);
  assert.equal(await fixture.perform(request(null, { ...shape, remove: true })), 0);
  assert.equal(fixture.steps.at(-1), "remove");
  assert.equal(fixture.files.size, 0);
});

Deno.test("load: a state file that does not fit is not overwritten", async () => {
  const fixture = new DarkFixture();
  const shape = { users: "12", contacts: "4", seconds: "1s", state: "/my.json" };
  fixture.files.set("/my.json", "{}");
  await assert.rejects(fixture.perform(request("idle", shape)), /is no pool of users: v/);
  fixture.files.set("/my.json", JSON.stringify({ ...fixture.pool, complete: true }));
  await assert.rejects(fixture.perform(request("idle", shape)), /does not fit: it is for/);
  assert.match(fixture.files.get("/my.json")!, /"complete":true/);
});

Deno.test("load: a signal ends a run early, with a report and a bad exit code", async () => {
  const fixture = new DarkFixture();
  const shape = { users: "12", contacts: "4", rate: "20", seconds: "1h" };
  fixture.time.global.timers.after(10_000, () => fixture.signal());
  const run = request("presence", shape) as LoadRequest;
  assert.equal(await fixture.perform(run), 1);
  assert.match(fixture.out, /The run was stopped: what was on its way/);
});

Deno.test("consoleOf rewrites progress on a terminal, and is sparing elsewhere", () => {
  let err = "";
  let out = "";
  const host = { out: (text: string) => out += text, err: (text: string) => err += text };
  const live = consoleOf(host, true, false);
  live.progress("a");
  live.progress("b");
  live.out("result\n");
  live.note("n");
  assert.equal(err, "\r\x1b[Ka\r\x1b[Kb\r\x1b[Kn\n");
  assert.equal(out, "result\n");
  err = "";
  const file = consoleOf(host, false, false);
  for (let i = 0; i < 20; i++) file.progress(`${i}`);
  assert.equal(err, "0\n10\n");
  err = "";
  consoleOf(host, true, true).progress("a");
  assert.equal(err, "");
});
