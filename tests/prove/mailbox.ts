/**
 * What strangers and a noisy contact can do to a mailbox whose owner is away, or reads what they
 * write. Each section has users of its own on one server with default limits, but for a mailbox of
 * fewer events, so that the attacks take seconds in place of minutes.
 */
import type { Proof, ProofOptions, Verdict } from "./proof.ts";
import { Client, Refused, rest } from "../process/client.ts";
import { befriend, register } from "../process/pulse.ts";
import { ServerProcess, tempDir } from "../process/server.ts";

/** Events that a mailbox keeps, and unread messages besides. */
const EVENTS_MAX = 1000;
/** Conversations that others may begin with an account: fewer than there are strangers. */
const CONVERSATIONS_MAX = 50;
const SETTINGS = [
  `storage.mailboxEventsMax=${EVENTS_MAX}`,
  `limits.conversationsMax=${CONVERSATIONS_MAX}`,
  // All of them come from one address.
  "registration.perAddressPerHour=1000000",
  "registration.perAddressBurst=1000000",
  "limits.requestsPerAddressPerSecond=100000",
  "limits.requestsPerAddressBurst=100000",
  "limits.connectionsPerAddressMax=5000",
];
/** How many accounts ask the victim for a subscription. */
const STRANGERS = 200;
/** How often each of them asks and takes it back: as often as its rate allows at once. */
const ROUNDS = 60;
/** Devices of the noisy contact, and messages that it sends in all. */
const DEVICES = 10;
const NOISE = 4 * EVENTS_MAX;
const UNREAD = 50;
/** Bytes that a mailbox of this size may take in the store, all copies included. */
const STORED_MAX = 64 * 2 ** 20;

/** The device that `register` signs in. */
const PHONE = "phone";

/** What one section found. */
interface Part {
  readonly pass: boolean;
  readonly figures: Readonly<Record<string, string | number>>;
}

/** A running server and the users on it. */
class MailboxFixture {
  readonly server: ServerProcess;
  readonly #options: ProofOptions;
  readonly #tokens = new Map<string, string>();

  constructor(server: ServerProcess, options: ProofOptions) {
    this.server = server;
    this.#options = options;
  }

