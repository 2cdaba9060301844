import assert from "node:assert/strict";
import type { ChannelHandler, Opening } from "../../server/load/channel.ts";
import type { HttpRequest, HttpResult, Network, SocketHandler } from "../../server/load/network.ts";
import { parseTarget, type Target } from "../../server/load/target.ts";
import { pollChannels } from "../../server/load/poll_channel.ts";
import { ScramReplies } from "../../server/load/scram_replies.ts";
import { wsChannels } from "../../server/load/ws_channel.ts";

const TARGET = parseTarget("http://127.0.0.1:1") as Target;
const utf8 = new TextEncoder();

/** A network whose other side the test plays. */
class FakeNetwork implements Network {
  readonly handlers: SocketHandler[] = [];
  readonly sent: string[] = [];
  /** Requests, each with the number of its connection. */
  readonly asked: (HttpRequest & {
    readonly connection: number;
    readonly done: (result: HttpResult) => void;
  })[] = [];
  connections = 0;
  ended = 0;
  destroyed = 0;

  webSocket(_target: Target, _from: string | null, handler: SocketHandler) {
    this.handlers.push(handler);
    return {
      send: (text: string) => void this.sent.push(text),
      end: () => void this.ended++,
      destroy: () => void this.destroyed++,
    };
  }

  http() {
    const connection = this.connections++;
    return {
      pending: 0,
      ask: (request: HttpRequest, done: (result: HttpResult) => void) =>
        void this.asked.push({ ...request, connection, done }),
      drop: () => {},
    };
  }

  say(text: string): void {
    this.handlers.at(-1)!.message(utf8.encode(text));
  }

