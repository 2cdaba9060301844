/** The process that plays users: does what the run asks of it, over calls that can be piped. */
import { decodeBase64, encodeBase64 } from "byte-encodings/base64";
import type { Kdf, Random, Timers } from "../node/ports.ts";
import { Crowd, type CrowdSample, type Truth, type Verdict } from "./crowd.ts";
import type { DeliveryWatch, Fault } from "./tally.ts";
import { type Pool, poolRing, tokensOf } from "./pool.ts";
import type { Network } from "./network.ts";
import type { Machine } from "./machine.ts";
import { parseTarget, sourceAddress, type Target } from "./target.ts";
import type { Phase } from "./phase.ts";
import { pollChannels } from "./poll_channel.ts";
import type { Proof } from "./channel.ts";
import { runPhase } from "./phase_runner.ts";
import { ScramReplies } from "./scram_replies.ts";
import { wsChannels } from "./ws_channel.ts";

/** What a worker is to play; plain data, for it may travel to another process. */
export interface WorkerPlan {
  readonly pool: Pool;
  /** The users `lo … hi − 1` are this worker's. */
  readonly lo: number;
  readonly hi: number;
  readonly run: number;
  readonly auth: Proof["kind"];
  readonly bodyBytes: number;
  readonly ackMs: number;
  /** Share of the users that poll instead of holding a WebSocket. */
  readonly pollShare: number;
}

/** A look at a worker. */
export interface WorkerSample extends CrowdSample {
  readonly cpuUs: number;
  readonly rssBytes: number;
}

/** A worker, in this process or in another one. Every call rejects when it is gone. */
export interface Worker {
  /**
   * Runs a phase from `startUs` on; resolves when it is over, with the number of users who were to
   * come online in it and are not.
   */
  phase(phase: Phase, startUs: number): Promise<number>;
  sample(): Promise<WorkerSample>;
  /** Its part of the truth: presence and time away of its users, messages of its senders. */
  truth(): Promise<Truth>;
  /** Compares what its users have got with the truth about all users. */
  compare(truth: Truth, graceMs: number): Promise<Verdict>;
  faults(): Promise<readonly Fault[]>;
  /** Its users sign out; nothing may be asked afterwards. */
  stop(): Promise<void>;
}

/** What a worker uses of this process. */
export interface WorkerPorts {
  readonly timers: Timers;
  readonly random: Random;
  readonly kdf: Kdf;
  readonly network: Network;
  readonly machine: Pick<Machine, "nowUs" | "own">;
}

/** Time that users get to say goodbye before their connections are closed (ms). */
const GOODBYE_MS = 300;

/** Makes the crowd of a plan. */
export function makeCrowd(
  ports: WorkerPorts,
  plan: WorkerPlan,
  watch: DeliveryWatch | null,
): Crowd {
  const { pool, lo, hi, run, bodyBytes } = plan;
  const target = targetOf(pool);
  const { network, timers, random, kdf } = ports;
  const from = (user: string) => sourceAddress(target, Number(user.slice(-6)));
  const ws = wsChannels({ target, network, from, scram: new ScramReplies(kdf, random) });
  const poll = pollChannels({ target, network, from });
  const polls = (user: number) =>
    Math.floor((user + 1) * plan.pollShare) >
      Math.floor(user * plan.pollShare);
  const token = tokensOf(pool);
  return new Crowd({
    ring: poolRing(pool),
    pool: pool.pool,
    lo,
    hi,
    run,
    timers,
    random,
    bodyBytes,
    watch,
    nowUs: () => ports.machine.nowUs(),
    open: (user) => polls(user) ? poll : ws,
    proof: (user) => {
      if (plan.auth === "token" || polls(user)) return { kind: "token", token: token(user) };
      return { kind: plan.auth, password: pool.password ?? "" };
    },
  });
}

function targetOf({ url }: Pool): Target {
  const target = parseTarget(url);
  if (typeof target === "string") throw new Error(target);
  return target;
}

/** A worker in this process. */
export function localWorker(ports: WorkerPorts, plan: WorkerPlan): Worker {
  const crowd = makeCrowd(ports, plan, null);
  const share = (plan.hi - plan.lo) / plan.pool.users;
  const { timers, random, machine } = ports;
  const deps = { crowd, timers, random, share, ackMs: plan.ackMs, nowUs: () => machine.nowUs() };
  const wait = (ms: number) => new Promise<void>((resolve) => void timers.after(ms, resolve));
  return {
    phase: (phase, startUs) => new Promise((done) => runPhase(deps, phase, startUs, done)),
    sample: () => Promise.resolve({ ...crowd.sample(), ...machine.own() }),
    truth: () => Promise.resolve(crowd.truth()),
    compare: (truth, graceMs) => Promise.resolve(crowd.compare(truth, graceMs)),
    faults: () => Promise.resolve(crowd.faults()),
    stop: async () => {
      crowd.signOutAll();
      await wait(GOODBYE_MS);
    },
  };
}

type Numbers = Int32Array | Float64Array;

function joinNumbers<T extends Numbers>(parts: readonly T[], make: (length: number) => T): T {
  const whole = make(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** The truth of all workers as one, in the order of their users. */
export function joinTruth(parts: readonly Truth[]): Truth {
  const ints = (length: number) => new Int32Array(length);
  const floats = (length: number) => new Float64Array(length);
  return {
    presence: joinNumbers(parts.map((part) => part.presence), ints),
    messages: joinNumbers(parts.map((part) => part.messages), ints),
    goneMs: joinNumbers(parts.map((part) => part.goneMs), floats),
    backMs: joinNumbers(parts.map((part) => part.backMs), floats),
  };
}

/** Truth as texts, to travel between processes of one machine. */
export type EncodedTruth = Readonly<Record<keyof Truth, string>>;

/** The inverse of `decodeTruth`. */
export function encodeTruth(truth: Truth): EncodedTruth {
  const text = ({ buffer, byteOffset, byteLength }: Numbers) =>
    encodeBase64(new Uint8Array(buffer, byteOffset, byteLength));
  return {
    presence: text(truth.presence),
    messages: text(truth.messages),
    goneMs: text(truth.goneMs),
    backMs: text(truth.backMs),
  };
}

/** The inverse of `encodeTruth`. */
export function decodeTruth(encoded: EncodedTruth): Truth {
  // Copied, for what is decoded need not be aligned.
  const buffer = (text: string) => decodeBase64(text).slice().buffer;
  return {
    presence: new Int32Array(buffer(encoded.presence)),
    messages: new Int32Array(buffer(encoded.messages)),
    goneMs: new Float64Array(buffer(encoded.goneMs)),
    backMs: new Float64Array(buffer(encoded.backMs)),
  };
}
