import assert from "node:assert/strict";
import { formatPgAddress, parsePgAddress, withoutPassword } from "../../server/config/pg_url.ts";
import { resolveConfig } from "../../server/config/config.ts";
import { shownSettings } from "../../server/config/show.ts";

const SECRET = "postgres://roost:hunter2@db:5432/chat";

Deno.test("parsePgAddress reads hosts, credentials, database and TLS", () => {
  assert.deepEqual(
    parsePgAddress("postgres://a%40b:p%3Aw@h1,[::1]:5433/chat?sslmode=verify-full"),
    {
      hosts: [{ host: "h1", port: 5432 }, { host: "::1", port: 5433 }],
      database: "chat",
      user: "a@b",
      password: "p:w",
      tls: "verify-full",
      rootCertFile: null,
    },
  );
  const local = parsePgAddress("postgresql://roost@:5433/chat?host=/run/postgresql");
  assert.deepEqual(local?.hosts, [{ host: "/run/postgresql", port: 5433 }]);
  assert.equal(local?.password, null);
});

Deno.test("parsePgAddress returns null for what is no address", () => {
  const wrong = [
    "",
    "mysql://roost@h/chat",
    "postgres://h/chat",
    "postgres://roost@h",
    "postgres://roost@h/",
    "postgres://roost@h:0/chat",
    "postgres://roost@h:70000/chat",
    "postgres://roost@h,/chat",
    "postgres://roost@h/chat?sslmode=prefer",
    "postgres://roost@h/chat?options=-c",
    "postgres://roost@h/chat?host=/run",
    "postgres://ro%zz@h/chat",
  ];
  for (const text of wrong) assert.equal(parsePgAddress(text), null, text);
});

Deno.test("an address is shown without its password", () => {
  assert.equal(formatPgAddress(parsePgAddress(SECRET)!), "postgres://roost@db:5432/chat");
  const socket = "postgres://roost@/chat?host=/run/postgresql";
  assert.equal(formatPgAddress(parsePgAddress(socket)!), socket);
  assert.equal(withoutPassword(SECRET), "postgres://roost:***@db:5432/chat");
  assert.equal(withoutPassword("postgres://roost:p@w@db/chat"), "postgres://roost:***@db/chat");
  assert.equal(withoutPassword("postgres://roost@db/chat"), "postgres://roost@db/chat");
});

const config = (given: { env?: Record<string, string>; flag?: string; file?: string }) =>
  resolveConfig({
    dataDir: "/d",
    file: given.file === undefined ? null : { path: "/d/roost.toml", text: given.file },
    env: given.env ?? {},
    flags: given.flag === undefined
      ? []
      : [{ flag: "--store", key: "store.url", text: given.flag }],
    filesMax: null,
    cwd: "/d",
  });

Deno.test("the store's password is taken from the environment and the file, and never shown", () => {
  for (const given of [{ env: { ROOST_STORE: SECRET } }, { file: `[store]\nurl = "${SECRET}"` }]) {
    const result = config(given);
    assert.ok(result.ok);
    assert.equal(result.config.store.url?.password, "hunter2");
    assert.ok(!JSON.stringify(shownSettings(result.effective)).includes("hunter2"));
  }
  const wrong = config({ env: { ROOST_STORE: `${SECRET}?sslmode=prefer` } });
  assert.ok(
    !wrong.ok && wrong.errors[0]!.includes("roost:***@db"),
    String(!wrong.ok && wrong.errors),
  );
});

Deno.test("the store's password is refused as a flag, which every user of the machine can read", () => {
  const refused = config({ flag: SECRET });
  assert.ok(!refused.ok);
  assert.match(refused.errors[0]!, /^store\.url has a secret in flag --store/);
  assert.ok(!refused.errors[0]!.includes("hunter2"));
  const without = config({ flag: "postgres://roost@db/chat" });
  assert.ok(without.ok && without.config.store.url !== null);
});

Deno.test("settings of the store that contradict each other stop the start", () => {
  const both = config({ env: { ROOST_STORE: SECRET, ROOST_STORE_URL_FILE: "f" } });
  assert.ok(!both.ok && /both set/.test(both.errors[0]!));
  const alone = config({ env: { ROOST_STORE_REQUIRE_SYNCHRONOUS: "true" } });
  assert.ok(!alone.ok && /requireSynchronous/.test(alone.errors[0]!));
});
