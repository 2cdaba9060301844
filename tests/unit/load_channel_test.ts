import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { ChannelHandler, Opening } from "../../server/load/channel.ts";
import type { Dial, WireHandler } from "../../server/load/dial.ts";
import { parseTarget, type Target } from "../../server/load/target.ts";
import { pollChannels } from "../../server/load/poll_channel.ts";
import { ScramReplies } from "../../server/load/scram_replies.ts";
import { serverFrame } from "./load_fake.ts";
import { WS_ACCEPT, WS_KEY, wsChannels } from "../../server/load/ws_channel.ts";

const TARGET = parseTarget("http://127.0.0.1:1") as Target;
const utf8 = new TextEncoder();
const ACCEPTED = `HTTP/1.1 101 Switching\r\nSec-WebSocket-Accept: ${WS_ACCEPT}\r\n\r\n`;

/** Sockets whose other side the test plays. */
class Sockets {
  readonly handlers: WireHandler[] = [];
  readonly sent: string[] = [];
  ended = 0;
  destroyed = 0;
  readonly dial: Dial = (_target, _from, handler) => {
    this.handlers.push(handler);
    return {
      send: (bytes) => void this.sent.push(bytes),
      end: () => void this.ended++,
      destroy: () => void this.destroyed++,
    };
  };
  say(text: string | Uint8Array, socket = this.handlers.length - 1): void {
    this.handlers[socket]!.data(typeof text === "string" ? utf8.encode(text) : text);
  }
}

class Heard implements ChannelHandler {
  readonly all: string[] = [];
  welcome({ session, mode, contacts }: Parameters<ChannelHandler["welcome"]>[0]): void {
    this.all.push(`welcome ${session} ${mode} ${contacts}`);
  }
  refused({ code, retryAfterMs }: Parameters<ChannelHandler["refused"]>[0]): void {
    this.all.push(`refused ${code} ${retryAfterMs}`);
  }
  events(bytes: Uint8Array, from: number, to: number, key: string): void {
    this.all.push(`${key} ${new TextDecoder().decode(bytes.subarray(from, to))}`);
  }
  goaway(retryAfterMs: number | null): void {
    this.all.push(`goaway ${retryAfterMs}`);
  }
  lost(why: string): void {
    this.all.push(`lost: ${why}`);
  }
}

const OPENING: Opening = {
  user: "bob",
  proof: { kind: "token", token: "rt1_x" },
  device: "load",
  session: null,
  after: null,
  show: "away",
  status: "s",
};

function scram(): ScramReplies {
  return new ScramReplies({
    pbkdf2: (_hash, _password, _salt, _iterations, done) => done(new Uint8Array(32)),
  }, { bytes: (count) => new Uint8Array(count), number: () => 0 });
}

function openWs(opening: Partial<Opening> = {}) {
  const sockets = new Sockets();
  const heard = new Heard();
  const open = wsChannels({ target: TARGET, dial: sockets.dial, from: () => null, scram: scram() });
  const channel = open({ ...OPENING, ...opening }, heard);
  sockets.handlers[0]!.opened();
  return { sockets, heard, channel };
}

/** The JSON of the last client frame (short ones). */
function lastFrame({ sent }: Sockets): Record<string, unknown> {
  const frame = sent.at(-1)!;
  return JSON.parse(frame.slice((frame.charCodeAt(1) & 0x7f) === 126 ? 8 : 6));
}

const WELCOME = serverFrame(
  '{"t":"welcome","v":1,"session":"s1","resumed":false,"mode":"snapshot","cursor":"m:1",' +
    '"snapshot":{"roster":[{},{}]}}',
);

Deno.test("WS_ACCEPT is what RFC 6455 makes of WS_KEY", () => {
  const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  assert.equal(createHash("sha1").update(WS_KEY + guid).digest("base64"), WS_ACCEPT);
});

