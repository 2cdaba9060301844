/** Connections that speak HTTP, on real sockets. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { RequestFeeds } from "../../server/http/request_feeds.ts";
import { Turns } from "../../server/http/turns.ts";
import { systemClock } from "../../server/system/clock.ts";
import { systemTimers } from "../../server/system/timers.ts";
import { RawSocket } from "./raw_socket.ts";

Deno.test("RequestFeeds ends a connection on which nothing moved for eight rounds, no other", async () => {
  let round = () => {};
  const feeds = new RequestFeeds({
    turns: new Turns(systemClock(), systemTimers()),
    timers: {
      after(delayMs, run) {
        assert.equal(delayMs, 15_000);
        round = run;
        return () => {};
      },
    },
    counters: { pipelined: 0 },
    penalize: () => {},
  });
  const server = createServer((request, response) => {
    const feed = feeds.of(request.socket)!;
    feed.began(request, feed.address);
    response.once("close", () => feed.answered());
    response.end("served");
  });
  feeds.watch(server, false);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const idle = new RawSocket(port);
  const busy = new RawSocket(port);
  const ask = (raw: RawSocket) => {
    const before = raw.bytes.length;
    raw.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    return raw.until(() => raw.bytes.includes("served", before));
  };
  await ask(idle);
  await ask(busy);
  for (let i = 0; i < 8; i++) round();
  await ask(idle);
  await ask(busy);
  for (let i = 0; i < 8; i++) round();
  await ask(busy);
  round();
  await idle.ended();
  await ask(busy);
  assert.equal(busy.closed, false);
  feeds.stop();
  busy.destroy();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});
