/**
 * The certificate of a server is replaced under 1,000 connections and traffic, by SIGHUP and by its
 * files alone in turn, once in one process and once with workers: no connection is lost, what was sent
 * arrives once and in order, every handshake succeeds, and new ones see the new certificate.
 */
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { WebSocket } from "ws";
import { Figures } from "./figures.ts";
import { makeCertificate, shownName } from "../process/certificates.ts";
import { pause } from "./cell_load.ts";
import { PATIENT, ServerProcess, tempDir } from "../process/server.ts";
import type { Proof, ProofOptions, Verdict } from "./proof.ts";
import { until } from "../process/until.ts";

const CONNECTIONS = 1000;
/** Of these so many write to each other, two and two. */
const WRITERS = 200;
/** Connections that are opened at once. */
const OPENING = 20;
/** Between two commands of a connection (ms). */
const EVERY_MS = 1000;
const REPLACEMENTS = 10;
/** SIGHUP at once after each, at the end. */
const STORM = 500;
/** New connections that have to see a new certificate, one after another: at any worker. */
const SEEN = 20;
const ISSUER = "https://id.example.org";
const FREE = [
  "limits.connectionsPerAddressMax=100000",
  "limits.requestsPerAddressPerSecond=100000",
  "limits.requestsPerAddressBurst=100000",
].flatMap((setting) => ["--set", setting]);

type Frame = Readonly<Record<string, unknown>> & { readonly t: string };

/** One connection that sends a command each second. */
class User {
  readonly #socket: WebSocket;
  readonly #partner: string | null;
  readonly #me: string;
  #id = 0;
  /** Messages sent; the partner is to receive as many. */
  sent = 0;
  acked = 0;
  commands = 0;
  refused = 0;
  lost = false;
  /** Numbers of the messages that it received, in order. */
  readonly received: number[] = [];

  constructor(socket: WebSocket, me: string, partner: string | null) {
    this.#socket = socket;
    this.#me = me;
    this.#partner = partner;
    socket.on("message", (data) => this.#take(JSON.parse(String(data))));
    socket.on("close", () => this.lost = true);
    socket.on("error", () => this.lost = true);
  }

  #take(frame: Frame): void {
    if (frame.t === "ok") this.acked++;
    if (frame.t === "error") this.refused++;
    if (frame.t !== "events") return;
    for (const event of frame["ev"] as Frame[]) {
      if (event["k"] !== "message" || event["out"] === true) continue;
      this.received.push(Number(String(event["body"])));
    }
  }

  command(t: string, fields: Readonly<Record<string, unknown>> = {}): void {
    this.commands++;
    this.#socket.send(JSON.stringify({ t, id: ++this.#id, ...fields }));
  }

