/** Traffic for the proof of the dashboard: a few people of every transport, and the load tool's. */
import { Client, rest } from "../process/client.ts";
import type { ServerProcess } from "../process/server.ts";

const PASSWORD = "correct horse battery";
const ROOT = new URL("../..", import.meta.url).pathname;
/** Between one thing that a person does and the next. */
const STEP_MS = 150;

/** Names of those who chat; the first two have contacts. */
export const NAMES = ["ann", "bob", "cleo", "dan", "eve", "finn", "gus", "hana"] as const;

/** What plays until it is stopped. */
export interface Traffic {
  /** What went wrong with somebody. */
  readonly faults: readonly string[];
  /** Whether a person's connection is still there. */
  connected(name: string): boolean;
  stop(): Promise<void>;
}

/** The admin API over the network. */
export interface Admin {
  readonly url: string;
  readonly token: string;
}

/** Makes the accounts, each the contact of all others; their tokens. */
async function befriend(server: ServerProcess, admin: Admin): Promise<ReadonlyMap<string, string>> {
  const tokens = new Map<string, string>();
  for (const user of NAMES) {
    const account = { user, password: PASSWORD };
    await rest(admin.url, "POST", "/admin/users", { token: admin.token, body: account });
    const body = { ...account, label: `Laptop of ${user}` };
    const path = "/v1/auth/password";
    const { token } = await rest<{ token: string }>(server.url, "POST", path, { body });
    tokens.set(user, token);
  }
  for (const user of NAMES) {
    for (const other of NAMES) {
      if (user === other) continue;
      for (const type of ["subscribe", "subscribed"]) {
        const path = `/v1/contacts/${other}/subscription`;
        await rest(server.url, "POST", path, { token: tokens.get(user)!, body: { type } });
      }
    }
  }
  return tokens;
}

/** Reads events as a browser without WebSockets would, until it is aborted. */
async function listen(
  server: ServerProcess,
  token: string,
  accept: "text/event-stream" | "application/json",
  signal: AbortSignal,
): Promise<void> {
  let session: Record<string, string> = {};
  let query = "";
  while (!signal.aborted) {
    const response = await fetch(`${server.url}/v1/events?wait=20${query}`, {
      headers: { authorization: `Bearer ${token}`, accept, ...session },
      signal,
    });
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    if (accept === "text/event-stream") { for await (const _ of response.body!); }
    else {
      const answer = await response.json();
      session = { "roost-session": answer.session };
      query = `&after=${encodeURIComponent(answer.cursor)}&soft=${answer.soft}`;
    }
  }
}

function loadTool(server: ServerProcess, seconds: number): Deno.ChildProcess {
  const args = ["load", "mixed", "--users", "120", "--contacts", "12", "--rate", "60"];
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--quiet", `${ROOT}/main.ts`, ...args].concat([
      "--seconds",
      `${seconds}s`,
      "--url",
      server.url,
      "--data",
      server.dataDir,
      "--state",
      `${server.dataDir}.pool.json`,
      "--quiet",
    ]),
    stdout: "null",
    stderr: "null",
  }).spawn();
}

/** Begins. The last two people come by server-sent events and long-poll. */
export async function beginTraffic(
  server: ServerProcess,
  admin: Admin,
  seconds: number,
): Promise<Traffic> {
  const tokens = await befriend(server, admin);
  const clients = new Map<string, Client>();
  const gone = new Set<string>();
  const polite = NAMES.slice(0, -2);
  for (const name of polite) {
    const client = await Client.connect(server.wsUrl, { auth: { token: tokens.get(name) } });
    client.closed.then(() => gone.add(name));
    clients.set(name, client);
  }
  const stopping = new AbortController();
  const faults: string[] = [];
  const ended = (error: unknown) => {
    if (!stopping.signal.aborted) faults.push(`traffic: ${error}`);
  };
  const [sse, poll] = NAMES.slice(-2).map((name) => tokens.get(name)!);
  const streams = [
    listen(server, sse!, "text/event-stream", stopping.signal).catch(ended),
    listen(server, poll!, "application/json", stopping.signal).catch(ended),
  ];
  let turn = 0;
  const timer = setInterval(() => {
    const from = polite[turn % polite.length]!;
    const to = NAMES[(turn * 3 + 1) % NAMES.length]!;
    const show = turn % 2 === 0 ? "away" : "online";
    turn++;
    const client = clients.get(from)!;
    if (gone.has(from)) return;
    // A client that is signed out meanwhile gets no answer.
    client.command("presence", { show }).catch(() => {});
    if (to !== from) {
      client.command("send", { to, key: crypto.randomUUID(), body: `Number ${turn}` })
        .catch(() => {});
    }
  }, STEP_MS);
  const tool = loadTool(server, seconds);
  return {
    faults,
    connected: (name) => clients.has(name) && !gone.has(name),
    async stop() {
      clearInterval(timer);
      stopping.abort();
      try {
        tool.kill("SIGTERM");
      } catch {
        // It has ended by itself.
      }
      await tool.status;
      for (const client of clients.values()) client.close();
      await Promise.all(streams);
    },
  };
}