Deno.test("WsChannel upgrades, says hello, and reads on behind the head of the upgrade", () => {
  const { sockets, heard } = openWs({ session: "s0", after: "m:1" });
  assert.match(sockets.sent[0]!, /^GET \/v1\/ws HTTP\/1\.1\r\nHost: 127\.0\.0\.1:1\r\n/);
  sockets.say(ACCEPTED.slice(0, 30));
  const rest = utf8.encode(ACCEPTED.slice(30));
  sockets.say(new Uint8Array([...rest, ...WELCOME]));
  const { t, auth, session, after, presence } = lastFrame(sockets);
  assert.deepEqual([t, auth, session, after], ["hello", { token: "rt1_x" }, "s0", "m:1"]);
  assert.deepEqual(presence, { show: "away", status: "s" });
  assert.deepEqual(heard.all, ["welcome s1 snapshot 2"]);
});

Deno.test("WsChannel ties answers to their commands and hands events on", () => {
  const { sockets, heard, channel } = openWs();
  sockets.say(ACCEPTED);
  sockets.say(WELCOME);
  const answers: unknown[] = [];
  channel.command({ t: "send", to: "a", key: "k", body: "ü" }, (answer) => answers.push(answer));
  channel.command({ t: "ack", seq: 1 }, (answer) => answers.push(answer));
  assert.deepEqual(lastFrame(sockets), { t: "ack", id: 2, seq: 1 });
  sockets.say(serverFrame('{"t":"error","id":2,"code":"busy","message":"m","retryAfterMs":5}'));
  sockets.say(serverFrame('{"t":"ok","id":1,"value":{"seq":4,"at":5,"num":6}}'));
  sockets.say(serverFrame('{"t":"ok","id":99}'));
  const refusal = { code: "busy", message: "m", retryAfterMs: 5 };
  assert.deepEqual(answers, [{ ok: false, refusal }, { ok: true, num: 6 }]);
  sockets.say(serverFrame('{"t":"events","soft":1,"ev":[]}'));
  sockets.say(serverFrame('{"soft":2,"t":"events","ev":[]}'));
  sockets.say(serverFrame('{"t":"goaway","reason":"shutdown","retryAfterMs":7}'));
  assert.deepEqual(heard.all.slice(1), [
    'ev {"t":"events","soft":1,"ev":[]}',
    'ev {"soft":2,"t":"events","ev":[]}',
    "goaway 7",
  ]);
});

Deno.test("WsChannel answers pings, and says goodbye or nothing", () => {
  const first = openWs();
  first.sockets.say(ACCEPTED);
  first.sockets.say(new Uint8Array([0x89, 1, 9]));
  assert.equal(first.sockets.sent.at(-1), "\x8a\x81\0\0\0\0\x09");
  first.channel.leave();
  assert.equal(first.sockets.sent.at(-1), "\x88\x82\0\0\0\0\x03\xe8");
  assert.deepEqual([first.sockets.ended, first.sockets.destroyed], [1, 0]);
  const second = openWs();
  second.sockets.say(ACCEPTED);
  second.channel.vanish();
  second.sockets.handlers[0]!.closed("gone");
  assert.deepEqual([second.sockets.ended, second.sockets.destroyed], [0, 1]);
  assert.deepEqual(second.heard.all, []);
});

const REFUSALS: readonly (readonly [string, string | Uint8Array, readonly string[]])[] = [
  [
    "a refusal before the upgrade",
    'HTTP/1.1 503 Busy\r\n\r\n{"code":"busy","message":"full","retryAfterMs":9}',
    ["refused busy 9", "lost: full"],
  ],
  [
    "a refusal that is none of the protocol",
    "HTTP/1.1 404 Not Found\r\n\r\nno",
    ["refused busy null", "lost: the upgrade was answered 404"],
  ],
  [
    "an upgrade for another key",
    "HTTP/1.1 101 X\r\nsec-websocket-accept: AAAA\r\n\r\n",
    ["lost: the upgrade was accepted for another key"],
  ],
  ["an endless head", "x".repeat(20_000), ["lost: the upgrade has no end"]],
];

for (const [what, said, heardThen] of REFUSALS) {
  Deno.test(`WsChannel gives up, once, on ${what}`, () => {
    const { sockets, heard } = openWs();
    sockets.say(said);
    sockets.handlers[0]!.closed("closed");
    assert.deepEqual(heard.all, heardThen);
    assert.equal(sockets.destroyed, 1);
  });
}

Deno.test("WsChannel gives up on frames that are malformed", () => {
  for (const bad of [serverFrame("{"), serverFrame("{}", 0xc1), new Uint8Array([0x88, 0])]) {
    const { sockets, heard } = openWs();
    sockets.say(ACCEPTED);
    sockets.say(bad);
    assert.match(heard.all.join(), /^lost: /);
  }
});

