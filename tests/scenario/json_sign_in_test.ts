/** Dialogues of protocol v1 until the welcome, frame by frame. */
import { deepEqual, equal, match, ok as truthy } from "node:assert/strict";
import { fail } from "../../shard/errors.ts";
import { hashToken } from "../../server/auth/token.ts";
import {
  connect,
  CURSOR,
  type Frame,
  ID,
  openNode,
  TOKEN,
  UNKNOWN_TOKEN,
} from "../unit/json_fakes.ts";

const HELLO = { t: "hello", v: 1, auth: { token: TOKEN }, device: "phone" };
const PASSWORD = { user: "alice", password: "secret" };

/** Frames without what every welcome says alike. */
function brief(frames: readonly Frame[]): unknown[] {
  return frames.map(({ limits: _, serverTime: __, ...rest }) => rest);
}

function only(frames: readonly Frame[]): Frame {
  equal(frames.length, 1, JSON.stringify(frames));
  return frames[0]!;
}

/** What a client gets for a frame: refusals of tokens leave at whole steps of 5 ms. */
function framesAfter(
  node: ReturnType<typeof openNode>,
  client: ReturnType<typeof connect>,
  frame: unknown,
): readonly Frame[] {
  const atOnce = client.say(frame);
  node.time.runFor(10);
  return [...atOnce, ...client.sink.frames.splice(0)];
}

/** What a new client gets for its hello. */
function framesFor(node: ReturnType<typeof openNode>, hello: unknown): readonly Frame[] {
  return framesAfter(node, connect(node), hello);
}

Deno.test("hello with a token and device: one frame each way, one request to the edge", () => {
  const node = openNode();
  const client = connect(node);
  const welcome = only(client.say(HELLO));
  deepEqual(brief([welcome]), [{
    t: "welcome",
    v: 1,
    domain: "example.com",
    user: "alice",
    device: "phone",
    session: "S000000000000000",
    resumed: false,
    mode: "snapshot",
    cursor: CURSOR,
    expiresAt: 9000,
    snapshot: {
      roster: [],
      requests: [],
      blocked: [],
      conversations: [],
      messagesFrom: "contacts",
    },
  }]);
  equal(welcome["serverTime"], node.deps.clock.wallMs());
  equal((welcome["limits"] as Frame)["messageBytesMax"], 16_384);
  deepEqual(node.router.asked, []);
  deepEqual(node.edge.opened.map(({ sink: _, waits: _waits, ...rest }) => rest), [{
    user: "alice",
    device: "phone",
    auth: { kind: "token", tokenHash: hashToken(TOKEN) },
    provedUntil: null,
    cursor: null,
    presence: { show: "online", status: "", priority: 0, ext: "" },
    resume: null,
    address: "192.0.2.1",
  }]);
  deepEqual(node.edge.sessions[0]?.happened, ["start"]);
  deepEqual(node.gate.asked, ["signIn"]);
});

Deno.test("hello with a token alone asks whose device it is", () => {
  const node = openNode();
  const welcome = only(connect(node).say({ t: "hello", v: 1, auth: { token: TOKEN } }));
  equal(welcome["device"], "phone");
  deepEqual(node.router.asked.map((asked) => asked.op), ["auth.token"]);
});

Deno.test("hello resumes: session, cursor and presence go to the edge, the cursor returns", () => {
  const node = openNode();
  node.edge.mode = "resume";
  const after = `${CURSOR.split(":")[0]}:3`;
  const welcome = only(
    connect(node).say({ ...HELLO, session: "S000000000000009", after, presence: null }),
  );
  deepEqual([welcome["mode"], welcome["cursor"], welcome["resumed"]], ["resume", after, true]);
  equal("snapshot" in welcome, false);
  const opened = node.edge.opened[0]!;
  deepEqual([opened.resume, opened.cursor?.seq, opened.presence], ["S000000000000009", 3, null]);
});

Deno.test("hello that names a session tells the edge until when its proof holds, whatever it is", () => {
  const ways: readonly (readonly [object, number])[] = [
    [{ token: TOKEN }, 9000],
    [{ jwt: "a.b.c" }, 5000],
    [PASSWORD, 9000],
  ];
  for (const [auth, until] of ways) {
    const node = openNode();
    only(connect(node).say({ ...HELLO, auth, session: "S000000000000009" }));
    equal(node.edge.opened[0]?.provedUntil, until);
  }
});

