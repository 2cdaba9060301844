/**
 * Clients whose home was killed, which turn to another cell and back as the client library does, on a
 * thread of its own, so that what they take is not part of what others measure. Message in: `CrowdPlan`. Messages out: a `CrowdReport` now and then.
 */
import type { IncomingMessage } from "node:http";
import { WebSocket } from "ws";
import { Prng } from "../sim/prng.ts";
import { pause } from "./cell_load.ts";
import { AT_ONCE_MS, MOVED_SLOWER } from "../../server/web/client/connection.js";
import { type RetryPolicy, retryWaitMs } from "../../shard/retry.ts";

/** Who comes, and where to. */
export interface CrowdPlan {
  readonly wsUrl: string;
  /** Their home, which does not respond at first. */
  readonly homeUrl: string;
  readonly tokens: readonly string[];
  readonly seed: number;
}

/** What has become of all tries so far; `tries`: of those at the other cell. */
export interface CrowdReport {
  readonly tries: number;
  readonly replies: Readonly<Record<string, number>>;
}

/** All come within so long (ms). */
const SPREAD_MS = 1000;
const AGAIN: RetryPolicy = { leastMs: 0, baseMs: 500, capMs: 30_000, askedMaxMs: 600_000 };
/** They come from so many addresses. */
const ADDRESSES = 200;
const REPORT_MS = 250;
/** How long one offers to wait for its home (s). */
const WAIT_SECONDS = 8;
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

/** One try to sign in; `home`: whether the socket stays, where that serves. */
function signIn(url: string, token: string, localAddress: string, home: boolean): Promise<Reply> {
  return new Promise((resolve) => {
    const options = { localAddress, perMessageDeflate: false, handshakeTimeout: TIMEOUT_MS };
    const socket = new WebSocket(url, options);
    const timer = setTimeout(() => done(["no reply", 0]), TIMEOUT_MS);
    const done = (reply: Reply) => {
      clearTimeout(timer);
      resolve(reply);
      if (!home || reply[0] !== "served") socket.terminate();
    };
    const hello = { t: "hello", v: 1, auth: { token }, wait: WAIT_SECONDS };
    socket.on("open", () => socket.send(JSON.stringify(hello)));
    socket.on("message", (data) => done(replyOf(String(data))));
    socket.on("unexpected-response", (_, response) => {
      notUpgraded(response).then(done, () => done(["no connection", 0]));
    });
    socket.on("error", () => done(["no connection", 0]));
    socket.on("close", () => done(["no connection", 0]));
  });
}

/** As the client library keeps them: tries that have led to no session, and when it is due again. */
class Server {
  #tries = 0;
  #dueMs = 0;

  constructor(readonly url: string) {}

  /** `slower`: how many times slower than usually the waits grow. */
  failed(random: number, retryAfterMs: number, slower = 1): void {
    const tries = Math.ceil(++this.#tries / slower);
    this.#dueMs = performance.now() + retryWaitMs(AGAIN, tries, random, retryAfterMs);
  }

  waitMs(soonMs: number): number {
    return Math.max(soonMs, this.#dueMs - performance.now());
  }
}

scope.onmessage = ({ data: { homeUrl, seed, tokens, wsUrl } }) => {
  const prng = new Prng(seed);
  const replies: Record<string, number> = {};
  let tries = 0;
  const run = async (token: string, i: number) => {
    const address = `127.0.${1 + Math.floor(i % ADDRESSES / 100)}.${1 + i % 100}`;
    const [other, home] = [new Server(wsUrl), new Server(homeUrl)];
    // It was there when it was killed.
    home.failed(prng.number(), 0);
    await pause(prng.number() * SPREAD_MS);
    for (let at = other;;) {
      const isHome = at === home;
      if (!isHome) tries++;
      const beganMs = performance.now();
      const [code, retryAfterMs] = await signIn(at.url, token, address, isHome);
      const what = isHome ? `at home: ${code}` : code;
      replies[what] = (replies[what] ?? 0) + 1;
      if (isHome && code === "served") return;
      const atOnce = code === "moved" && performance.now() - beganMs < AT_ONCE_MS;
      at.failed(prng.number(), retryAfterMs, atOnce ? MOVED_SLOWER : 1);
      at = isHome ? other : home;
      const soonMs = retryWaitMs(AGAIN, 1, prng.number());
      // A server that was just named is no server that has failed.
      await pause(code === "moved" ? soonMs : at.waitMs(soonMs));
    }
  };
  tokens.forEach((token, i) => void run(token, i));
  setInterval(() => scope.postMessage({ tries, replies }), REPORT_MS);
};
