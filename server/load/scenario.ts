/** The scenarios: what each is for, its defaults, and the phases it consists of. */
import { NO_PHASE, type Phase, QUIET, type Traffic } from "./phase.ts";

/** Everything that shapes a run, with its defaults filled in. */
export interface ScenarioOptions {
  readonly users: number;
  readonly contacts: number;
  /** Operations a second of the kind that the scenario is about. */
  readonly rate: number;
  /** Length of the measured part. */
  readonly seconds: number;
  /** login: users online before the storm. */
  readonly online: number;
  /** login, reconnect, restart: presence changes a second of those online meanwhile. */
  readonly presenceRate: number;
  /** reconnect, restart: messages a second meanwhile. */
  readonly messageRate: number;
  /** reconnect: share of the users that drop. */
  readonly drop: number;
  /** reconnect: seconds over which they return. */
  readonly over: number;
}

/** A scenario. */
export interface Scenario {
  readonly name: string;
  readonly summary: string;
  /** Defaults that depend on the number of users. */
  defaults(users: number): Omit<ScenarioOptions, "users" | "contacts">;
  readonly users: number;
  /** Share of the users that poll. */
  readonly pollShare: number;
  /** What `rate` counts; null where the scenario has none. */
  readonly rateUnit: string | null;
  phases(options: ScenarioOptions): readonly Phase[];
}

/** Sign-ins a second while users are only brought online, and how many are under way at most. */
const WARM_PER_SECOND = 3000;
const WARM_IN_FLIGHT = 128;
/** Quiet seconds before a measurement, for what signing in has set off. */
const CALM_SECONDS = 2;

const NONE = { online: 0, presenceRate: 0, messageRate: 0, drop: 0, over: 0, rate: 0, seconds: 0 };

/** Brings users online without a storm. */
function warmUp(from: number, to: number): Phase {
  const arrivals = { perSecond: WARM_PER_SECOND, from, to, inFlightMax: WARM_IN_FLIGHT };
  return { ...NO_PHASE, name: "bringing users online", seconds: null, arrivals };
}

function calm(seconds = CALM_SECONDS): Phase {
  return { ...NO_PHASE, name: "calm before", seconds };
}

function measured(name: string, phase: Partial<Phase>): Phase {
  return { ...NO_PHASE, ...phase, name, measured: true };
}

function steady(name: string, seconds: number, traffic: Partial<Traffic>): readonly Phase[] {
  const full = { ...QUIET, ...traffic };
  return [warmUp(0, 1), calm(), measured(name, { seconds, traffic: full })];
}

const login: Scenario = {
  name: "login",
  summary: "login storm: everybody signs in at a fixed rate, each with snapshot and presence",
  users: 1000,
  pollShare: 0,
  rateUnit: "sign-ins/s",
  defaults: () => ({ ...NONE, rate: 200 }),
  phases({ users, rate, online, presenceRate }) {
    const before = online / users;
    const arrivals = { perSecond: rate, from: before, to: 1, inFlightMax: null };
    const traffic = { ...QUIET, presence: presenceRate };
    const storm = measured("login storm", { seconds: null, arrivals, traffic });
    return online === 0 ? [storm] : [warmUp(0, before), calm(), storm];
  },
};

const presence: Scenario = {
  name: "presence",
  summary: "presence storm: everybody online, presence changes at a fixed rate",
  users: 1000,
  pollShare: 0,
  rateUnit: "changes/s",
  defaults: (users) => ({ ...NONE, rate: users, seconds: 20 }),
  phases: ({ rate, seconds }) => steady("presence storm", seconds, { presence: rate }),
};

const chat: Scenario = {
  name: "chat",
  summary: "durable messages between contacts at a fixed rate, acknowledged after fsync",
  users: 1000,
  pollShare: 0,
  rateUnit: "messages/s",
  defaults: (users) => ({ ...NONE, rate: users, seconds: 20 }),
  phases: ({ rate, seconds }) => steady("chat", seconds, { messages: rate }),
};