  /** `count` at the scale of the run, and one at least. */
  scaled(count: number): number {
    return Math.max(1, Math.round(count * this.#options.scale));
  }

  say(line: string): void {
    this.#options.say(line);
  }

  /** Registers users. */
  async users(names: readonly string[]): Promise<void> {
    for (const name of names) this.#tokens.set(name, await register(this.server.url, name));
  }

  /** Makes two users contacts of each other. */
  async befriend(a: string, b: string): Promise<void> {
    await befriend(this.server.url, [a, this.#token(a)], [b, this.#token(b)]);
  }

  #token(user: string): string {
    return this.#tokens.get(user)!;
  }

  /** A connection with a device of its own. */
  async connect(user: string, device: string, onEvent?: Client["onEvent"]): Promise<Client> {
    const token = device === PHONE ? this.#token(user) : await this.#signIn(user, device);
    return await Client.connect(this.server.wsUrl, { auth: { token }, device }, onEvent);
  }

  async #signIn(user: string, device: string): Promise<string> {
    const body = { user, password: `password of ${user}`, device };
    return (await rest<{ token: string }>(this.server.url, "POST", "/v1/auth/password", { body }))
      .token;
  }

  /** A request over REST. */
  async rest<T>(user: string, method: "GET" | "POST", path: string, body?: unknown): Promise<T> {
    const token = this.#token(user);
    return await rest<T>(
      this.server.url,
      method,
      path,
      body === undefined ? { token } : { token, body },
    );
  }

  /** Texts of the peer's messages in the history, oldest first. */
  async history(user: string, peer: string): Promise<string[]> {
    const texts: string[] = [];
    for (let before = "";;) {
      const page = await this.rest<{ events: readonly Message[]; more: boolean }>(
        user,
        "GET",
        `/v1/conversations/${peer}/messages?limit=100${before}`,
      );
      texts.unshift(
        ...page.events.flatMap((e) => e.k === "message" && e.out !== true ? [e.body] : []),
      );
      if (!page.more) return texts;
      before = `&before=${page.events[0]!.seq}`;
    }
  }

  /** Position of the user's last event. */
  async lastSeq(user: string): Promise<number> {
    const { cursor } = await this.rest<{ cursor: string }>(user, "GET", "/v1/snapshot");
    return Number(cursor.split(":")[1]);
  }
}

interface SnapshotAt {
  readonly snapshot: { readonly requests: readonly string[] };
}

interface Message {
  readonly k: string;
  readonly seq: number;
  readonly out?: boolean;
  readonly body: string;
}

/** Repeats a command as long as the server says that it is busy. */
async function insist<T>(client: Client, t: string, fields: Record<string, unknown>): Promise<T> {
  for (;;) {
    try {
      return await client.command<T>(t, fields);
    } catch (error) {
      const wait = error instanceof Refused && ["busy", "rate_limited"].includes(error.code);
      if (!wait) throw error;
      await new Promise((resolve) => setTimeout(resolve, Math.max(5, error.retryAfterMs)));
    }
  }
}

/** Each stranger asks, and takes it back, as often as it may. */
async function pester(
  fixture: MailboxFixture,
  victim: string,
  prefix: string,
  rounds = ROUNDS,
): Promise<number> {
  const names = Array.from({ length: fixture.scaled(STRANGERS) }, (_, i) => `${prefix}-${i}`);
  await fixture.users(names);
  let asked = 0;
  const alternate = async (name: string) => {
    const client = await fixture.connect(name, PHONE);
    try {
      for (let i = 0; i < rounds; i++) {
        await insist(client, "subscription", { contact: victim, type: "subscribe" });
        await insist(client, "subscription", { contact: victim, type: "unsubscribe" });
        asked++;
      }
    } finally {
      client.close();
    }
  };
  const queue = [...names];
  const worker = async () => {
    for (let name; (name = queue.shift()) !== undefined;) await alternate(name);
  };
  await Promise.all(Array.from({ length: 20 }, worker));
  return asked;
}

/** Sends from several devices at once; returns how many of the messages were not delivered. */
async function makeNoise(
  fixture: MailboxFixture,
  from: string,
  to: string,
  count: number,
): Promise<{ readonly quota: number; readonly other: number }> {
  let quota = 0;
  let other = 0;
  const note: Client["onEvent"] = (event) => {
    if (event.k !== "undelivered") return;
    if (event["reason"] === "quota") quota++;
    else other++;
  };
  let next = 0;
  const noise = async (device: number) => {
    const client = await fixture.connect(from, `device-${device}`, device === 0 ? note : undefined);
    while (next < count) {
      const n = next++;
      await insist(client, "send", { to, key: `noise-${n}`, body: `noise ${n}`.padEnd(500, ".") });
    }
    return client;
  };
  const clients = await Promise.all(Array.from({ length: DEVICES }, (_, i) => noise(i)));
  await new Promise((resolve) => setTimeout(resolve, 2000));
  clients.forEach((client) => client.close());
  return { quota, other };
}

async function sendAll(
  fixture: MailboxFixture,
  from: string,
  to: string,
  texts: readonly string[],
) {
  const client = await fixture.connect(from, PHONE);
  for (const [i, body] of texts.entries()) await insist(client, "send", { to, key: `${i}`, body });
  client.close();
}

const numbered = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, i) => `${prefix} ${i}`);

function storedBytes(dir: string): number {
  let sum = 0;
  for (const entry of Deno.readDirSync(dir)) {
    sum += entry.isDirectory
      ? storedBytes(`${dir}/${entry.name}`)
      : Deno.statSync(`${dir}/${entry.name}`).size;
  }
  return sum;
}

/** The victim is away: its unread messages stay, others still find room, requests leave nothing. */
async function away(fixture: MailboxFixture): Promise<Part> {
  await fixture.users(["victim", "friend", "noisy", "late"]);
  for (const name of ["friend", "noisy", "late"]) await fixture.befriend(name, "victim");
  const wanted = numbered("unread", UNREAD);
  await sendAll(fixture, "friend", "victim", wanted);
  const before = await fixture.lastSeq("victim");
  const asked = await pester(fixture, "victim", "stranger");
  const left = await fixture.lastSeq("victim") - before;
  fixture.say(`${asked} requests taken back: ${left} events left`);
  const sent = fixture.scaled(NOISE);
  const { quota, other } = await makeNoise(fixture, "noisy", "victim", sent);
  fixture.say(`${sent} messages of the noisy contact: ${quota} undelivered (quota)`);
  await sendAll(fixture, "late", "victim", numbered("late", UNREAD));
  const kept = await fixture.history("victim", "friend");
  const noise = (await fixture.history("victim", "noisy")).length;
  const late = (await fixture.history("victim", "late")).length;
  const lost = wanted.filter((text) => !kept.includes(text)).length;
  return {
    pass: lost === 0 && late === UNREAD && noise + quota === sent && other === 0 &&
      left <= fixture.scaled(STRANGERS),
    figures: {
      "away: unread messages": wanted.length,
      "away: of them lost": lost,
      "away: requests taken back by strangers": asked,
      "away: events that they left": left,
      "away: messages of the noisy contact": sent,
      "away: of them in the mailbox": noise,
      "away: of them undelivered (quota)": quota,
      "away: later messages of another contact": `${late} of ${UNREAD}`,
    },
  };
}