Deno.test("hello that names a session proves its token first, and whose device it is", () => {
  const session = "S000000000000009";
  const node = openNode();
  const tries = [
    { ...HELLO, session, auth: { token: UNKNOWN_TOKEN } },
    { ...HELLO, session, device: "desk" },
  ];
  for (const hello of tries) {
    equal(only(framesFor(node, hello))["code"], "unauthorized");
  }
  deepEqual(node.edge.opened, []);
  equal(node.signIn.failures.length, 2);
  equal(only(connect(node).say({ ...HELLO, session }))["t"], "welcome");
  deepEqual(node.router.asked.map((asked) => asked.op), Array(3).fill("auth.token"));
});

Deno.test("hello with a cursor that is not valid any more gets the snapshot's", () => {
  const node = openNode();
  node.edge.mode = "reset";
  const welcome = only(connect(node).say({ ...HELLO, after: "OTHEROTHEROTHER1:99" }));
  deepEqual([welcome["mode"], welcome["cursor"]], ["reset", CURSOR]);
  truthy(welcome["snapshot"]);
});

Deno.test("hello with a password gives a new token of the named device", () => {
  const node = openNode();
  const hello = { t: "hello", v: 1, auth: PASSWORD, device: "desk", label: "My desk" };
  const presence = { show: "away", status: "tea", priority: -1, ext: "x" };
  const welcome = only(connect(node).say({ ...hello, presence }));
  match(String(welcome["token"]), /^rt1_/);
  equal(welcome["device"], "desk");
  deepEqual(node.signIn.asked, [
    { ...PASSWORD, address: "192.0.2.1" },
    { user: "alice", id: ID, device: "desk", label: "My desk", proof: null, place: 7 },
  ]);
  const { auth, presence: set } = node.edge.opened[0]!;
  deepEqual(auth, { kind: "token", tokenHash: hashToken(String(welcome["token"])) });
  deepEqual(set, presence);
});

Deno.test("hello with SCRAM: challenge, auth, welcome with the server's proof", () => {
  const node = openNode();
  const client = connect(node);
  const scram = { mechanism: "SCRAM-SHA-256", message: "first" };
  deepEqual(client.say({ t: "hello", v: 1, auth: { scram } }), [
    { t: "challenge", message: "server-first 1" },
  ]);
  const welcome = only(client.say({ t: "auth", message: "good" }));
  equal(welcome["scram"], "v=proof");
  match(String(welcome["token"]), /^rt1_/);
});

Deno.test("hello with SCRAM and a wrong proof is refused", () => {
  const node = openNode();
  const client = connect(node);
  client.say({ t: "hello", v: 1, auth: { scram: { mechanism: "SCRAM-SHA-1", message: "first" } } });
  equal(only(client.say({ t: "auth", message: "bad" }))["code"], "unauthorized");
  equal(client.sink.ended, "protocol");
  deepEqual(node.edge.opened, []);
});

Deno.test("hello with a token of an outside issuer gets a device of its own", () => {
  const node = openNode();
  const welcome = only(connect(node).say({ t: "hello", v: 1, auth: { jwt: "a.b.c" } }));
  match(String(welcome["device"]), /^[\w-]{16}$/);
  deepEqual(node.edge.opened[0]?.auth, { kind: "issuer", expiresAt: 5000 });
  equal("token" in welcome, false);
});

Deno.test("register makes the account and welcomes its first device", () => {
  const node = openNode();
  const register = { t: "register", user: "carol", password: "secret", invite: "ri1_x" };
  const welcome = only(connect(node).say({ ...register, device: "phone" }));
  deepEqual([welcome["user"], welcome["device"]], ["carol", "phone"]);
  match(String(welcome["token"]), /^rt1_/);
  deepEqual(node.signIn.asked[0], {
    user: "carol",
    password: "secret",
    invite: "ri1_x",
    address: "192.0.2.1",
  });
});

