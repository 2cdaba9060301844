import assert from "node:assert/strict";
import { type RawLoadOptions, readRequest } from "../../server/load/load_options.ts";
import { isLoopback, parseTarget, sourceAddress, type Target } from "../../server/load/target.ts";
import { SCENARIOS } from "../../server/load/scenario.ts";

const MACHINE = { filesMax: 20_000 };

function read(scenario: string | null, raw: RawLoadOptions = {}) {
  return readRequest(scenario, raw, MACHINE);
}

/** What is wrong with it, as one text. */
function faults(scenario: string | null, raw: RawLoadOptions = {}): string {
  const request = read(scenario, raw);
  return "length" in request ? request.join("\n") : "";
}

function scenario(name: string, raw: RawLoadOptions = {}) {
  const request = read(name, raw);
  assert.ok(!("length" in request) && request.kind === "scenario", JSON.stringify(request));
  return request;
}

Deno.test("readRequest fills in defaults that fit each scenario", () => {
  for (const { name, users } of SCENARIOS) {
    const request = scenario(name);
    assert.equal(request.users, users);
    assert.equal(request.contacts, 40);
    assert.equal(request.pool, `roost.${users}x40`);
    assert.equal(request.target.url, "http://127.0.0.1:8420");
    assert.equal(request.provision, "admin");
    assert.equal(request.processes, 1);
    const phases = request.scenario.phases(request.options);
    assert.equal(phases.some(({ measured }) => measured), name !== "provision");
  }
  assert.equal(scenario("presence", { users: "10" }).contacts, 8);
  assert.equal(scenario("idle", { users: "60000" }).processes, 4);
});

Deno.test("readRequest takes what it is given", () => {
  const request = scenario("login", {
    url: "http://127.0.0.1:9000",
    users: "500",
    contacts: "10",
    rate: "12.5",
    online: "100",
    presenceRate: "7",
    auth: "scram",
    processes: "2",
    seconds: "2m",
    json: "-",
    remove: true,
  });
  const { rate, online, presenceRate, seconds } = request.options;
  assert.deepEqual([rate, online, presenceRate, seconds], [12.5, 100, 7, 120]);
  assert.deepEqual([request.auth, request.processes, request.json], ["scram", 2, "-"]);
  assert.ok(request.remove);
});

Deno.test("readRequest: contacts who never come make another pool", () => {
  const request = scenario("presence", { users: "100", contacts: "10", absent: "30" });
  assert.deepEqual([request.absent, request.pool], [30, "roost.100x10-30"]);
  assert.equal(scenario("presence").absent, 0);
});

const WRONG: readonly (readonly [string | null, RawLoadOptions, RegExp])[] = [
  [null, {}, /name a scenario \(login, presence/],
  ["storm", {}, /no scenario storm/],
  ["chat", { users: "many" }, /--users is many, must be 2 to 1000000/],
  ["chat", { contacts: "7" }, /must be an even number/],
  ["chat", { contacts: "1000" }, /must be less than users/],
  ["chat", { rate: "0" }, /--rate is 0/],
  ["chat", { seconds: "soon" }, /--seconds is soon: write for example 90s/],
  ["chat", { auth: "magic" }, /--auth is magic: use token, password, scram/],
  ["poll", { auth: "scram" }, /needs tokens/],
  ["login", { online: "1000" }, /must be less than --users/],
  ["chat", { pool: "No" }, /--pool No/],
  ["chat", { url: "ftp://x" }, /has the scheme ftp/],
  ["chat", { url: "http://127.0.0.1/chat" }, /more than an address/],
  ["chat", { url: "https://chat.example.org" }, /an attack on a server that is not yours/],
  ["chat", { dark: true }, /--dark takes no scenario/],
  [null, { dark: true, contacts: "0" }, /no deliveries/],
  ["chat", { provision: "public", pool: "roost.mine" }, /--pool roost\.mine: .*reserved/],
];

for (const [name, raw, wanted] of WRONG) {
  Deno.test(`readRequest refuses ${name ?? "nothing"} ${JSON.stringify(raw)}`, () => {
    assert.match(faults(name, raw), wanted);
  });
}

Deno.test("readRequest goes to other machines only where an option allows it, by the public API", () => {
  const request = scenario("chat", { url: "https://chat.example.org", iOwnThisServer: true });
  assert.equal(request.provision, "public");
  // Not under the prefix that registration refuses.
  assert.equal(request.pool, "load1000x40");
});

Deno.test("readRequest understands a dark launch, and what only removes", () => {
  const dark = read(null, { dark: true, objectiveSuccess: "99.5", seconds: "7d", report: "1h" });
  assert.ok(!("length" in dark) && dark.kind === "dark");
  assert.deepEqual([dark.pool, dark.users, dark.contacts], ["roost.dark", 20, 4]);
  assert.deepEqual([dark.objectiveShare, dark.seconds, dark.reportSeconds], [0.995, 604_800, 3600]);
  for (const raw of [{ dark: true, remove: true }, { remove: true }]) {
    const request = read(null, raw);
    assert.ok(!("length" in request) && request.kind === "remove");
  }
});

Deno.test("parseTarget reads addresses as people write them", () => {
  const target = (text: string) => parseTarget(text) as Target;
  assert.deepEqual(target("127.0.0.1:8420"), {
    url: "http://127.0.0.1:8420",
    secure: false,
    host: "127.0.0.1",
    port: 8420,
  });
  assert.equal(target("wss://chat.example.org").url, "https://chat.example.org");
  assert.equal(target("https://chat.example.org").port, 443);
  assert.equal(target("http://[::1]:80").host, "::1");
  assert.equal(typeof parseTarget("http://"), "string");
});

Deno.test("isLoopback is not fooled by names that look like it", () => {
  for (const host of ["127.0.0.1", "127.9.9.9", "localhost", "::1"]) {
    assert.ok(isLoopback({ host }));
  }
  for (const host of ["127.0.0.1.example.org", "128.0.0.1", "localhost.example.org", "10.0.0.1"]) {
    assert.ok(!isLoopback({ host }), host);
  }
});

Deno.test("sourceAddress spreads users over loopback, at most 100 to an address", () => {
  const counts = new Map<string, number>();
  for (let user = 0; user < 60_000; user++) {
    const address = sourceAddress({ host: "127.0.0.1" }, user)!;
    assert.match(address, /^127\.0\.\d{1,3}\.\d{1,3}$/);
    assert.ok(address.split(".").every((part) => Number(part) <= 255));
    counts.set(address, (counts.get(address) ?? 0) + 1);
  }
  assert.equal(counts.size, 600);
  assert.equal(Math.max(...counts.values()), 100);
  assert.equal(sourceAddress({ host: "::1" }, 1), null);
  assert.equal(sourceAddress({ host: "10.0.0.1" }, 1), null);
});