/** The victim reads all that the noisy contact writes: what it has not read of others stays. */
async function reading(fixture: MailboxFixture): Promise<Part> {
  await fixture.users(["reader", "ally", "chatty"]);
  for (const name of ["ally", "chatty"]) await fixture.befriend(name, "reader");
  const wanted = numbered("unread", UNREAD);
  await sendAll(fixture, "ally", "reader", wanted);
  let read = 0;
  const phone: { client?: Client } = {};
  phone.client = await fixture.connect("reader", PHONE, (event) => {
    if (event.k !== "message" || event["with"] !== "chatty" || ++read % 20 !== 0) return;
    const upTo = Number(event["seq"]);
    phone.client!.command("read", { with: "chatty", upTo }).catch(() => {});
    phone.client!.command("ack", { seq: upTo }).catch(() => {});
  });
  const sent = fixture.scaled(NOISE);
  const { quota, other } = await makeNoise(fixture, "chatty", "reader", sent);
  phone.client.close();
  const kept = await fixture.history("reader", "ally");
  const lost = wanted.filter((text) => !kept.includes(text)).length;
  const noise = (await fixture.history("reader", "chatty")).length;
  const trimmed = sent - noise;
  return {
    pass: lost === 0 && quota === 0 && other === 0 && (trimmed > 0 || sent < 2 * EVENTS_MAX),
    figures: {
      "reading: unread messages": wanted.length,
      "reading: of them lost": lost,
      "reading: messages that were read at once": read,
      "reading: of them trimmed": trimmed,
    },
  };
}

/**
 * More strangers than an account has room for ask and take it back: a newcomer's request is shown
 * all the same, and the victim can add contacts of its own.
 */
async function besieged(fixture: MailboxFixture): Promise<Part> {
  await fixture.users(["besieged", "newcomer", "chosen"]);
  const asked = await pester(fixture, "besieged", "passer", 2);
  const newcomer = await fixture.connect("newcomer", PHONE);
  await insist(newcomer, "subscription", { contact: "besieged", type: "subscribe" });
  newcomer.close();
  let shown = false;
  for (const began = performance.now(); !shown && performance.now() - began < 10_000;) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    const { snapshot } = await fixture.rest<SnapshotAt>("besieged", "GET", "/v1/snapshot");
    shown = snapshot.requests.includes("newcomer");
  }
  fixture.say(`${asked} requests taken back: a newcomer's request is ${shown ? "" : "not "}shown`);
  for (const name of ["newcomer", "chosen"]) await fixture.befriend("besieged", name);
  await sendAll(fixture, "chosen", "besieged", ["hello"]);
  await sendAll(fixture, "besieged", "newcomer", ["welcome"]);
  const taken = [
    ...await fixture.history("besieged", "chosen"),
    ...await fixture.history("newcomer", "besieged"),
  ];
  return {
    pass: shown && taken.join() === "hello,welcome",
    figures: {
      "besieged: strangers": fixture.scaled(STRANGERS),
      "besieged: room for conversations of others": CONVERSATIONS_MAX,
      "besieged: requests taken back": asked,
      "besieged: a newcomer's request is shown": String(shown),
      "besieged: messages with new contacts": taken.length,
    },
  };
}

/** Every section has users of its own, whose names no other section has. */
const SECTIONS: readonly ((fixture: MailboxFixture) => Promise<Part>)[] = [
  away,
  reading,
  besieged,
];

async function run(options: ProofOptions): Promise<Verdict> {
  using dir = tempDir();
  const flags = ["--registration", "open", ...SETTINGS.flatMap((s) => ["--set", s])];
  const server = await ServerProcess.start({ dataDir: dir.path, flags });
  const fixture = new MailboxFixture(server, options);
  const figures: Record<string, string | number> = {};
  let pass = true;
  try {
    for (const section of SECTIONS) {
      const part = await section(fixture);
      pass &&= part.pass;
      Object.assign(figures, part.figures);
    }
  } finally {
    await server.stop();
  }
  const stored = storedBytes(dir.path);
  figures["bytes stored in the end"] = stored;
  figures["the bound of it"] = STORED_MAX;
  return { pass: pass && stored <= STORED_MAX, figures };
}

/** See the head of this file. */
export const mailboxProof: Proof = {
  name: "mailbox",
  claim: "neither strangers nor a noisy contact can erase unread messages or close an account",
  seconds: 120,
  run,
};
