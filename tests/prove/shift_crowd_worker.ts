/**
 * Clients that sign in at a cell which is not their home, on a thread of its own, so that what they take
 * is not part of what others measure. Message in: `CrowdPlan`. Messages out: a `CrowdReport` now and then.
 */
import type { IncomingMessage } from "node:http";
import { WebSocket } from "ws";
import { Prng } from "../sim/prng.ts";
import { pause } from "./cell_load.ts";
import { MOVED_SLOWER } from "../../server/web/client/connection.js";
import { type RetryPolicy, retryWaitMs } from "../../shard/retry.ts";

/** Who comes, and where to. */
export interface CrowdPlan {
  readonly wsUrl: string;
  readonly tokens: readonly string[];
  readonly seed: number;
}

/** What has become of all tries so far. */
export interface CrowdReport {
  readonly tries: number;
  readonly replies: Readonly<Record<string, number>>;
}

/** All come within so long (ms); then again as the client library does. */
const SPREAD_MS = 1000;
const AGAIN: RetryPolicy = { leastMs: 0, baseMs: 500, capMs: 30_000, askedMaxMs: 600_000 };
/** They come from so many addresses. */
const ADDRESSES = 200;
const REPORT_MS = 250;
/** When one gives up a try without a reply (ms). */
const TIMEOUT_MS = 20_000;

type Reply = readonly [code: string, retryAfterMs: number];

interface Scope {
  onmessage: ((event: MessageEvent<CrowdPlan>) => void) | null;
  postMessage(message: CrowdReport): void;
}

const scope = self as unknown as Scope;

function replyOf(text: string): Reply {
  const frame = JSON.parse(text) as {
    readonly t?: string;
    readonly code?: string;
    readonly retryAfterMs?: number;
  };
  return frame.t === "welcome" ? ["served", 0] : [String(frame.code), frame.retryAfterMs ?? 0];
}

async function notUpgraded(response: IncomingMessage): Promise<Reply> {
  let text = "";
  for await (const part of response) text += part;
  const [code, waitMs] = text === "" ? ["no body", 0] : replyOf(text);
  return [`${response.statusCode} ${code}`, waitMs];
}

/** One try to sign in. */
function signIn(wsUrl: string, token: string, localAddress: string): Promise<Reply> {
  return new Promise((resolve) => {
    const options = { localAddress, perMessageDeflate: false, handshakeTimeout: TIMEOUT_MS };
    const socket = new WebSocket(wsUrl, options);
    const timer = setTimeout(() => done(["no reply", 0]), TIMEOUT_MS);
    const done = (reply: Reply) => {
      clearTimeout(timer);
      resolve(reply);
      socket.terminate();
    };
    socket.on("open", () => socket.send(JSON.stringify({ t: "hello", v: 1, auth: { token } })));
    socket.on("message", (data) => done(replyOf(String(data))));
    socket.on("unexpected-response", (_, response) => {
      notUpgraded(response).then(done, () => done(["no connection", 0]));
    });
    socket.on("error", () => done(["no connection", 0]));
    socket.on("close", () => done(["no connection", 0]));
  });
}

scope.onmessage = ({ data: { seed, tokens, wsUrl } }) => {
  const prng = new Prng(seed);
  const replies: Record<string, number> = {};
  let tries = 0;
  const run = async (token: string, i: number) => {
    const address = `127.0.${1 + Math.floor(i % ADDRESSES / 100)}.${1 + i % 100}`;
    await pause(prng.number() * SPREAD_MS);
    for (let own = 1;; own++) {
      tries++;
      const [code, retryAfterMs] = await signIn(wsUrl, token, address);
      replies[code] = (replies[code] ?? 0) + 1;
      // One that sends on is asked more often: it soon knows who has taken over.
      const counted = code === "moved" ? Math.ceil(own / MOVED_SLOWER) : own;
      await pause(retryWaitMs(AGAIN, counted, prng.number(), retryAfterMs));
    }
  };
  tokens.forEach((token, i) => void run(token, i));
  setInterval(() => scope.postMessage({ tries, replies }), REPORT_MS);
};