const REFUSED: readonly [name: string, frame: unknown, code: string][] = [
  ["another version", { ...HELLO, v: 2 }, "unsupported"],
  ["another version of register", { ...PASSWORD, t: "register", v: 0 }, "unsupported"],
  ["no version", { ...HELLO, v: undefined }, "bad_request"],
  ["an unknown token", { ...HELLO, auth: { token: UNKNOWN_TOKEN } }, "unauthorized"],
  ["what is no token", { ...HELLO, auth: { token: "x" } }, "unauthorized"],
  ["a wrong password", { ...HELLO, auth: { user: "alice", password: "no" } }, "unauthorized"],
  ["a wrong issuer token", { ...HELLO, auth: { jwt: "x.y.z" } }, "unauthorized"],
  ["two proofs", { ...HELLO, auth: { token: TOKEN, jwt: "a.b.c" } }, "bad_request"],
  ["half a proof", { ...HELLO, auth: { token: TOKEN, user: "alice" } }, "bad_request"],
  ["no proof", { ...HELLO, auth: {} }, "bad_request"],
  ["a device that is none", { ...HELLO, device: "my phone" }, "bad_request"],
  ["a cursor that is none", { ...HELLO, after: "7" }, "bad_request"],
  ["a taken name", { ...PASSWORD, t: "register", user: "taken" }, "conflict"],
  ["a command first", { t: "ping", id: 1 }, "bad_request"],
  ["auth first", { t: "auth", message: "good" }, "bad_request"],
  ["no JSON", "{", "bad_request"],
  ["no object", "[]", "bad_request"],
  ["no name", {}, "bad_request"],
  ["too much", `{"t":"hello","x":"${"x".repeat(70_000)}"}`, "too_large"],
  ["too deep", `{"t":"hello","x":${"[".repeat(40)}${"]".repeat(40)}}`, "bad_request"],
];

for (const [name, frame, code] of REFUSED) {
  Deno.test(`greeting refuses ${name} with ${code} and ends the connection`, () => {
    const node = openNode();
    const client = connect(node);
    const answer = only(framesAfter(node, client, frame));
    deepEqual([answer["t"], answer["code"]], ["error", code]);
    equal("id" in answer, false);
    equal(client.sink.ended, "protocol");
    deepEqual(client.say(HELLO), []);
    deepEqual(node.edge.sessions, []);
  });
}

Deno.test("greeting is refused where the node takes no sign-ins, before any work", () => {
  const node = openNode();
  node.gate.refusal = fail("busy", "Too much to do", 1500);
  const client = connect(node);
  const answer = only(client.say({ ...HELLO, auth: PASSWORD }));
  deepEqual([answer["code"], answer["retryAfterMs"]], ["busy", 1500]);
  deepEqual([client.sink.ended, client.sink.retryAfterMs], ["protocol", 1500]);
  deepEqual(node.signIn.asked, []);
});

Deno.test("tokens that are not accepted count against the address, which is asked before", () => {
  const node = openNode();
  framesFor(node, { ...HELLO, auth: { token: UNKNOWN_TOKEN } });
  framesFor(node, { t: "hello", v: 1, auth: { token: UNKNOWN_TOKEN } });
  framesFor(node, { ...HELLO, auth: { token: "nonsense" } });
  deepEqual(node.signIn.failures, ["192.0.2.1", "192.0.2.1", "192.0.2.1"]);
  node.signIn.refusal = fail("rate_limited", "Too many failures", 60_000);
  const asked = node.router.asked.length;
  equal(
    only(connect(node).say({ t: "hello", v: 1, auth: { token: TOKEN } }))["code"],
    "rate_limited",
  );
  equal(node.router.asked.length, asked);
});

Deno.test("greeting that does not come within the timeout ends the connection", () => {
  const node = openNode({ helloTimeoutMs: 10_000 });
  const client = connect(node);
  node.time.runFor(9999);
  equal(client.sink.ended, null);
  node.time.runFor(1);
  equal(client.sink.frames[0]?.["code"], "unauthorized");
  equal(client.sink.ended, "protocol");
});

Deno.test("the timeout holds for the answer to a challenge, and for nothing after the welcome", () => {
  const node = openNode({ helloTimeoutMs: 10_000 });
  const scram = { mechanism: "SCRAM-SHA-256", message: "first" };
  const slow = connect(node);
  node.time.runFor(9000);
  slow.say({ t: "hello", v: 1, auth: { scram } });
  node.time.runFor(9999);
  equal(slow.sink.ended, null);
  node.time.runFor(1);
  equal(slow.sink.ended, "protocol");
  const quick = connect(node);
  quick.say(HELLO);
  node.time.runFor(1_000_000);
  equal(quick.sink.ended, null);
});