const idle: Scenario = {
  name: "idle",
  summary: "everybody online and silent: what a session costs",
  users: 1000,
  pollShare: 0,
  rateUnit: null,
  defaults: () => ({ ...NONE, seconds: 30 }),
  phases: ({ seconds }) => steady("idle", seconds, {}),
};

const reconnect: Scenario = {
  name: "reconnect",
  summary: "reconnect storm: most sessions break at once and return, under traffic",
  users: 1000,
  pollShare: 0,
  rateUnit: null,
  defaults: (users) => ({
    ...NONE,
    drop: 0.933,
    over: 8,
    presenceRate: Math.ceil(users / 50),
    messageRate: Math.ceil(users / 20),
    seconds: 5,
  }),
  phases({ drop, over, presenceRate, messageRate, seconds }) {
    const traffic = { ...QUIET, presence: presenceRate, messages: messageRate };
    return [
      warmUp(0, 1),
      calm(),
      { ...NO_PHASE, name: "traffic before", seconds: 3, traffic },
      measured("reconnect storm", {
        seconds: null,
        drop: { share: drop, returnSeconds: over },
        traffic,
      }),
      { ...NO_PHASE, name: "traffic after", seconds, traffic },
    ];
  },
};

/** How long scenario restart waits for the restart (s). */
const OUTAGE_WAIT_SECONDS = 300;

const restart: Scenario = {
  name: "restart",
  summary: "you restart the server when told to: everybody returns at once, under traffic",
  users: 1000,
  pollShare: 0,
  rateUnit: null,
  defaults: (users) => ({
    ...NONE,
    presenceRate: Math.ceil(users / 50),
    messageRate: Math.ceil(users / 20),
    seconds: 5,
  }),
  phases({ presenceRate, messageRate, seconds }) {
    const traffic = { ...QUIET, presence: presenceRate, messages: messageRate };
    const outage = { waitSeconds: OUTAGE_WAIT_SECONDS };
    return [
      warmUp(0, 1),
      calm(),
      { ...NO_PHASE, name: "traffic before", seconds: 3, traffic },
      measured("the server's restart", { seconds: null, outage, traffic }),
      { ...NO_PHASE, name: "traffic after", seconds, traffic },
    ];
  },
};

const poll: Scenario = {
  name: "poll",
  summary: "everybody on long-poll, with presence changes and messages",
  users: 500,
  pollShare: 1,
  rateUnit: "operations/s, half of them messages",
  defaults: (users) => ({ ...NONE, rate: Math.ceil(users / 2), seconds: 20 }),
  phases: ({ rate, seconds }) =>
    steady("long-poll", seconds, { presence: rate / 2, messages: rate / 2 }),
};

/** Operations of each kind for one message, in a day of ordinary use. */
const MIX = { presence: 1.5, messages: 1, signals: 2, queries: 0.5, flaps: 0.05 } as const;

const mixed: Scenario = {
  name: "mixed",
  summary: "a day from midnight to midnight in short: people come, talk, lose connection, go",
  users: 1000,
  pollShare: 0.1,
  rateUnit: "messages/s at the busiest time",
  defaults: (users) => ({ ...NONE, rate: Math.ceil(users / 10), seconds: 120 }),
  phases({ rate, seconds }) {
    const traffic = {
      presence: MIX.presence * rate,
      messages: MIX.messages * rate,
      signals: MIX.signals * rate,
      queries: MIX.queries * rate,
      flaps: MIX.flaps * rate,
    };
    return [
      // All have been there once, so that all have a position from which to read what they missed.
      warmUp(0, 1),
      measured("a day", { seconds, traffic, day: true, population: 1 }),
      { ...warmUp(0, 1), name: "everybody comes to look" },
    ];
  },
};

const provision: Scenario = {
  name: "provision",
  summary: "the users are made, and nothing else: for measurements with a server started anew",
  users: 1000,
  pollShare: 0,
  rateUnit: null,
  defaults: () => NONE,
  phases: () => [],
};

/** All of them, by name. */
export const SCENARIOS: readonly Scenario[] = [
  login,
  presence,
  chat,
  idle,
  reconnect,
  restart,
  poll,
  mixed,
  provision,
];
