import assert from "node:assert/strict";
import { type Bindings, difference, type Json, matchText } from "../golden/placeholders.ts";
import { heardText, parseTranscript } from "../golden/transcript.ts";
import { openSimHost } from "../golden/sim_host.ts";
import { play, TranscriptError } from "../golden/player.ts";

const none = (recorded: Json, actual: Json, bindings: Bindings = new Map()) =>
  difference(recorded, actual, bindings);

Deno.test("difference ignores what was added to objects, and nothing else", () => {
  assert.equal(none({ a: 1 }, { a: 1, b: 2 }), null);
  assert.equal(none({ a: [{ b: 1 }] }, { a: [{ b: 1, c: 2 }] }), null);
  assert.equal(none({ mechanisms: ["A"] }, { mechanisms: ["B", "A"] }), null);
  assert.equal(none({ a: 1 }, { a: 2 }), "a was 1, is 2");
  assert.equal(none({ a: 1 }, {}), "a was 1, is absent");
  assert.equal(none({ a: null }, {}), "a was null, is absent");
  assert.equal(none({ a: { b: [1] } }, { a: { b: [1, 2] } }), "a.b[1] was absent, is 2");
  assert.equal(none({ a: { b: [1, 2] } }, { a: { b: [1] } }), "a.b[1] was 2, is absent");
  assert.equal(none([1, 2], [2, 1]), "[0] was 1, is 2");
  assert.equal(none({ a: [] }, { a: {} }), "a was [], is {}");
  assert.equal(none({ a: {} }, { a: [] }), "a was {}, is []");
  assert.equal(none({ a: "1" }, { a: 1 }), 'a was "1", is 1');
});

Deno.test("difference holds placeholders to their kind, and names to one value", () => {
  const now = 1_750_000_000_000;
  assert.equal(none({ at: "<time>" }, { at: now }), null);
  assert.equal(none({ at: "<time>" }, { at: String(now) }), `at was "<time>", is "${now}"`);
  assert.equal(none({ at: "<time>" }, { at: 5 }), 'at was "<time>", is 5');
  assert.equal(none({ s: "<session:a>" }, { s: "short" }), 's was "<session:a>", is "short"');
  const one = "AAAAAAAAAAAAAAAA";
  const two = "BBBBBBBBBBBBBBBB";
  const bindings: Bindings = new Map();
  assert.equal(none({ s: "<session:a>" }, { s: one }, bindings), null);
  assert.equal(none({ s: "<session:a>" }, { s: one }, bindings), null);
  assert.notEqual(none({ s: "<session:a>" }, { s: two }, bindings), null);
  assert.equal(none({ s: "<session:b>" }, { s: two }, bindings), null);
  assert.equal(none({ s: "<session>" }, { s: one }), null);
  assert.ok(matchText("<box:a>:5", `${one}:5`, bindings));
  assert.ok(!matchText("<box:a>:5", `${two}:5`, bindings));
  assert.ok(!matchText("<box:a>:5", `${one}:6`, bindings));
  assert.ok(matchText("<b>bold</b>", "<b>bold</b>", bindings));
});

Deno.test("parseTranscript reads every notation, and heardText writes it", () => {
  const lines = [
    'a ← {"t":"ok","id":1}',
    "a ← end",
    'a ← 401 www-authenticate="Bearer realm=\\"roost\\"" {"code":"unauthorized"}',
    "a ← 204",
    'a ← event events id=<box:a>:5 {"t":"events"}',
  ];
  const { lines: parsed, settings } = parseTranscript(`# x\n\n@ a.b=c=d\n${lines.join("\n")}\n`);
  assert.deepEqual(settings, { "a.b": "c=d" });
  const written = parsed.map((line) =>
    line.kind === "step" && line.step.kind === "hear" ? `a ← ${heardText(line.step.heard)}` : ""
  );
  assert.deepEqual(written, lines);
  assert.throws(() => parseTranscript("what is this"), /line 1 is none/);
  assert.throws(() => parseTranscript('a ← {"t":'), /line 1 has no JSON/);
});

const SIGN_IN = `a → open
a → {"t":"register","user":"ann","password":"correct horse","device":"phone"}
a ← {"t":"welcome","user":"ann","device":"phone","token":"<token:a>"}
`;

async function verdict(more: string): Promise<string> {
  try {
    await play(parseTranscript(SIGN_IN + more), await openSimHost({}));
    return "accepted";
  } catch (error) {
    assert.ok(error instanceof TranscriptError, String(error));
    return error.message;
  }
}

Deno.test("play finds what is missing, changed, or too much", async () => {
  const ping = 'a → {"t":"ping","id":7}\n';
  assert.equal(await verdict(`${ping}a ← {"t":"ok","id":7}\n`), "accepted");
  assert.match(await verdict(`${ping}a ← {"t":"ok","id":8}\n`), /^line 5: id was 8, is 7/);
  assert.match(await verdict(ping), /^line 4: a heard something .*"id":7/);
  const set = 'a → {"t":"settings","id":7,"messagesFrom":"anyone"}\na ← {"t":"ok","id":7}\n';
  const event = (seq: number) => `a ← {"t":"events","ev":[{"k":"settings","seq":${seq}}]}\n`;
  assert.equal(await verdict(set + event(1)), "accepted");
  assert.match(await verdict(set + event(2)), /seq was 2, is 1/);
  assert.match(await verdict(set), /heard something that was not recorded: .*"settings"/);
  assert.match(await verdict("a ← end\n"), /it did not come/);
  assert.match(await verdict("b → GET /v1/info\nb ← 404\n"), /status was 404, is 200/);
});
