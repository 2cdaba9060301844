/** Two strangers at different nodes live the same story as at one node: every event is the same. */
import { deepEqual, ok } from "node:assert/strict";
import { Cluster } from "../sim/cluster.ts";
import type { Device } from "../sim/device.ts";
import { EDGE_LIMITS } from "../sim/limits.ts";
import { LAN } from "../sim/network.ts";

/** What one step brings each device, ms; events of one step may overtake each other. */
const STEP_MS = 4000;

/** The events of one device in one step, without what is random or a time. */
type Events = Readonly<Record<string, readonly string[]>>;

class Story {
  readonly steps: Events[] = [];
  readonly cluster: Cluster;
  readonly alice: readonly Device[];
  readonly bob: readonly Device[];
  #now = new Map<string, string[]>();

  constructor(nodes: number) {
    const cluster = this.cluster = new Cluster(15, {
      nodes,
      shards: 6,
      reshards: 0,
      users: 2,
      devicesPerUser: 2,
      faults: [],
      bugs: 0,
      cold: false,
      trims: false,
      edge: EDGE_LIMITS,
      network: LAN,
      loss: 0,
      ackChance: 0,
      readChance: 0,
    });
    [this.alice, this.bob] = cluster.people.map(({ devices }) => devices) as [Device[], Device[]];
    const all = [...this.alice, ...this.bob];
    cluster.nodeFor = (device) => cluster.nodes[all.indexOf(device) % nodes]!;
    for (const device of all) this.#listen(device);
    for (const node of cluster.nodes) node.start();
    // Shards have found their nodes by then.
    cluster.time.runFor(10_000);
    ok(cluster.nodes.every((node) => node.serving));
  }

  #listen(device: Device): void {
    const events = device.events.bind(device);
    device.events = (list) => {
      const mine = this.#now.get(device.who) ?? [];
      this.#now.set(device.who, mine);
      for (const event of list) {
        const { at: _at, lastSeen: _seen, ext: _ext, body, status, ...rest } = event as
          & typeof event
          & Record<"at" | "lastSeen" | "ext" | "body" | "status", unknown>;
        const said = typeof body === "string" && body !== "" ? { body: body.split(":")[0] } : {};
        const shown = status === undefined ? {} : { status: true };
        mine.push(JSON.stringify({ ...rest, ...said, ...shown }));
      }
      events(list);
    };
    const down = device.down.bind(device);
    device.down = (code, retryAfterMs) => {
      this.#now.set(device.who, [...this.#now.get(device.who) ?? [], `disconnected: ${code}`]);
      down(code, retryAfterMs);
    };
  }

  step(run: () => void): void {
    this.#now = new Map();
    run();
    this.cluster.time.runFor(STEP_MS);
    const entries = [...this.#now].map(([who, list]) => [who, [...list].sort()] as const);
    this.steps.push(Object.fromEntries(entries.sort(([a], [b]) => a < b ? -1 : 1)));
  }
}

function live(nodes: number): readonly Events[] {
  const story = new Story(nodes);
  const { cluster, alice: [a1, a2], bob: [b1] } = story;
  const [alice, bob] = cluster.people as [typeof cluster.people[0], typeof cluster.people[0]];
  alice.kindness = bob.kindness = 1;
  story.step(() => {
    for (const person of cluster.people) cluster.register(person, () => {});
    for (const device of [a1!, a2!, b1!]) device.wanted = true;
  });
  ok([a1, a2, b1].every((device) => device!.online));
  // A request with a message; it is accepted, and asked back.
  story.step(() => {
    bob.subscription(b1!, "alice", "subscribe");
    bob.write(b1!, "alice", 10);
  });
  story.step(() => {
    a1!.show({ show: "away", status: cluster.oracle.mark(alice.life!) } as never);
  });
  story.step(() => {
    const body = cluster.oracle.signal(bob.life!, "alice");
    b1!.command("signal", { to: "alice", type: "typing", body }, () => {});
  });
  story.step(() => {
    bob.write(b1!, "alice", 10);
    alice.write(a2!, "bob", 10);
  });
  story.step(() => alice.read(a1!, "bob", a1!.view!.seq));
  story.step(() => bob.read(b1!, "alice", b1!.view!.seq));
  story.step(() => alice.block(a1!, "bob", true));
  story.step(() => bob.write(b1!, "alice", 10));
  story.step(() => alice.block(a1!, "bob", false));
  story.step(() => alice.revoke(a1!, a2!.id));
  story.step(() => bob.uncontact(b1!, "alice"));
  story.step(() => {
    cluster.oracle.ends(bob.life!);
    bob.reborn(null);
    cluster.insist("bob", "account.remove", {}, ["not_found"], () => {});
  });
  return story.steps;
}

Deno.test("11: two strangers at different nodes live the same story as at one node", () => {
  const [one, three] = [live(1), live(3)];
  // Each step is one that somebody learns of.
  ok(one.every((step, i) => i === 0 || Object.keys(step).length > 0), JSON.stringify(one));
  deepEqual(three, one);
});
