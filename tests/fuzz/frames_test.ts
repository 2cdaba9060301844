import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { ERROR_CODES } from "../../shard/errors.ts";
import { FRAME_EXAMPLES, GREETING_EXAMPLES } from "../../server/v1/examples.ts";
import { connect, type Frame, openNode, TOKEN } from "../unit/json_fakes.ts";
import { hostile, runs } from "./hostile_bytes.ts";
import { ODD_JSON, wrongFields } from "./wrong_fields.ts";
import { CONNECTION_LIMITS } from "../sim/limits.ts";

/** Rates that limit nothing, so that every frame gets to its check. */
const FREE = { perSecond: 1e6, burst: 1e6 };
const LIMITS = {
  refusalAllowance: FREE,
  rates: Object.fromEntries(
    Object.keys(CONNECTION_LIMITS.rates).map((name) => [name, FREE]),
  ) as typeof CONNECTION_LIMITS.rates,
};

/** What a connection may say: answers of the protocol, errors of the closed list. */
function isTyped(frame: Frame): void {
  const { t } = frame;
  ok(t === "ok" || t === "error" || t === "welcome" || t === "challenge", JSON.stringify(frame));
  if (t !== "error") return;
  ok(Object.hasOwn(ERROR_CODES, String(frame["code"])), JSON.stringify(frame));
  const message = String(frame["message"]);
  ok(message.length > 0 && message.length < 200 && message.isWellFormed(), message);
}

type TestNode = ReturnType<typeof openNode>;

function noBugs(node: TestNode): void {
  deepEqual(node.lines.filter((line) => line.level === "error"), []);
}

Deno.test("Connection: wrong fields of every command are answered by their id", () => {
  for (const [t, example] of Object.entries(FRAME_EXAMPLES)) {
    const node = openNode(LIMITS);
    let client = connect(node);
    client.welcomed();
    client.sink.frames.length = 0;
    let id = 100;
    const { t: _, id: __, ...fields } = example;
    for (const wrong of wrongFields(fields)) {
      if (client.sink.ended !== null) {
        equal(client.sink.ended, "signed_out");
        client = connect(node);
        client.welcomed();
        client.sink.frames.length = 0;
      }
      const answers = client.say({ ...wrong, t, id: ++id });
      deepEqual(answers.map((a) => a["id"]), [id]);
      answers.forEach(isTyped);
    }
    noBugs(node);
  }
});

Deno.test("Connection: wrong t and id, and odd JSON, are refused without harm", () => {
  const node = openNode(LIMITS);
  const { say, sink, welcomed } = connect(node);
  welcomed();
  sink.frames.length = 0;
  const frames = [...wrongFields({ t: "ping", id: 1 }), ...ODD_JSON];
  for (const frame of frames) {
    // Malformed frames try the refusalAllowance by an eighth each.
    node.time.runFor(1000);
    const answers = say(frame);
    equal(answers.length, 1);
    answers.forEach(isTyped);
  }
  equal(sink.ended, null);
  deepEqual(say({ t: "ping", id: 5 }).map((a) => a["t"]), ["ok"]);
  noBugs(node);
});

const GREETINGS = [
  { ...GREETING_EXAMPLES.hello, auth: { token: TOKEN } },
  { ...GREETING_EXAMPLES.hello, auth: { jwt: "a.b.c" } },
  { ...GREETING_EXAMPLES.hello, auth: { user: "bob", password: "secret" } },
  {
    ...GREETING_EXAMPLES.hello,
    auth: { scram: { mechanism: "SCRAM-SHA-256", message: "first" } },
  },
  { ...GREETING_EXAMPLES.register, presence: { show: "dnd", status: "", priority: 1, ext: "" } },
];

Deno.test("Connection: a wrong greeting is welcomed, challenged, or refused and closed", () => {
  const node = openNode(LIMITS);
  for (const greeting of GREETINGS) {
    for (const wrong of [...wrongFields(greeting), ...ODD_JSON]) {
      const { say, sink, handler } = connect(node);
      const answers = say(wrong);
      equal(answers.length, 1);
      answers.forEach(isTyped);
      equal(sink.ended, answers[0]!["t"] === "error" ? "protocol" : null);
      handler.closed();
    }
  }
  noBugs(node);
});

Deno.test("Connection: a wrong answer to the challenge is refused and closed", () => {
  const node = openNode(LIMITS);
  for (const wrong of [...wrongFields({ t: "auth", message: "good" }), ...ODD_JSON]) {
    const { say, sink } = connect(node);
    equal(say(GREETINGS[3])[0]?.["t"], "challenge");
    const answers = say(wrong);
    answers.forEach(isTyped);
    deepEqual([answers.length, sink.ended], [1, "protocol"]);
  }
  noBugs(node);
});

const valid = fc.constantFrom(
  ...Object.values(FRAME_EXAMPLES),
  ...Object.values(GREETING_EXAMPLES),
  ...GREETINGS,
).map((frame) => new TextEncoder().encode(JSON.stringify(frame)));
const mutatedText = fc.oneof(
  hostile(valid).map((bytes) => new TextDecoder().decode(bytes)),
  valid.map((bytes) => new TextDecoder().decode(bytes)),
);

Deno.test("Connection: mutated frames in any order, lost or slow, harm nobody", () => {
  fc.assert(
    fc.property(
      fc.boolean(),
      fc.boolean(),
      fc.array(fc.tuple(mutatedText, fc.nat(3)), { maxLength: 20 }),
      (welcome, held, script) => {
        const node = openNode(LIMITS);
        const { say, sink, handler, welcomed } = connect(node);
        if (welcome) welcomed();
        sink.frames.length = 0;
        node.router.held = node.edge.held = held;
        for (const [text, what] of script) {
          say(text).forEach(isTyped);
          if (what === 0) node.edge.release();
          if (what === 1) sink.buffered = sink.buffered === 0 ? 2_000_000 : 0;
          if (what === 2) node.time.runFor(700);
        }
        handler.closed();
        node.edge.release();
        node.time.runFor(60_000);
        // Whatever state it was in: closed is closed, and its session knows.
        say({ t: "ping", id: 1 });
        deepEqual(sink.frames, []);
        for (const { happened } of node.edge.sessions) {
          const ends = happened.filter((h) => h !== "start");
          equal(ends.length, 1, happened.join());
        }
        noBugs(node);
      },
    ),
    runs(400),
  );
});
