import assert from "node:assert/strict";
import fc from "fast-check";
import { type LogFormat, type LogLevel, startLog, stopLog } from "../../server/system/logger.ts";
import { isSecret, redact } from "../../server/system/redact.ts";

function capture(level: LogLevel, format: LogFormat) {
  const lines: string[] = [];
  const out = {
    write: (line: string) => void lines.push(line),
    flush: (done: () => void) => done(),
  };
  return { lines, log: startLog({ level, format, out }) };
}

Deno.test("startLog writes one JSON object a line with time, level and event first", () => {
  const { lines, log } = capture("info", "json");
  log.warn("store.failed", { kind: "full", count: 2, cause: new Error("no\nspace") });
  stopLog();
  const read = JSON.parse(lines[0]!);
  assert.deepEqual(Object.keys(read), ["time", "level", "event", "kind", "count", "cause"]);
  assert.match(read.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.deepEqual([read.level, read.event, read.kind, read.count], [
    "warn",
    "store.failed",
    "full",
    2,
  ]);
  assert.equal(read.cause.message, "no\nspace");
  assert.match(read.cause.stack, /logger_test/);
  assert.ok(!lines[0]!.includes("\n"));
});

Deno.test("startLog fields cannot take the place of its own, nor of placeholders", () => {
  const { lines, log } = capture("info", "json");
  log.info("braces {a} stay", { level: "fake", event: "fake", time: 0, a: 1 });
  stopLog();
  const read = JSON.parse(lines[0]!);
  assert.deepEqual([read.level, read.event, read.a], ["info", "braces {a} stay", 1]);
  assert.notEqual(read.time, 0);
});

Deno.test("13: lines of the audit log have a category of their own, and are written at every level", () => {
  const { lines, log } = capture("error", "json");
  log.audit("admin action", { actor: "token", category: "another", action: "removeUser" });
  stopLog();
  const read = JSON.parse(lines[0]!);
  assert.deepEqual([read.event, read.category, read.actor], ["admin action", "audit", "token"]);
});

Deno.test("LiveLog.setLevel takes effect at once, debugOn follows it", () => {
  const { lines, log } = capture("warn", "json");
  const all = () => {
    lines.length = 0;
    log.debug("d");
    log.info("i");
    log.warn("w");
    log.error("e");
    return lines.map((line) => JSON.parse(line).event).join("");
  };
  assert.equal(all(), "we");
  assert.equal(log.debugOn, false);
  log.setLevel("debug");
  assert.equal(all(), "diwe");
  assert.equal(log.debugOn, true);
  log.setLevel("error");
  assert.equal(all(), "e");
  assert.equal(log.level(), "error");
  stopLog();
  assert.equal(all(), "");
});

Deno.test("startLog text lines quote what could break a line or pretend to be a field", () => {
  const { lines, log } = capture("info", "text");
  log.info("listening", {
    port: 5222,
    host: "127.0.0.1",
    note: "a b",
    evil: 'x\ny="1',
    none: null,
  });
  stopLog();
  assert.match(lines[0]!, /^\d\d:\d\d:\d\d\.\d{3} INFO {2}listening port=5222 /);
  assert.ok(
    lines[0]!.endsWith(' host=127.0.0.1 note="a b" evil="x\\ny=\\"1" none=null'),
    lines[0]!,
  );
});

Deno.test("redact masks secrets at any depth and keeps measures of them", () => {
  const fields = redact({
    user: "bob",
    body: "hello",
    bodyBytes: 5,
    accessToken: "rt1_x",
    tokenHash: new Uint8Array(32),
    headers: { Authorization: "Bearer x", accept: "text" },
    list: [{ password: "p", n: 1 }],
    cause: Object.assign(new Error("outer", { cause: { clientSecret: "s" } })),
    bytes: new Uint8Array(7),
    big: 5n,
    gone: undefined,
  });
  const text = JSON.stringify(fields);
  const mask = "[redacted]";
  assert.equal(fields["body"], mask);
  assert.equal(fields["bodyBytes"], 5);
  assert.equal(fields["accessToken"], mask);
  assert.equal(fields["tokenHash"], mask);
  assert.deepEqual(fields["headers"], { Authorization: mask, accept: "text" });
  assert.deepEqual(fields["list"], [{ password: mask, n: 1 }]);
  assert.match(text, /"cause":\{"clientSecret":"\[redacted\]"\}/);
  assert.equal(fields["bytes"], "[7 bytes]");
  assert.equal(fields["big"], "5");
  assert.ok(!("gone" in fields));
  assert.ok(!isSecret("user", "x") && isSecret("PASSWORD", 5) && !isSecret("tokenMax", 3));
});

Deno.test("redact bounds what it writes, and takes loops", () => {
  const loop: Record<string, unknown> = { name: "loop" };
  loop["self"] = loop;
  const wide = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`f${i}`, i]));
  const fields = redact({ loop, wide, long: "x".repeat(1e6), many: new Array(1e5).fill(0) });
  assert.ok(JSON.stringify(fields).length < 10_000);
});

Deno.test("redact never lets a secret through and always makes JSON", () => {
  const secret = "s3cr3t!";
  const name = fc.constantFrom("password", "newToken", "authorization", "body", "proof", "cookie");
  const leaf = fc.oneof(fc.string(), fc.integer(), fc.constant(null), fc.bigInt(), fc.date());
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { depthSize: "small" },
      leaf,
      fc.array(tie("tree"), { maxLength: 3 }),
      fc.dictionary(fc.string(), tie("tree"), { maxKeys: 3 }),
      name.chain((key) => tie("tree").map((inner) => ({ [key]: secret, inner }))),
      name.map((key) => ({ [key]: { deep: [secret] } })),
    ),
  }));
  fc.assert(fc.property(tree, (value) => {
    const text = JSON.stringify(redact({ value }));
    assert.ok(!text.includes(secret), text);
  }));
});
