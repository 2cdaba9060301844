/** When certificates are ordered, by whom, and what is said where that fails. */
import assert from "node:assert/strict";
import { AcmeError, type AcmeIssuer, faultOf } from "../../server/acme/issuer.ts";
import {
  type AcmeGoal,
  begun,
  failed,
  HURRIED_MS,
  NO_STATE,
  orderAtMs,
  renewAtMs,
  succeeded,
} from "../../server/acme/state.ts";
import { acmeDomains } from "../../server/config/acme.ts";
import { configOf, resolveConfig } from "../../server/config/config.ts";
import { httpsUrl } from "../../server/acme/http_port.ts";
import { memoryLog } from "../sim/sim_ports.ts";
import { Renewer } from "../../server/acme/renewer.ts";
import type { Registers } from "../../server/node/cell_value.ts";
import { retries } from "../../server/settings.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

const GOAL: AcmeGoal = { directory: "https://a/dir", email: "y@e.org", domains: ["c.e.org"] };
const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

function certificate(startsAtMs: number, text = "one") {
  const times = { startsAtMs, expiresAtMs: startsAtMs + 90 * DAY_MS };
  return { cert: text, key: "k", ...times, renewAtMs: renewAtMs(times, 0) };
}

Deno.test("13: renewAtMs is when a third of the time is left, or a little before", () => {
  const times = { startsAtMs: 0, expiresAtMs: 90 * DAY_MS };
  assert.equal(renewAtMs(times, 0), 60 * DAY_MS);
  assert.equal(renewAtMs(times, 0.5), 58.5 * DAY_MS);
});

Deno.test("13: an order counts as failed before it has begun, until it succeeds", () => {
  const first = begun(NO_STATE, GOAL, 1000, (tries) => tries * 100);
  assert.equal(orderAtMs(NO_STATE, GOAL), 0);
  assert.deepEqual([first.tries, orderAtMs(first, GOAL)], [1, 1100]);
  const second = begun(first, GOAL, 1100, (tries) => tries * 100);
  assert.deepEqual([second.tries, orderAtMs(second, GOAL)], [2, 1300]);
  const done = succeeded(second, certificate(2000));
  assert.deepEqual([done.tries, orderAtMs(done, GOAL)], [0, 2000 + 60 * DAY_MS]);
  // Other names, or another authority, are ordered at once.
  assert.equal(orderAtMs(second, { ...GOAL, domains: ["d.e.org"] }), 0);
  assert.equal(begun(second, { ...GOAL, directory: "https://b/dir" }, 5, () => 1).tries, 1);
});

Deno.test("13: an operator hurries an order, but not past what the authority asks for", () => {
  const tried = begun(NO_STATE, GOAL, 1000, () => HOUR_MS);
  assert.equal(orderAtMs(tried, GOAL, true), 1000 + HURRIED_MS);
  const asked = failed(tried, 2000, 3 * HOUR_MS);
  assert.equal(orderAtMs(asked, GOAL, true), 2000 + 3 * HOUR_MS);
});

/** A store with registers alone, which several nodes share. */
class SharedRegisters {
  readonly #rows = new Map<string, { value: Uint8Array; version: number }>();
  readonly #watchers = new Set<(version: number) => void>();