  respond(status: number, body: string): void {
    this.asked.at(-1)!.done({ ok: true, response: { status, body: utf8.encode(body) } });
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
  const network = new FakeNetwork();
  const heard = new Heard();
  const open = wsChannels({ target: TARGET, network, from: () => null, scram: scram() });
  const channel = open({ ...OPENING, ...opening }, heard);
  return { network, heard, channel };
}

function openedWs(opening: Partial<Opening> = {}) {
  const opened = openWs(opening);
  opened.network.handlers[0]!.opened();
  return opened;
}

function lastFrame({ sent }: FakeNetwork): Record<string, unknown> {
  return JSON.parse(sent.at(-1)!);
}

const WELCOME =
  '{"t":"welcome","v":1,"session":"s1","resumed":false,"mode":"snapshot","cursor":"m:1",' +
  '"snapshot":{"roster":[{},{}]}}';

Deno.test("WsChannel says hello once its socket is open, and reads the welcome", () => {
  const { network, heard } = openWs({ session: "s0", after: "m:1" });
  assert.deepEqual(network.sent, []);
  network.handlers[0]!.opened();
  const { t, auth, session, after, presence } = lastFrame(network);
  assert.deepEqual([t, auth, session, after], ["hello", { token: "rt1_x" }, "s0", "m:1"]);
  assert.deepEqual(presence, { show: "away", status: "s" });
  network.say(WELCOME);
  assert.deepEqual(heard.all, ["welcome s1 snapshot 2"]);
});

Deno.test("WsChannel ties answers to their commands and hands events on", () => {
  const { network, heard, channel } = openedWs();
  network.say(WELCOME);
  const answers: unknown[] = [];
  channel.command({ t: "send", to: "a", key: "k", body: "ü" }, (answer) => answers.push(answer));
  channel.command({ t: "ack", seq: 1 }, (answer) => answers.push(answer));
  assert.deepEqual(lastFrame(network), { t: "ack", id: 2, seq: 1 });
  network.say('{"t":"error","id":2,"code":"busy","message":"m","retryAfterMs":5}');
  network.say('{"t":"ok","id":1,"value":{"seq":4,"at":5,"num":6}}');
  network.say('{"t":"ok","id":99}');
  const refusal = { code: "busy", message: "m", retryAfterMs: 5 };
  assert.deepEqual(answers, [{ ok: false, refusal }, { ok: true, num: 6 }]);
  network.say('{"t":"events","soft":1,"ev":[]}');
  network.say('{"soft":2,"t":"events","ev":[]}');
  network.say('{"t":"goaway","reason":"shutdown","retryAfterMs":7}');
  assert.deepEqual(heard.all.slice(1), [
    'ev {"t":"events","soft":1,"ev":[]}',
    'ev {"soft":2,"t":"events","ev":[]}',
    "goaway 7",
  ]);
});

Deno.test("WsChannel leaves with a bye, and vanishes without a frame", () => {
  const first = openedWs();
  first.channel.leave();
  assert.deepEqual(lastFrame(first.network), { t: "bye", id: 1 });
  assert.deepEqual([first.network.ended, first.network.destroyed], [1, 0]);
  const second = openedWs();
  second.channel.vanish();
  second.network.handlers[0]!.closed("gone");
  assert.deepEqual([second.network.ended, second.network.destroyed], [0, 1]);
  assert.deepEqual(second.heard.all, []);
});

const REFUSALS: readonly (readonly [string, number, string, readonly string[]])[] = [
  [
    "a refusal before the upgrade",
    503,
    '{"code":"busy","message":"full","retryAfterMs":9}',
    ["refused busy 9", "lost: full"],
  ],
  [
    "a refusal that is not the protocol's",
    404,
    "no",
    ["refused busy null", "lost: the upgrade was answered 404"],
  ],
];

for (const [what, status, body, heardThen] of REFUSALS) {
  Deno.test(`WsChannel gives up, once, on ${what}`, () => {
    const { network, heard } = openWs();
    network.handlers[0]!.notUpgraded(status, utf8.encode(body));
    network.handlers[0]!.closed("closed");
    assert.deepEqual(heard.all, heardThen);
    assert.equal(network.destroyed, 1);
  });
}

Deno.test("WsChannel gives up on messages that are malformed", () => {
  for (const bad of ["{", "", "[1"]) {
    const { network, heard } = openedWs();
    network.say(bad);
    assert.match(heard.all.join(), /^lost: /);
  }
});

Deno.test("WsChannel signs in by SCRAM, and only where the server proves itself", () => {
  const { network, heard } = openedWs({ proof: { kind: "scram", password: "pencil" } });
  const { scram: first } = lastFrame(network)["auth"] as { scram: { message: string } };
  const nonce = /r=(.+)$/.exec(first.message)![1]!;
  const challenge = `r=${nonce}xyz,s=AAAA,i=4096`;
  network.say(JSON.stringify({ t: "challenge", message: challenge }));
  const { t, message } = lastFrame(network);
  assert.equal(t, "auth");
  assert.match(String(message), /^c=biws,r=.+xyz,p=/);
  network.say(
    '{"t":"welcome","session":"s","mode":"snapshot","cursor":"m:1","scram":"v=AAAA"}',
  );
  assert.deepEqual(heard.all, ["lost: the server has not proved that it knows the password"]);
});

const CURSOR = "mailbox000000000";

function openPoll() {
  const network = new FakeNetwork();
  const heard = new Heard();
  const channel = pollChannels({ target: TARGET, network, from: () => null })(OPENING, heard);
  return { network, heard, channel };
}

Deno.test("PollChannel opens a session, polls on, and repeats what it has got", () => {
  const { network, heard } = openPoll();
  const { method, path, headers } = network.asked[0]!;
  assert.deepEqual([method, path], ["POST", "/v1/sessions"]);
  assert.deepEqual(headers, { authorization: "Bearer rt1_x" });
  network.respond(201, `{"session":"s","mode":"snapshot","cursor":"${CURSOR}:3"}`);
  assert.equal(network.asked[1]!.path, `/v1/events?wait=25&soft=0&after=${CURSOR}:3`);
  assert.equal(network.asked[1]!.headers["roost-session"], "s");
  const body = `{"session":"s","soft":4,"cursor":"${CURSOR}:5","events":[]}`;
  network.respond(200, body);
  assert.deepEqual(heard.all, ["welcome s snapshot -1", `events ${body}`]);
  assert.equal(network.asked[2]!.path, `/v1/events?wait=25&soft=4&after=${CURSOR}:5`);
  network.respond(404, "{}");
  assert.equal(heard.all.at(-1), "lost: a poll was answered 404");
});

Deno.test("PollChannel sends commands as REST requests on a connection of their own", () => {
  const { network, channel } = openPoll();
  network.respond(201, `{"session":"s","mode":"snapshot","cursor":"${CURSOR}:3"}`);
  const answers: unknown[] = [];
  channel.command({ t: "send", to: "a", key: "k1", body: "ü" }, (answer) => answers.push(answer));
  const { connection, method, path, headers, body } = network.asked.at(-1)!;
  assert.deepEqual([connection, method, path], [1, "POST", "/v1/messages"]);
  assert.equal(headers["idempotency-key"], "k1");
  assert.equal(body, '{"to":"a","body":"ü"}');
  network.respond(200, '{"seq":1,"at":2,"num":3}');
  assert.deepEqual(answers.splice(0), [{ ok: true, num: 3 }]);
  channel.command({ t: "presence", show: "dnd", status: "" }, (answer) => answers.push(answer));
  network.asked.at(-1)!.done({ ok: false, why: "reset" });
  const refusal = { code: "unavailable", message: "reset", retryAfterMs: null };
  assert.deepEqual(answers, [{ ok: false, refusal }]);
});

Deno.test("PollChannel tells a refused session", () => {
  const { network, heard } = openPoll();
  network.respond(503, '{"code":"busy","message":"later","retryAfterMs":8}');
  assert.deepEqual(heard.all, ["refused busy 8", "lost: the session was answered 503"]);
});