  befriend(type: string): void {
    this.command("subscription", { contact: this.#partner, type });
  }

  act(): void {
    if (this.#partner === null) return this.command("ping");
    const number = this.sent++;
    const key = `${this.#me}-${number}`;
    this.command("send", { to: this.#partner, key, body: String(number) });
  }

  end(): void {
    this.#socket.terminate();
  }
}

/** Connects a user, who must be welcome. */
function connect(wsUrl: string, me: string, partner: string | null, jwt: string): Promise<User> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(wsUrl, { rejectUnauthorized: false });
    const user = new User(socket, me, partner);
    socket.on("open", () => socket.send(JSON.stringify({ t: "hello", v: 1, auth: { jwt } })));
    socket.once("message", (data) => {
      const { t } = JSON.parse(String(data)) as Frame;
      if (t === "welcome") resolve(user);
      else reject(new Error(String(data)));
    });
    socket.once("close", () => reject(new Error("connection refused or lost")));
    socket.once("error", reject);
  });
}

function settings(): string {
  return `[server]
tlsCert = "cert.pem"
tlsKey = "key.pem"
[jwt]
issuer = "${ISSUER}"
audience = ["roost"]
algorithms = ["ES256"]
jwksFile = "keys.json"
createAccounts = true
`;
}

/** Makes a key of the issuer; returns what signs with it. */
async function makeKey(dir: string): Promise<(user: string) => Promise<string>> {
  const { privateKey, publicKey } = await generateKeyPair("ES256");
  const keys = [{ ...await exportJWK(publicKey), alg: "ES256" }];
  Deno.writeTextFileSync(`${dir}/keys.json`, JSON.stringify({ keys }));
  return (user) =>
    new SignJWT({ sub: user }).setProtectedHeader({ alg: "ES256" }).setIssuer(ISSUER)
      .setAudience("roost").setExpirationTime("1h").sign(privateKey);
}

/** Users of a server, each with a connection; the first `writers` have a partner each. */
async function populate(
  wsUrl: string,
  count: number,
  writers: number,
  sign: (user: string) => Promise<string>,
): Promise<readonly User[]> {
  const users: User[] = [];
  for (let i = 0; i < count; i += OPENING) {
    const some = Array.from({ length: Math.min(OPENING, count - i) }, async (_, j) => {
      const n = i + j;
      const partner = n < writers ? `user${n ^ 1}` : null;
      return await connect(wsUrl, `user${n}`, partner, await sign(`user${n}`));
    });
    users.push(...await Promise.all(some));
  }
  const pairs = users.slice(0, writers);
  for (const type of ["subscribe", "subscribed"]) {
    for (const user of pairs) user.befriend(type);
    await until("friends", () => pairs.every(({ acked, commands }) => acked === commands));
  }
  return users;
}

/** Opens connections one after another until it is stopped. */
class Handshakes {
  done = 0;
  failed = 0;
  #stopped = false;
  readonly #ended: Promise<void>;

  constructor(port: number) {
    this.#ended = this.#run(port);
  }

  async #run(port: number): Promise<void> {
    while (!this.#stopped) {
      if (await shownName(port) === "") this.failed++;
      else this.done++;
      await pause(20);
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#ended;
  }
}

async function allShow(port: number, name: string): Promise<void> {
  for (let seen = 0; seen < SEEN;) seen = await shownName(port) === name ? seen + 1 : 0;
}

/** Has each user send a command each second; returns what ends that. */
function traffic(users: readonly User[]): () => void {
  let turn = 0;
  const slots = EVERY_MS / 20;
  const acting = setInterval(() => {
    for (let i = turn++ % slots; i < users.length; i += slots) {
      if (!users[i]!.lost) users[i]!.act();
    }
  }, 20);
  return () => clearInterval(acting);
}

/** Replaces the certificate of one server again and again, under its users. */
async function replace(
  options: ProofOptions,
  figures: Figures,
  workers: number,
): Promise<void> {
  using etc = tempDir();
  using data = tempDir();
  const dir = etc.path;
  const made = makeCertificate(dir, "c0");
  if (made !== null) return figures.fault(`openssl makes no certificate: ${made}`);
  const count = Math.ceil(CONNECTIONS * options.scale);
  const writers = Math.ceil(WRITERS * options.scale / 2) * 2;
  Deno.writeTextFileSync(`${dir}/roost.toml`, settings());
  const sign = await makeKey(dir);
  const server = await ServerProcess.start({
    dataDir: data.path,
    flags: ["--config", `${dir}/roost.toml`, ...FREE, ...PATIENT, "--workers", String(workers)],
  });
  const port = Number(new URL(server.url).port);
  const hangUp = () => Deno.kill(server.pid, "SIGHUP");
  const users = await populate(server.wsUrl, count, writers, sign);
  const pairs = users.slice(0, writers);
  options.say(`${workers} processes: ${users.length} connections`);
  const handshakes = new Handshakes(port);
  const rest = traffic(users);
  const tookMs: number[] = [];
  for (let i = 1; i <= REPLACEMENTS; i++) {
    makeCertificate(dir, `c${i}`);
    const sinceMs = performance.now();
    if (i % 2 === 1) hangUp();
    await allShow(port, `c${i}`);
    tookMs.push(performance.now() - sinceMs);
    await pause(1000);
  }
  makeCertificate(dir, "last");
  for (let i = 0; i < STORM; i++) hangUp();
  await allShow(port, "last");
  await pause(2000);
  rest();
  await handshakes.stop();
  const done = () =>
    users.every(({ acked, commands, refused }) => acked + refused === commands) &&
    pairs.every((user, i) => user.received.length >= pairs[i ^ 1]!.sent);
  await until("what was sent", done, 30_000).catch(() => {});
  judge(figures, `${workers} ${workers === 1 ? "process" : "workers"}`, users, pairs);
  figures.atMost(`${workers}: handshakes that failed`, handshakes.failed, 0, "");
  figures.note(`${workers}: handshakes meanwhile`, handshakes.done);
  const longest = (rest: number) => Math.max(...tookMs.filter((_, i) => i % 2 === rest));
  figures.note(`${workers}: until all see the new one, by SIGHUP, longest`, longest(0), "ms");
  figures.note(`${workers}: by the files alone, longest`, longest(1), "ms");
  for (const user of users) user.end();
  figures.atMost(`${workers}: exit code`, await server.stop(), 0, "");
}

function judge(
  figures: Figures,
  name: string,
  users: readonly User[],
  pairs: readonly User[],
): void {
  const sum = (of: (user: User) => number) => users.reduce((total, user) => total + of(user), 0);
  figures.atLeast(`${name}: connections`, users.length, 1, "");
  figures.atMost(`${name}: connections lost`, users.filter(({ lost }) => lost).length, 0, "");
  figures.note(`${name}: commands`, sum(({ commands }) => commands));
  const unacked = sum(({ acked, commands }) => commands - acked);
  figures.atMost(`${name}: commands without an ok`, unacked, 0, "");
  figures.atLeast(`${name}: messages`, sum(({ sent }) => sent), 1, "");
  const wrong = pairs.filter(({ received }, i) =>
    received.length !== pairs[i ^ 1]!.sent || received.some((number, at) => number !== at)
  );
  figures.atMost(`${name}: recipients with lost, doubled or reordered`, wrong.length, 0, "");
}

/** See the head of this file. */
export const certificatesProof: Proof = {
  name: "certificates",
  claim:
    "the certificate replaced 10 times under 1,000 connections and traffic, by SIGHUP and by " +
    "its files in turn, with one process and with two workers, then 500 SIGHUP at once: no " +
    "connection lost, new handshakes see the new one",
  seconds: 150,
  async run(options): Promise<Verdict> {
    const figures = new Figures(options);
    for (const workers of [1, 2]) await replace(options, figures, workers);
    return figures.verdict;
  },
};
