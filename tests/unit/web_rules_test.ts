import assert from "node:assert/strict";
import { configOf } from "../../server/config/config.ts";
import { createWebRules } from "../../server/http/web_rules.ts";

const rules = (settings: Readonly<Record<string, string>> = {}) =>
  createWebRules(configOf("/data", settings));

const LOCAL = ["localhost", "LOCALHOST:8420", "chat.localhost:1", "localhost.", "127.0.0.1:8420"];
const ALSO_LOCAL = ["127.1.2.3", "[::1]:8420", "[::1]", "[0:0:0:0:0:0:0:1]"];
const STRANGE = [
  "evil.example",
  "evil.example:8420",
  "localhost.evil.example",
  "127.0.0.1.evil.example",
  "evil-localhost",
  "128.0.0.1",
  "[::2]",
  "0.0.0.0:8420",
  "localhost@evil.example",
  "localhost/evil.example",
  "local host",
  "",
];

Deno.test("hostRefusal lets loopback names through on a loopback listener, and no others", () => {
  const { hostRefusal } = rules();
  for (const host of [...LOCAL, ...ALSO_LOCAL]) assert.equal(hostRefusal(host), null, host);
  for (const host of STRANGE) assert.equal(hostRefusal(host)?.code, "forbidden", host);
  // HTTP/1.0, which no browser speaks.
  assert.equal(hostRefusal(undefined), null);
});

Deno.test("hostRefusal knows the domain, the public URL and the allowed origins", () => {
  const { hostRefusal } = rules({
    "server.domain": "chat.example.org",
    "server.publicUrl": "https://talk.example.org",
    "server.allowedOrigins": "https://app.example.org:8443, http://[2001:db8::1]",
  });
  for (const name of ["chat", "talk", "app"]) {
    assert.equal(hostRefusal(`${name}.example.org`), null, name);
    assert.equal(hostRefusal(`${name.toUpperCase()}.example.org:99`), null, name);
  }
  assert.equal(hostRefusal("[2001:db8::1]:80"), null);
  assert.equal(hostRefusal("example.org")?.code, "forbidden");
});

Deno.test("hostRefusal takes every name where others can connect, or a proxy speaks for them", () => {
  const open = { "server.bind": "0.0.0.0:1", "server.trustedProxies": "127.0.0.1" };
  for (const [key, text] of Object.entries(open)) {
    assert.equal(rules({ [key]: text }).hostRefusal("evil.example"), null, key);
  }
  const { hostRefusal } = rules({ "server.bind": "[::1]:1" });
  assert.equal(hostRefusal("evil.example")?.code, "forbidden");
});

const HOST = "127.0.0.1:8420";

Deno.test("originRefusal takes what is no browser, and pages of the same host and port", () => {
  const { originRefusal } = rules();
  const taken: readonly (readonly [string | undefined, string | undefined])[] = [
    [undefined, HOST],
    [undefined, undefined],
    [`http://${HOST}`, HOST],
    ["https://chat.example.org", "chat.example.org"],
    ["https://chat.example.org", "Chat.Example.org:443"],
    ["http://chat.example.org", "chat.example.org:80"],
    ["http://[::1]:8420", "[::1]:8420"],
  ];
  for (const [origin, host] of taken) {
    assert.equal(originRefusal(origin, host), null, `${origin} ${host}`);
  }
});

Deno.test("originRefusal refuses pages from anywhere else", () => {
  const { originRefusal } = rules();
  const refused: readonly (readonly [string, string | undefined])[] = [
    ["https://evil.example", HOST],
    ["http://127.0.0.1", HOST],
    ["http://127.0.0.1:8421", HOST],
    ["http://localhost:8420", HOST],
    ["http://127.0.0.1:8420.evil.example", HOST],
    ["http://evil.example", `${HOST}@evil.example`],
    ["https://chat.example.org", "chat.example.org:80"],
    ["null", HOST],
    ["", HOST],
    [`http://${HOST}`, undefined],
  ];
  for (const [origin, host] of refused) {
    assert.equal(originRefusal(origin, host)?.code, "forbidden", `${origin} ${host}`);
  }
});

Deno.test("originRefusal takes the allowed origins and the public URL's, exactly", () => {
  const { originRefusal } = rules({
    "server.publicUrl": "https://talk.example.org",
    "server.allowedOrigins": "https://app.example.org/,http://localhost:3000",
  });
  for (const origin of ["https://talk.example.org", "https://app.example.org"]) {
    assert.equal(originRefusal(origin, HOST), null, origin);
    assert.equal(originRefusal(`${origin}:444`, HOST)?.code, "forbidden", origin);
    assert.equal(originRefusal(origin.replace("https", "http"), HOST)?.code, "forbidden");
  }
  assert.equal(originRefusal("http://localhost:3000", HOST), null);
});