  readonly registers: Registers = {
    register: (name, done) => done(null, this.#rows.get(name) ?? null),
    cas: (name, version, value, _rows, done) => {
      if ((this.#rows.get(name)?.version ?? 0) !== version) return done(null, false);
      this.#rows.set(name, { value, version: version + 1 });
      done(null, true);
      for (const changed of this.#watchers) changed(version + 1);
    },
    watch: (_name, changed) => {
      this.#watchers.add(changed);
      return () => void this.#watchers.delete(changed);
    },
  };
}

/** Nodes of one cell whose authority is `issue`. */
function cell(nodes: number, issue: AcmeIssuer) {
  const time = new VirtualTime();
  const { clock, timers } = time.process();
  const { registers: store } = new SharedRegisters();
  const served: string[][] = [];
  const { log, lines } = memoryLog();
  const start = (issueOwn = issue) => {
    const own: string[] = [];
    served.push(own);
    const renewer = new Renewer({
      store,
      clock,
      timers,
      random: { number: () => 0 },
      log,
      retries: retries(configOf("/data")),
      issue: issueOwn,
      read: () => certificate(clock.wallMs()),
      serve: ({ cert }) => void own.push(cert),
      counters: { done: 0, failed: 0 },
    }, GOAL);
    renewer.start();
    return renewer;
  };
  const renewers = Array.from({ length: nodes }, () => start());
  /** Lets time pass, and what waits for promises go on. */
  const pass = async (ms: number, steps = 100) => {
    for (let i = 0; i < steps; i++) {
      time.runFor(ms / steps);
      for (let turn = 0; turn < 20; turn++) await Promise.resolve();
    }
  };
  return { lines, pass, renewers, served, start };
}

Deno.test("13: one node of a cell orders, all serve it, and one orders the next in time", async () => {
  let orders = 0;
  const { pass, served } = cell(3, () => Promise.resolve({ cert: `c${++orders}`, key: "k" }));
  await pass(60_000);
  assert.deepEqual(served, [["c1"], ["c1"], ["c1"]]);
  await pass(59 * DAY_MS, 2000);
  assert.equal(orders, 1);
  await pass(2 * DAY_MS, 2000);
  assert.deepEqual(served, [["c1", "c2"], ["c1", "c2"], ["c1", "c2"]]);
});

Deno.test("13: orders that fail come five times in the first hour at most, and say why", async () => {
  let orders = 0;
  const { lines, pass } = cell(2, () => {
    orders++;
    return Promise.reject(new AcmeError("dns", "no A record for c.e.org"));
  });
  await pass(HOUR_MS - 1000, 4000);
  assert.equal(orders, 5);
  const told = JSON.stringify(lines);
  assert.match(told, /finds no address for that name: set its A or AAAA record/);
  assert.match(told, /none: clients cannot connect/);
});

Deno.test("13: an authority that asks for time gets it, across restarts", async () => {
  let orders = 0;
  const limited: AcmeIssuer = () => {
    orders++;
    return Promise.reject(new AcmeError("rate_limited", "too many", 5 * HOUR_MS));
  };
  const { pass, renewers, start } = cell(1, limited);
  await pass(1000);
  assert.equal(orders, 1);
  for (let i = 0; i < 20; i++) {
    renewers.splice(0).forEach((renewer) => renewer.stop());
    const next = start();
    next.hurry();
    renewers.push(next);
    await pass(600_000);
  }
  assert.equal(orders, 1);
  await pass(2 * HOUR_MS, 400);
  assert.equal(orders, 2);
});

Deno.test("13: a node that dies while it orders leaves the order to others, later", async () => {
  let orders = 0;
  const never: AcmeIssuer = () => {
    orders++;
    return new Promise(() => {});
  };
  const { pass, renewers, served, start } = cell(1, never);
  await pass(1000);
  renewers[0]!.stop();
  start(() => Promise.resolve({ cert: `c${++orders}`, key: "k" }));
  await pass(60_000);
  assert.equal(orders, 1);
  await pass(800_000);
  assert.deepEqual(served[1], ["c2"]);
});

Deno.test("13: faultOf tells what an operator can mend", () => {
  const type = (name: string) => faultOf(`urn:ietf:params:acme:error:${name}`);
  assert.deepEqual(
    ["rateLimited", "connection", "dns", "unauthorized", "caa", "malformed"].map(type),
    ["rate_limited", "connection", "dns", "wrong_answer", "caa", "refused"],
  );
});

Deno.test("13: --domain and --acme bind port 443; what no authority certifies is refused", () => {
  const read = (settings: Readonly<Record<string, string>>) =>
    resolveConfig({
      dataDir: "/d",
      file: null,
      env: {},
      flags: Object.entries(settings).map(([key, text]) => ({ flag: key, key, text })),
      filesMax: null,
      cwd: "/",
    });
  const both = { "server.domain": "chat.example.org", "acme.email": "you@example.org" };
  const result = read(both);
  assert.ok(result.ok);
  assert.deepEqual(result.config.server.bind, { host: "0.0.0.0", port: 443 });
  assert.equal(result.config.registration.mode, "invite");
  assert.deepEqual(acmeDomains(result.config), ["chat.example.org"]);
  assert.deepEqual(result.warnings, []);
  const other = read({ ...both, "server.publicUrl": "https://im.example.org" });
  assert.ok(other.ok);
  assert.deepEqual(acmeDomains(other.config), ["im.example.org"]);
  const faults: readonly (readonly [Readonly<Record<string, string>>, RegExp])[] = [
    [{ "acme.email": "you@example.org" }, /no authority certifies localhost: set server\.domain/],
    [{ ...both, "server.tlsCert": "c", "server.tlsKey": "k" }, /both set: keep one/],
    [{ "acme.domains": "a.example.org" }, /acme settings are set without acme\.email/],
    [{ ...both, "acme.directory": "http://a/dir" }, /acme\.directory is "http:\/\/a\/dir"/],
    [{ ...both, "acme.email": "you" }, /acme\.email is "you" in/],
  ];
  for (const [settings, message] of faults) {
    const refused = read(settings);
    assert.ok(!refused.ok);
    assert.match(refused.errors.join("\n"), message);
  }
});

Deno.test("13: port 80 sends to https of its own names alone", () => {
  const at = { domains: ["c.e.org"], httpsPort: 443 };
  assert.equal(httpsUrl(at, "c.e.org", "/a?b=c"), "https://c.e.org/a?b=c");
  assert.equal(httpsUrl(at, "C.e.org.:80", "/"), "https://c.e.org/");
  assert.equal(httpsUrl({ ...at, httpsPort: 8443 }, "c.e.org:8080", "/"), "https://c.e.org:8443/");
  for (const host of [undefined, "", "e.org", "c.e.org.evil.example", "evil.example"]) {
    assert.equal(httpsUrl(at, host, "/"), null);
  }
  assert.equal(httpsUrl(at, "c.e.org", "http://evil.example/"), null);
});