Deno.test("WsChannel signs in by SCRAM, and only where the server proves itself", () => {
  const { sockets, heard } = openWs({ proof: { kind: "scram", password: "pencil" } });
  sockets.say(ACCEPTED);
  const { scram: first } = lastFrame(sockets)["auth"] as { scram: { message: string } };
  const nonce = /r=(.+)$/.exec(first.message)![1]!;
  const challenge = `r=${nonce}xyz,s=AAAA,i=4096`;
  sockets.say(serverFrame(JSON.stringify({ t: "challenge", message: challenge })));
  const { t, message } = lastFrame(sockets);
  assert.equal(t, "auth");
  assert.match(String(message), /^c=biws,r=.+xyz,p=/);
  sockets.say(serverFrame(
    '{"t":"welcome","session":"s","mode":"snapshot","cursor":"m:1","scram":"v=AAAA"}',
  ));
  assert.deepEqual(heard.all, ["lost: the server has not proved that it knows the password"]);
});

function response(status: number, body: string): string {
  return `HTTP/1.1 ${status} X\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
}

const CURSOR = "mailbox000000000";

function openPoll() {
  const sockets = new Sockets();
  const heard = new Heard();
  const open = pollChannels({ target: TARGET, dial: sockets.dial, from: () => null });
  const channel = open(OPENING, heard);
  sockets.handlers[0]!.opened();
  return { sockets, heard, channel };
}

Deno.test("PollChannel opens a session, polls on, and repeats what it has got", () => {
  const { sockets, heard } = openPoll();
  assert.match(sockets.sent[0]!, /^POST \/v1\/sessions HTTP/);
  assert.match(sockets.sent[0]!, /authorization: Bearer rt1_x\r\n/i);
  sockets.say(response(201, `{"session":"s","mode":"snapshot","cursor":"${CURSOR}:3"}`));
  assert.match(sockets.sent[1]!, new RegExp(`^GET /v1/events\\?wait=25&soft=0&after=${CURSOR}:3 `));
  assert.match(sockets.sent[1]!, /roost-session: s\r\n/i);
  const body = `{"session":"s","soft":4,"cursor":"${CURSOR}:5","events":[]}`;
  sockets.say(response(200, body));
  assert.deepEqual(heard.all, ["welcome s snapshot -1", `events ${body}`]);
  assert.match(sockets.sent[2]!, new RegExp(`soft=4&after=${CURSOR}:5 `));
  sockets.say(response(404, "{}"));
  assert.equal(heard.all.at(-1), "lost: a poll was answered 404");
});

Deno.test("PollChannel sends commands as REST requests on a connection of their own", () => {
  const { sockets, channel } = openPoll();
  sockets.say(response(201, `{"session":"s","mode":"snapshot","cursor":"${CURSOR}:3"}`));
  const answers: unknown[] = [];
  channel.command({ t: "send", to: "a", key: "k1", body: "ü" }, (answer) => answers.push(answer));
  assert.equal(sockets.handlers.length, 2);
  sockets.handlers[1]!.opened();
  const sent = sockets.sent.at(-1)!;
  assert.match(sent, /^POST \/v1\/messages HTTP\/1\.1\r\n/);
  assert.match(sent, /idempotency-key: k1\r\n/i);
  assert.ok(sent.endsWith('\r\n\r\n{"to":"a","body":"\\u00fc"}'));
  sockets.say(response(200, '{"seq":1,"at":2,"num":3}'), 1);
  assert.deepEqual(answers.splice(0), [{ ok: true, num: 3 }]);
  channel.command({ t: "presence", show: "dnd", status: "" }, (answer) => answers.push(answer));
  sockets.handlers[1]!.closed("reset");
  const refusal = { code: "unavailable", message: "reset", retryAfterMs: 500 };
  assert.deepEqual(answers, [{ ok: false, refusal }]);
});

Deno.test("PollChannel tells a refused session", () => {
  const { sockets, heard } = openPoll();
  sockets.say(response(503, '{"code":"busy","message":"later","retryAfterMs":8}'));
  assert.deepEqual(heard.all, ["refused busy 8", "lost: the session was answered 503"]);
});
