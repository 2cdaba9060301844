/** The public addresses of a cell. */
import { deepEqual, equal } from "node:assert/strict";
import { CellServers } from "../../server/v1/servers.ts";
import { goawayFrame } from "../../server/v1/encode.ts";
import { ServersNotice } from "../../server/v1/servers_notice.ts";

type View = ReturnType<ConstructorParameters<typeof CellServers>[0]>[number];

Deno.test("11: clients are named the addresses of live nodes that are not drained, and of the others when sent away", () => {
  let nowMs = 0;
  let nodes: View[] = [
    { state: "this", publicUrl: "https://a.test", drained: false },
    { state: "linked", publicUrl: "https://b.test", drained: false },
    { state: "linked", publicUrl: "https://d.test", drained: true },
    { state: "dead", publicUrl: "https://c.test", drained: false },
    { state: "unlinked", publicUrl: "", drained: false },
  ];
  const servers = new CellServers(() => nodes, { monoMs: () => nowMs });
  deepEqual(servers.all(), ["https://a.test", "https://b.test"]);
  deepEqual(servers.others(), ["https://b.test"]);
  nodes = [];
  deepEqual(servers.others(), ["https://b.test"], "made once a second");
  nowMs = 1000;
  deepEqual(servers.all(), []);
});

Deno.test("11: a goaway names other servers only where the server itself goes away", () => {
  const others = ["https://b.test"];
  const frame = '{"t":"goaway","reason":"shutdown","retryAfterMs":9,"servers":["https://b.test"]}';
  equal(goawayFrame("shutdown", 9, others), frame);
  equal(goawayFrame("revoked", undefined, others), '{"t":"goaway","reason":"revoked"}');
  equal(goawayFrame("shutdown", 9, []), '{"t":"goaway","reason":"shutdown","retryAfterMs":9}');
});

Deno.test("11: clients that are connected are notified of a server that is added or returns, once it stays", () => {
  let all: readonly string[] = ["https://a.test"];
  let look = () => {};
  const sent: string[] = [];
  const notice = new ServersNotice({
    timers: {
      after: (_, run) => {
        look = run;
        return () => {};
      },
      soon: () => {},
    },
    servers: { all: () => all },
    notify: (event) => sent.push(event),
  });
  notice.start();
  const looks = () => {
    sent.length = 0;
    look();
    look();
    return sent;
  };
  const event = (urls: readonly string[]) => JSON.stringify({ k: "servers", servers: urls });
  deepEqual(looks(), [event(all)]);
  all = ["https://a.test", "https://b.test"];
  look();
  deepEqual(sent, [event(["https://a.test"])], "it may go at once");
  deepEqual(looks(), [event(all)]);
  deepEqual(looks(), [], "no news");
  all = ["https://a.test"];
  deepEqual(looks(), [], "who tries it in vain tries the next");
  all = ["https://b.test", "https://a.test"];
  deepEqual(looks(), [event(all)], "who signed in meanwhile does not know it");
});
