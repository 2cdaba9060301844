/** Three cells as processes on one machine, with a network between them, and their users. */
import { again, pause } from "./cell_load.ts";
import { FLAGS } from "./crash.ts";
import { FREE } from "./cell_nodes.ts";
import { freePort } from "../process/pinned.ts";
import { rest } from "../process/client.ts";
import { roost } from "../process/cli.ts";
import { ServerProcess } from "../process/server.ts";
import { type Book, WanUser } from "./wan_users.ts";
import { WanNetwork } from "./wan_network.ts";

/** Names of the cells. */
export const CELLS = ["a", "b", "c"] as const;
/** One way between two cells (ms). */
export const TRIP_MS = 80;
/** Longest time until three cells are members of one federation (ms). */
const MEMBERS_MS = 120_000;
/** Longest time until everybody sees everybody that is a contact (ms). */
const SEEN_MS = 60_000;
const PASSWORD = "correct horse battery";

/** A cell and its users. */
export interface Cell {
  readonly name: string;
  readonly server: ServerProcess;
  readonly users: readonly WanUser[];
}

/** See the head of this file. `dir` has their directories. */
export class WanCells {
  readonly network = new WanNetwork(TRIP_MS);
  readonly servers: ServerProcess[] = [];
  readonly #dir: string;
  #first: string | null = null;

  constructor(dir: string) {
    this.#dir = dir;
    Deno.writeTextFileSync(`${dir}/secret`, "a secret of cells that only the proof knows\n");
  }

  /** Starts the cells, and waits until all are members. */
  async start(): Promise<void> {
    for (const name of CELLS) {
      const port = freePort();
      const address = await this.network.open(name, port);
      const flags = [
        ...["--cells-name", name, "--cells-listen", `127.0.0.1:${port}`],
        ...["--set", `cells.advertise=${address}`, "--cells-secret-file", `${this.#dir}/secret`],
        ...(this.#first === null ? [] : ["--cells-join", this.#first]),
      ];
      this.#first ??= address;
      const server = await this.startOne(name, flags);
      this.servers.push(server);
      this.network.runs(name, server.pid);
    }
    const endMs = performance.now() + MEMBERS_MS;
    for (const { dataDir } of this.servers) {
      for (;;) {
        const { out } = await roost(["cells", "--json", "--data", dataDir]);
        const { members } = JSON.parse(out) as { readonly members: { readonly version: number } };
        if (members.version >= CELLS.length) break;
        if (performance.now() > endMs) throw new Error("The cells are no federation in time");
        await pause(1000);
      }
    }
  }

  /** Starts a server as all of them are, a cell by itself where nothing else is said. */
  async startOne(name: string, flags: readonly string[] = []): Promise<ServerProcess> {
    return await ServerProcess.start({
      dataDir: `${this.#dir}/${name}`,
      flags: [...FLAGS, ...FREE, ...flags],
    });
  }

  async end(): Promise<void> {
    this.network.close();
    await Promise.all(this.servers.map((server) => server.kill()));
  }
}

/** Registers users of a cell and connects them. */
export async function populate(
  name: string,
  server: ServerProcess,
  users: number,
  book: Book,
): Promise<Cell> {
  const connected: WanUser[] = [];
  for (let i = 0; i < users; i++) {
    const user = `${name}-user${i}`;
    const { token } = await again(() =>
      rest<{ token: string }>(server.url, "POST", "/v1/register", {
        body: { user, password: PASSWORD },
      })
    );
    connected.push(await WanUser.connect(server, { name: user, cell: name, token }, book));
  }
  return { name, server, users: connected };
}

/** Makes users contacts of each other, and waits until each sees all of its own. */
export async function acquaint(pairs: readonly (readonly [WanUser, WanUser])[]): Promise<void> {
  for (const type of ["subscribe", "subscribed"]) {
    await Promise.all(pairs.map(async ([one, other]) => {
      await one.subscription(other, type);
      await other.subscription(one, type);
    }));
    await pause(3 * TRIP_MS);
  }
  const users = [...new Set(pairs.flat())];
  const endMs = performance.now() + SEEN_MS;
  while (users.some((user) => user.stale(0) > 0)) {
    if (performance.now() > endMs) {
      const unseen = users.filter((user) => user.stale(0) > 0).map(({ name }) => name);
      throw new Error(`Not all contacts are seen in time by ${unseen}`);
    }
    await pause(50);
  }
}

/** Pairs of contacts: of each cell in a ring, and of each two cells one by one. */
export function pairsOf(cells: readonly Cell[]): (readonly [WanUser, WanUser])[] {
  const pairs: (readonly [WanUser, WanUser])[] = [];
  cells.forEach(({ users }, c) => {
    users.forEach((user, i) => {
      pairs.push([user, users[(i + 1) % users.length]!]);
      for (const other of cells.slice(c + 1)) pairs.push([user, other.users[i]!]);
    });
  });
  return pairs;
}
