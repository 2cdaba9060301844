/** The gateway's API for tests. */
import assert from "node:assert/strict";
import { addGateway } from "../../server/gateway/api.ts";
import { GatewayFixture } from "../sim/gateway_fixture.ts";
import { Hono } from "hono";
import { PROTOCOL_LIMITS } from "../sim/limits.ts";
import type { ShardLimits } from "../../shard/limits.ts";
import { Throttle } from "../../server/auth/throttle.ts";

/** What a request was answered. */
export type Answer = { readonly status: number; readonly value: Readonly<Record<string, unknown>> };

/** The API over a gateway in virtual time. */
export function openApi(burst = 1000, shard: Partial<ShardLimits> = {}) {
  const w = new GatewayFixture({ shard });
  const app = new Hono();
  const limits: string[] = [];
  addGateway(app, {
    gateway: w.gateway,
    domain: "example.org",
    limits: PROTOCOL_LIMITS,
    throttle: new Throttle({ burst, refillMs: 100, keysMax: 100 }),
    targets: { privateToo: false, ports: [] },
    publicUrl: null,
    streamsMax: 2,
    admit: () => null,
    observe: () => {},
    limited: (limit) => limits.push(limit),
    refundAddress: () => {},
  });
  const request = (line: string, token: string, body?: unknown, headers = {}) => {
    const [method, path] = line.split(" ") as [string, string];
    return Promise.resolve(app.request(path, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        "content-type": "application/json",
        ...headers,
      },
      ...(body === undefined
        ? {}
        : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    }));
  };
  /** Calls, and lets virtual time run until it is answered. */
  const call = async (...args: Parameters<typeof request>): Promise<Answer> => {
    let response: Response | null = null;
    request(...args).then((r) => response = r);
    for (let i = 0; response === null && i < 1000; i++) {
      await new Promise((done) => setTimeout(done, 0));
      w.time.runFor(10);
    }
    const answered = response as Response | null;
    assert.ok(answered, "no answer");
    const text = await answered.text();
    return { status: answered.status, value: text === "" ? {} : JSON.parse(text) };
  };
  return { w, app, call, request, limits };
}
