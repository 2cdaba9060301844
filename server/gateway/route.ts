/** A row of the gateway's table of routes, and what rows share. */
import type { TargetRules } from "../config/target.ts";
import type { z } from "zod";
import type { AccountName } from "../../shard/name/ids.ts";
import { parseAddress } from "../../shard/name/name.ts";
import { type ErrorCode, fail, type Failure, type Result } from "../../shard/errors.ts";
import type { Throttle } from "../auth/throttle.ts";
import type { AdmissionKind } from "../http/admission.ts";
import { validate } from "../text/validate.ts";
import type { ProtocolLimits } from "../v1/limits.ts";
import type { Gateway } from "./gateway.ts";
import type { Hub } from "./hub.ts";
import { GATEWAY_ANSWERS, type GatewaySchemas } from "./schemas.ts";
import type { Scope, ServiceRecord } from "./service.ts";

/** What the API needs. */
export interface GatewayApiDeps {
  readonly gateway: Gateway;
  readonly domain: string;
  readonly limits: ProtocolLimits;
  /** By service: requests, where names of a batch count a part. */
  readonly throttle: Throttle;
  /** Where webhooks may go. */
  readonly targets: TargetRules;
  /** As in `RestDeps`. */
  readonly publicUrl: string | null;
  /** Streams one service may have open. */
  readonly streamsMax: number;
  admit(kind: AdmissionKind): Failure | null;
  /** Counts an outcome for metrics: a route's id, `ok` or an error code. */
  observe(name: string, outcome: "ok" | ErrorCode): void;
  /** Counts that a rate has held a service back. Needs no `this`. */
  limited(limit: "services" | "subscription_requests"): void;
  /** A service has proved itself: the address gets back what the request cost it. */
  refundAddress(request: Request, env: unknown): void;
}

/** One request of a service. */
export interface GatewayCall {
  readonly deps: GatewayApiDeps;
  readonly service: ServiceRecord;
  readonly account: AccountName;
  readonly request: Request;
}

/** A row of the table. */
export interface GatewayRoute {
  readonly id: string;
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** With `{name}` for parameters. */
  readonly path: string;
  readonly summary: string;
  /** null: any service. Of several, one is enough. */
  readonly scopes: readonly Scope[] | null;
  readonly input: z.ZodType;
  /** Where fields come from that are not in the body. */
  readonly from: Readonly<Record<string, "path" | "query" | "number" | "idempotency-key">>;
  readonly status: 200 | 204;
  readonly answer: keyof typeof GATEWAY_ANSWERS | null;
  /** Also as server-sent events. */
  readonly streams?: boolean;
  readonly write: boolean;
  run(call: GatewayCall, input: unknown): Promise<Result<unknown> | Response>;
}

/** The checked input of a row. */
export type In<K extends keyof GatewaySchemas> = z.output<GatewaySchemas[K]>;

/** One name costs this part of a request. */
const NAME_COST = 0.1;

/** Makes a row whose `run` gets checked input. */
export function route<K extends keyof GatewaySchemas>(
  schemas: GatewaySchemas,
  schema: K,
  row: Omit<GatewayRoute, "input" | "run" | "from" | "write"> & Partial<GatewayRoute>,
  run: (call: GatewayCall, input: In<K>) => Promise<Result<unknown> | Response>,
): GatewayRoute {
  const input: z.ZodType = schemas[schema];
  return {
    from: {},
    write: row.method !== "GET",
    ...row,
    input,
    run(call, raw) {
      const checked = validate(input, raw);
      return checked.ok ? run(call, checked.value as In<K>) : Promise.resolve(checked);
    },
  };
}

/** What `start` calls back with. */
export function once<T>(start: (done: (value: T) => void) => void): Promise<T> {
  return new Promise(start);
}

/** The service's attachment at this node, where what it says about presence is complete. */
export function readerOf({ deps, service }: GatewayCall): Promise<Hub | null> {
  return once((done) => deps.gateway.reader(service, done));
}

/** The normalised name, or null where it cannot be anybody's. */
export function nameOf({ deps }: GatewayCall, text: string): AccountName | null {
  const check = parseAddress(text, deps.domain);
  return check.ok ? check.name : null;
}

/** Takes what a batch costs beyond the request itself. */
export function payBatch({ deps, service }: GatewayCall, names: number): Failure | null {
  const waitMs = deps.throttle.take(
    deps.gateway.ports.clock.monoMs(),
    service.name,
    names * NAME_COST,
  );
  if (waitMs === 0) return null;
  deps.limited("services");
  return fail("rate_limited", "Too many names: wait retryAfterMs", waitMs);
}

/** Streams that the service has open, at all nodes. */
export function streamsOf({ deps, service }: GatewayCall): Promise<number> {
  return once((done) => deps.gateway.streamCount.of(service.name, done));
}

/** The refusal of a stream beyond `streamsMax`. */
export const NO_STREAM = fail("limit_reached", "The service has too many streams open");
