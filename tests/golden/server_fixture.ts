/**
 * A node with everything around it but sockets: shards, edge, JSON protocol and REST app, wired as
 * `server/front.ts` does it, over simulated ports. It is fast, and the same in every run.
 */
import { basename } from "node:path";
import { setImmediate } from "node:timers";
import { SessionReach } from "../../server/edge/reach.ts";
import { SignInQueue } from "../../server/http/sign_in_queue.ts";
import type { Hono } from "hono";
import type { AccountName } from "../../shard/name/ids.ts";
import type { Config } from "../../server/config/config.ts";
import type { Ports } from "../../server/node/ports.ts";
import type { WireConnection, WireHandler } from "../../server/v1/wire.ts";
import { adminDeps } from "../../server/ops/accounts.ts";
import {
  connectionLimits,
  edgeLimits,
  exchangeLimits,
  linkOptions,
  mechanisms,
  protocolLimits,
  rates,
} from "../../server/settings.ts";
import { createApp } from "../../server/v1/rest.ts";
import { rateThrottles } from "../../server/v1/rates.ts";
import { UnreadResponses } from "../../server/http/unread_responses.ts";
import { type Edge } from "../../server/edge/edge.ts";
import { createSignIn } from "../../server/auth/sign_in.ts";
import { fail } from "../../shard/errors.ts";
import { issuers, shardLimits, signInOptions } from "../../server/settings.ts";
import { makeConnector } from "../../server/v1/connection.ts";
import { makeEvents, newStreamCounters } from "../../server/v1/events.ts";
import { makeProtocol } from "../../server/v1/protocol.ts";
import { MemoryDisk } from "../sim/memory_store.ts";
import { memoryLog } from "../sim/sim_ports.ts";
import { Node } from "../../server/node/node.ts";
import { openJwtVerifier } from "../../server/auth/jwt.ts";
import { Prng } from "../sim/prng.ts";
import { Throttle, throttleOptions } from "../../server/auth/throttle.ts";
import { VirtualTime } from "../sim/virtual_time.ts";
import { FIXED_SIGN_IN_QUEUE, FIXED_UNREAD } from "../../server/config/fixed.ts";
import { makeEdge, makeNode, startNode } from "../sim/test_node.ts";

/** PBKDF2 iterations of simulated accounts: what real ones cost is not what is looked at here. */
const ITERATIONS = 4096;
const UNCOUNTED = { observe: () => {}, acked: () => {}, signedIn: () => {}, limited: () => {} };
/** The address that every client seems to have. */
export const ADDRESS = "192.0.2.1";

/** What a fixture starts with. */
export interface FixtureOptions {
  readonly config: Config;
  /** Texts of the files that the configuration names. */
  readonly files?: Readonly<Record<string, string>>;
}

/** One node in its own time. */
export interface ServerFixture {
  readonly time: VirtualTime;
  readonly disk: MemoryDisk;
  readonly ports: Ports;
  readonly node: Node;
  readonly edge: Edge;
  readonly app: Hono;
  connect(wire: WireConnection): WireHandler;
  /** While true, everything new is refused as busy. */
  busy: boolean;
  /** Makes an invite and returns its code. */
  invite(done: (code: string) => void): void;
  setDisabled(user: string, disabled: boolean): void;
  /** Sends everybody away. */
  drain(): void;
}

/** Waits until real promises have come as far as they can without time. */
export async function breathe(times = 4): Promise<void> {
  for (let i = 0; i < times; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** Starts a node. */
export async function openServer(options: FixtureOptions): Promise<ServerFixture> {
  const { config } = options;
  const time = new VirtualTime(Date.UTC(2025, 0, 1));
  const prng = new Prng("golden");
  const disk = new MemoryDisk(time, prng.fork("disk"));
  const { log } = memoryLog();
  let edge: Edge | null = null;
  const made = makeNode({
    process: time.process(),
    disk,
    prng: prng.fork("random"),
    log,
    deliver: (packet) => void edge?.deliver(packet),
    node: {
      limits: shardLimits(config),
      shards: config.storage.shards,
      cacheUsersMax: config.storage.cacheUsersMax,
    },
  });
  startNode(time, made.node);
  edge = makeEdge(made, edgeLimits(config)).edge;
  return await serve(options, { time, disk, ...made, edge });
}

type Parts = Pick<ServerFixture, "time" | "disk" | "ports" | "node" | "edge">;

async function serve(options: FixtureOptions, parts: Parts): Promise<ServerFixture> {
  const { config, files = {} } = options;
  const { ports, node, edge } = parts;
  const keys = await issuers(config, (file) => Promise.resolve(files[basename(file)] ?? ""));
  const signInAs = {
    ...signInOptions(config, new Uint8Array(32)),
    iterations: { sha256: ITERATIONS, sha1: ITERATIONS },
  };
  const verifier = config.jwt.issuer === null ? null : await openJwtVerifier(keys);
  const signIn = createSignIn(
    { ...ports, router: node, issuers: verifier, limited: () => {} },
    signInAs,
  );
  const fixture = { busy: false };
  const shared = {
    ...ports,
    router: node,
    signIn,
    domain: config.server.domain,
    protocol: makeProtocol(protocolLimits(config)),
    servers: { all: () => [], others: () => [] },
    signInQueue: new SignInQueue(ports, FIXED_SIGN_IN_QUEUE),
    admit: () => fixture.busy ? fail("busy", "Refused for now: overload", 2000) : null,
    open: edge.open.bind(edge),
    ...UNCOUNTED,
  };
  const app = createApp({
    ...shared,
    info: {
      registration: config.registration.mode,
      mechanisms: mechanisms(config),
      passwordLengthMin: config.registration.passwordCharsMin,
    },
    allowedOrigins: () => [],
    publicUrl: null,
    throttles: throttles(config),
    unread: new UnreadResponses(FIXED_UNREAD, (_, over) => over()),
    addressOf: () => ADDRESS,
    reach: new SessionReach({ node: node.id, session: (id) => edge.session(id), calls: null }),
    events: makeEvents({
      ...shared,
      streamBytesMax: config.limits.outboxBytesMax,
      streams: newStreamCounters(),
    }),
  }, exchangeLimits(config));
  const record = () => Promise.resolve(null);
  const admin = adminDeps(node, ports, signInAs, linkOptions(config), record);
  return Object.assign(fixture, parts, {
    app,
    connect: makeConnector({ ...shared, connection: connectionLimits(config) }),
    invite: (done: (code: string) => void) =>
      admin.invites.create((made) => {
        if (made.ok) done(made.value.code);
      }),
    setDisabled: (user: string, disabled: boolean) =>
      node.request(user as AccountName, "account.setDisabled", { disabled }, () => {}),
    drain: () => edge.drain({ spreadMs: 0, retryAfterMs: 2000 }, () => {}),
  });
}

function throttles(config: Config) {
  const rate = rates(config);
  return {
    address: new Throttle(throttleOptions({
      perSecond: config.limits.requestsPerAddressPerSecond,
      burst: config.limits.requestsPerAddressBurst,
    })),
    account: new Throttle(throttleOptions(rate.frames)),
    device: rateThrottles(rate),
  };
}
