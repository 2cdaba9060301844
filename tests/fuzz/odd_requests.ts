/** Requests at and beyond the edges of HTTP/1.1 (RFC 9112), by what is odd about them. */
import { handshake } from "../process/hostile_client.ts";

const GET = "GET /v1/info HTTP/1.1\r\nHost: localhost\r\n";
const post = (headers: string, body = "") =>
  "POST /v1/auth/password HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
  `${headers}\r\n${body}`;
const upgrade = handshake;

/** What it is, and its text as Latin-1. */
export const ODD_REQUESTS: readonly (readonly [what: string, text: string])[] = [
  ["half a line", "GET /v1/info HT"],
  ["half a head", GET],
  ["no host", "GET / HTTP/1.1\r\n\r\n"],
  ["two hosts", `${GET}Host: y\r\n\r\n`],
  ["HTTP/0.9", "GET /\r\n"],
  ["HTTP/1.0", "GET /v1/info HTTP/1.0\r\n\r\n"],
  ["HTTP/9.9", "GET / HTTP/9.9\r\nHost: localhost\r\n\r\n"],
  ["HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
  ["TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
  ["CONNECT", "CONNECT example.com:443 HTTP/1.1\r\nHost: localhost\r\n\r\n"],
  ["TRACE", "TRACE /v1/info HTTP/1.1\r\nHost: localhost\r\n\r\n"],
  ["unknown method", "BREW /v1/info HTTP/1.1\r\nHost: localhost\r\n\r\n"],
  ["lower-case method", "get /v1/info HTTP/1.1\r\nHost: localhost\r\n\r\n"],
  ["long method", `${"X".repeat(60_000)} / HTTP/1.1\r\nHost: localhost\r\n\r\n`],
  ["long target", `GET /${"x".repeat(60_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`],
  ["absolute target", "GET http://elsewhere/ HTTP/1.1\r\nHost: localhost\r\n\r\n"],
  ["asterisk", "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n"],
  ["bad escape", "GET /v1/contacts/%zz HTTP/1.1\r\nHost: localhost\r\n\r\n"],
  ["bad UTF-8", "GET /v1/contacts/\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n"],
  ["dots", "GET /v1/../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n"],
  ["bad host", "GET / HTTP/1.1\r\nHost: a b[\r\n\r\n"],
  ["host with a user", "GET / HTTP/1.1\r\nHost: a@b:99999999\r\n\r\n"],
  ["NUL", `${GET}X: a\0b\r\n\r\n`],
  ["no colon", `${GET}nonsense\r\n\r\n`],
  ["folded header", `${GET}X: a\r\n b\r\n\r\n`],
  ["space before the colon", `${GET}X : a\r\n\r\n`],
  ["many headers", `${GET}${"X: 1\r\n".repeat(5000)}\r\n`],
  ["header bomb", `${GET}X: ${"y".repeat(300_000)}\r\n\r\n`],
  ["line feeds only", "GET /v1/info HTTP/1.1\nHost: x\n\n"],
  ["empty lines", "\r\n".repeat(30_000)],
  [
    "bearer bomb",
    `GET /v1/devices HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${
      "a.".repeat(4000)
    }\r\n\r\n`,
  ],
  ["negative length", post("Content-Length: -5\r\n")],
  ["vast length", post("Content-Length: 99999999999999999999\r\n")],
  ["length over the limit", post("Content-Length: 10000000\r\n", "{")],
  ["two lengths", post("Content-Length: 5\r\nContent-Length: 6\r\n", "{}    ")],
  ["length and chunks", post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")],
  ["unknown coding", post("Transfer-Encoding: gzip\r\n", "xx")],
  ["chunked, but not last", post("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n")],
  ["chunk without size", post("Transfer-Encoding: chunked\r\n", "zz\r\n")],
  ["vast chunk", post("Transfer-Encoding: chunked\r\n", "ffffffffffffffff\r\nx")],
  ["large chunk", post("Transfer-Encoding: chunked\r\n", "40000000\r\nx")],
  ["chunk extension", post("Transfer-Encoding: chunked\r\n", `1;${"x".repeat(100_000)}\r\n`)],
  ["half a body", post("Content-Length: 10\r\n", "{")],
  ["deep JSON", post("Content-Length: 60000\r\n", "[".repeat(60_000))],
  ["expects the impossible", post("Content-Length: 2\r\nExpect: pony\r\n", "{}")],
  ["upgrade to something", `${GET}Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n`],
  ["pipelined rubbish", `${GET}\r\n\x00\x01rubbish\r\n\r\n`],
  ["pipelined requests", `${GET}\r\n`.repeat(1000)],
  ["upgrade elsewhere", upgrade().replace("/v1/ws", "/elsewhere")],
  ["upgrade by POST", upgrade().replace("GET", "POST")],
  ["upgrade without key", upgrade({ "Sec-WebSocket-Key": null })],
  ["upgrade with a short key", upgrade({ "Sec-WebSocket-Key": "x" })],
  ["upgrade of version 99", upgrade({ "Sec-WebSocket-Version": "99" })],
  [
    "upgrade with rubbish extensions",
    upgrade({ "Sec-WebSocket-Extensions": "permessage-deflate; ;;,," }),
  ],
  ["upgrade with rubbish protocols", upgrade({ "Sec-WebSocket-Protocol": ",,a a" })],
  ["upgrade with a body", `${upgrade({ "Content-Length": "5" })}hello`],
];