Deno.test("frames between the hello and the welcome end the connection", () => {
  const node = openNode();
  node.router.held = true;
  const proving = connect(node);
  proving.say({ t: "hello", v: 1, auth: { token: TOKEN } });
  equal(only(proving.say({ t: "ping", id: 1 }))["code"], "bad_request");
  equal(proving.sink.ended, "protocol");
  node.router.release();
  deepEqual(node.edge.opened, []);
  node.edge.held = true;
  const opening = connect(node);
  opening.say(HELLO);
  equal(only(opening.say({ t: "ping", id: 1 }))["code"], "bad_request");
  node.edge.release();
  deepEqual(node.edge.sessions[0]?.happened, ["lost"]);
  deepEqual(opening.sink.frames, []);
});

Deno.test("a connection lost while its session is opened leaves the session to its grace", () => {
  const node = openNode();
  node.edge.held = true;
  const client = connect(node);
  client.say(HELLO);
  client.handler.closed();
  node.edge.release();
  deepEqual(node.edge.sessions[0]?.happened, ["lost"]);
  deepEqual(client.sink.frames, []);
});

Deno.test("a connection lost while its token is looked up opens nothing", () => {
  const node = openNode();
  node.router.held = true;
  const client = connect(node);
  client.say({ t: "hello", v: 1, auth: { token: TOKEN } });
  client.handler.closed();
  node.router.release();
  deepEqual(node.edge.opened, []);
});

Deno.test("refusals never repeat a password, token or body", () => {
  const secret = "hunter2-hunter2";
  const frames = [
    { ...HELLO, auth: { user: "alice", password: [secret] } },
    { ...HELLO, auth: { token: { [secret]: secret } } },
    { ...HELLO, auth: { token: secret } },
    { ...HELLO, v: secret },
    { t: "register", user: "alice", password: `${secret}\ud800` },
    { t: "register", user: "alice", password: secret.repeat(200) },
    { t: secret, password: secret },
    `{"t":"hello","auth":{"password":"${secret}`,
  ];
  for (const frame of frames) {
    const node = openNode();
    const said = JSON.stringify(connect(node).say(frame));
    match(said, /"error"/);
    equal(said.includes(secret), false, said);
    equal(JSON.stringify(node.lines).includes(secret), false);
  }
});

Deno.test("each greeting counts once as a sign-in of its kind, by how it ended", () => {
  const node = openNode();
  const counted = (...frames: unknown[]) => {
    const client = connect(node);
    for (const frame of frames) client.say(frame);
    node.time.runFor(10);
    return node.signIns.splice(0);
  };
  const scram = { ...HELLO, auth: { scram: { mechanism: "SCRAM-SHA-256", message: "first" } } };
  const register = { t: "register", user: "carol", password: "secret" };
  const token = { ...HELLO, auth: { token: UNKNOWN_TOKEN } };
  deepEqual(counted(HELLO), ["token ok"]);
  deepEqual(counted({ ...HELLO, session: "S000000000000000" }), ["token ok"]);
  deepEqual(counted(token), ["token unauthorized"], "attaching is the proof");
  deepEqual(counted({ ...token, device: undefined }), ["token unauthorized"]);
  deepEqual(counted({ ...HELLO, auth: PASSWORD }), ["password ok"]);
  deepEqual(counted({ ...HELLO, auth: { jwt: "a.b.c" } }), ["issuer ok"]);
  deepEqual(counted({ ...HELLO, auth: { jwt: "x.y.z" } }), ["issuer unauthorized"]);
  deepEqual(counted(register), ["register ok"]);
  deepEqual(counted({ ...register, user: "taken" }), ["register conflict"]);
  deepEqual(counted(scram), [], "a challenge is no end yet");
  deepEqual(counted(scram, { t: "auth", message: "good" }), ["scram ok"]);
  deepEqual(counted(scram, { t: "auth", message: "bad" }), ["scram unauthorized"]);
  deepEqual(counted({ ...HELLO, v: 2 }), []);
  deepEqual(counted({ ...HELLO, auth: {} }), []);
  deepEqual(counted("{"), []);
  connect(node);
  connect(node).say(scram);
  node.time.runFor(1_000_000);
  deepEqual(node.signIns, [], "who never came to an end has proved nothing");
  node.gate.refusal = fail("busy", "Too much to do", 1500);
  deepEqual(counted(HELLO), ["token busy"]);
});

Deno.test("a session that opens after its connection went is no sign-in", () => {
  const node = openNode();
  node.edge.held = true;
  const client = connect(node);
  client.say(HELLO);
  client.handler.closed();
  node.edge.release();
  deepEqual(node.signIns, []);
});
