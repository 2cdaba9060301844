/** The load tool's sockets against real servers (issue 9 B8). */
import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import type { HttpConnection, HttpRequest, HttpResult } from "../../server/load/network.ts";
import { systemNetwork } from "../../server/load/sockets.ts";
import { systemTimers } from "../../server/system/timers.ts";
import { VirtualTime } from "../sim/virtual_time.ts";
import type { Target } from "../../server/load/target.ts";

interface Listening {
  listen(port: number, host: string, done: () => void): unknown;
  address(): unknown;
}

async function listen(server: Listening): Promise<Target> {
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, secure: false, host: "127.0.0.1", port };
}

async function close(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise<void>((done) => void server.close(() => done()));
}

/** Connects and returns everything that the handler hears until `closed`. */
function hear(target: Target, onOpen: (socket: { send(text: string): void }) => void) {
  return new Promise<readonly string[]>((resolve) => {
    const heard: string[] = [];
    const socket = systemNetwork(systemTimers()).webSocket(target, "127.0.1.7", {
      opened: () => onOpen(socket),
      message: (bytes) => heard.push(new TextDecoder().decode(bytes)),
      notUpgraded: (status, body) => heard.push(`${status} ${new TextDecoder().decode(body)}`),
      closed: (why) => resolve([...heard, why]),
    });
  });
}

Deno.test("systemNetwork carries text by WebSocket from the given address, and tells why it ended", async () => {
  const server = createServer();
  const sockets = new WebSocketServer({ server, path: "/v1/ws" });
  sockets.on("connection", (socket: WebSocket, request: IncomingMessage) => {
    socket.send(String(request.socket.remoteAddress));
    socket.on("message", (text) => {
      socket.send(String(text));
      socket.close(4001);
    });
  });
  const target = await listen(server);
  assert.deepEqual(await hear(target, (socket) => socket.send("grüße")), [
    "127.0.1.7",
    "grüße",
    "the server closed the connection with code 4001",
  ]);
  await close(server);
  assert.match((await hear(target, () => {})).join(), /ECONNREFUSED/);
});

Deno.test("systemNetwork hands on the response that refuses an upgrade", async () => {
  const server = createServer();
  server.on("upgrade", (_request, socket) => {
    socket.end(
      'HTTP/1.1 503 Busy\r\nconnection: close\r\ncontent-length: 15\r\n\r\n{"code":"busy"}',
    );
  });
  const heard = await hear(await listen(server), () => {});
  assert.deepEqual(heard, ['503 {"code":"busy"}', "the server responded with status 503"]);
  await close(server);
});

Deno.test("systemNetwork calls nothing after a WebSocket was destroyed", async () => {
  const server = createServer();
  const sockets = new WebSocketServer({ server });
  const target = await listen(server);
  const heard: string[] = [];
  const gone = new Promise<void>((resolve) =>
    sockets.on("connection", (peer: WebSocket) => {
      peer.on("close", () => resolve());
      peer.send("late");
      socket.destroy();
    })
  );
  const socket = systemNetwork(systemTimers()).webSocket(target, null, {
    opened: () => heard.push("opened"),
    message: () => heard.push("message"),
    notUpgraded: () => heard.push("not upgraded"),
    closed: () => heard.push("closed"),
  });
  await gone;
  await close(server);
  assert.deepEqual(heard.filter((word) => word !== "opened"), []);
});

function ask(connection: HttpConnection, path: string, body: string | null): Promise<HttpResult> {
  const method = body === null ? "GET" : "POST";
  const request: HttpRequest = { method, path, headers: { "x-test": "1" }, body };
  return new Promise((resolve) => connection.ask(request, resolve));
}

function textOf(result: HttpResult): string {
  if (!result.ok) return result.why;
  return `${result.response.status} ${new TextDecoder().decode(result.response.body)}`;
}

Deno.test("systemNetwork sends requests one after the other on one kept connection", async () => {
  const ports = new Set<number | undefined>();
  let together = 0;
  const server = createServer(async (request, response) => {
    ports.add(request.socket.remotePort);
    assert.equal(++together, 1);
    let body = "";
    for await (const chunk of request) body += String(chunk);
    together--;
    response.statusCode = body === "" ? 204 : 200;
    response.end(body === "" ? undefined : `${request.url} ${request.headers["x-test"]} ${body}`);
  });
  const connection = systemNetwork(systemTimers()).http(await listen(server), "127.0.1.9");
  const all = [
    ask(connection, "/a", '"ü"'),
    ask(connection, "/b", null),
    ask(connection, "/c", "1"),
  ];
  assert.equal(connection.pending, 3);
  assert.deepEqual((await Promise.all(all)).map(textOf), ['200 /a 1 "ü"', "204 ", "200 /c 1 1"]);
  assert.equal(connection.pending, 0);
  assert.equal(ports.size, 1);
  connection.drop();
  await close(server);
});

Deno.test("systemNetwork fails a request whose response breaks off, and connects again", async () => {
  const server = createTcpServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", (head) => {
      const path = /^GET (\S+)/.exec(String(head))![1];
      if (path === "/whole") socket.end("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
      else if (path === "/half") socket.end("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}");
      else socket.destroy();
    });
  });
  const target = await listen(server);
  const connection = systemNetwork(systemTimers()).http(target, null);
  assert.equal((await ask(connection, "/none", null)).ok, false);
  assert.equal((await ask(connection, "/half", null)).ok, false);
  assert.equal(textOf(await ask(connection, "/whole", null)), "200 {}");
  let called = false;
  connection.ask({ method: "GET", path: "/none", headers: {}, body: null }, () => called = true);
  connection.drop();
  await new Promise<void>((done) => void server.close(() => done()));
  assert.equal(called, false);
  const refused = systemNetwork(systemTimers()).http(target, null);
  assert.match(textOf(await ask(refused, "/", null)), /ECONNREFUSED/);
  refused.drop();
});

Deno.test("systemNetwork gives up on a server that accepts and sends nothing", async () => {
  const server = createTcpServer((socket) => void socket.on("error", () => {}));
  const target = await listen(server);
  const time = new VirtualTime();
  const network = systemNetwork(time.global.timers);
  const failed = new Promise<string>((resolve) =>
    network.webSocket(target, null, {
      opened: () => {},
      message: () => {},
      notUpgraded: () => {},
      closed: resolve,
    })
  );
  const connection = network.http(target, null);
  const result = ask(connection, "/", null);
  time.runFor(60_000);
  assert.equal(await failed, "no connection within 20 s");
  assert.equal(textOf(await result), "no response within 60 s");
  connection.drop();
  await new Promise<void>((done) => void server.close(() => done()));
});
