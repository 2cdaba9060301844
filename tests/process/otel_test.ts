/** What a server of several processes sends to an OpenTelemetry collector, and prints of one message. */
import assert from "node:assert/strict";
import { Client, rest } from "./client.ts";
import { roost } from "./cli.ts";
import { ServerProcess, tempDir } from "./server.ts";
import { otelTraceId } from "../../server/system/telemetry.ts";

const LIMIT_MS = 60_000;

interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string };
}
interface Span {
  readonly name: string;
  readonly traceId: string;
  readonly attributes: readonly Attribute[];
}

/** A collector of OTLP over HTTP, as JSON. */
class Collector {
  readonly spans: Span[] = [];
  readonly metrics = new Set<string>();
  readonly services = new Set<string>();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor() {
    const options = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
    this.#server = Deno.serve(options, (request) => this.#take(request));
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  async #take(request: Request): Promise<Response> {
    const body = await request.json();
    for (const { resource, scopeSpans } of body.resourceSpans ?? []) {
      for (const { key, value } of resource.attributes) {
        if (key === "service.name") this.services.add(value.stringValue);
      }
      for (const { spans } of scopeSpans) this.spans.push(...spans);
    }
    for (const { scopeMetrics } of body.resourceMetrics ?? []) {
      for (const { metrics } of scopeMetrics) {
        for (const { name } of metrics) this.metrics.add(name);
      }
    }
    return Response.json({});
  }

  close(): Promise<void> {
    return this.#server.shutdown();
  }
}

async function until(holds: () => boolean, what: string): Promise<void> {
  for (const endMs = performance.now() + LIMIT_MS; !holds();) {
    assert.ok(performance.now() < endMs, `it takes too long: ${what}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

async function converse(server: ServerProcess): Promise<void> {
  const tokens: string[] = [];
  for (const user of ["alice", "bob"]) {
    const body = { user, password: "correct horse battery" };
    const { token } = await rest<{ token: string }>(server.url, "POST", "/v1/register", { body });
    await rest(server.url, "PUT", "/v1/settings", { token, body: { messagesFrom: "anyone" } });
    tokens.push(token);
  }
  const bob = await Client.connect(server.wsUrl, { auth: { token: tokens[1]! } });
  const events: { readonly k?: string }[] = [];
  bob.onEvent = (event) => events.push(event as { readonly k?: string });
  const alice = await Client.connect(server.wsUrl, { auth: { token: tokens[0]! } });
  await alice.command("send", { to: "bob", key: "one", body: "hello" });
  await until(() => events.some(({ k }) => k === "message"), "the message");
  await Promise.all([alice.close(), bob.close()]);
}

Deno.test("11: OTEL_DENO exports spans of one trace and metrics; roost trace prints the same steps", async () => {
  using dir = tempDir();
  const collector = new Collector();
  const env = {
    ...Deno.env.toObject(),
    OTEL_DENO: "true",
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
    OTEL_SERVICE_NAME: "roost",
    OTEL_METRIC_EXPORT_INTERVAL: "1000",
    OTEL_BSP_SCHEDULE_DELAY: "200",
  };
  const server = await ServerProcess.start({
    dataDir: dir.path,
    flags: ["--workers", "2", "--registration", "open", "--set", "log.otelPercent=100"],
    place: { cwd: Deno.cwd(), env },
  });
  try {
    await converse(server);
    const list = await roost(["trace", "--user", "alice", "--data", dir.path]);
    const trace = /^([0-9a-f]{16}) .* alice +bob +one /m.exec(list.out)?.[1];
    assert.ok(trace !== undefined, list.out + list.err);
    const shown = await roost(["trace", trace, "--data", dir.path]);
    const steps = ["received", "accepted", "forwarded", "settled", "delivered"];
    for (const step of steps) {
      assert.match(shown.out, new RegExp(` [^ ]+-[12] +${step}\b`.replace("\b", "( |$)"), "m"));
    }
    const mine = () => collector.spans.filter(({ traceId }) => traceId === otelTraceId(trace));
    await until(() => mine().some(({ name }) => name === "message delivered"), "spans");
    const names = new Set(mine().map(({ name }) => name));
    for (const step of ["received", "accepted", "forwarded"]) {
      assert.ok(names.has(`message ${step}`), [...names].join());
    }
    const nodes = mine().map(({ attributes }) =>
      attributes.find(({ key }) => key === "roost.node")?.value.stringValue
    );
    assert.ok(nodes.every((node) => /-[12]$/.test(node ?? "")), nodes.join());
    await until(() => collector.metrics.has("roost_messages_accepted_total"), "metrics");
    for (const name of ["roost_sessions", "roost_message_ack_seconds_count"]) {
      await until(() => collector.metrics.has(name), name);
    }
    assert.ok(collector.services.has("roost"));
    const none = await roost(["trace", "0".repeat(16), "--data", dir.path]);
    assert.match(none.err, /No node remembers a step of 0{16}/);
  } finally {
    await server.stop();
    await collector.close();
  }
});
