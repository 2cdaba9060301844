/**
 * A node whose disk changes what was stored. What is damaged is never served as the truth: its account,
 * or for a record of a log its shard, is refused, and everybody else is served as before. What is acked
 * then stays, and a repair brings all the others back.
 */
import { damageRow, type RowDamage } from "./damage_faults.ts";
import type { AccountId, AccountName, DeviceId } from "../../shard/name/ids.ts";
import { damageKind } from "../../server/node/damage.ts";
import { DiskRows } from "./disk_rows.ts";
import type { MailboxEvent, OpName, Ops } from "../../shard/ops.ts";
import { NodeFixture } from "./node_fixture.ts";
import { Prng } from "./prng.ts";
import { RepairPlan } from "../../server/ops/repair_plan.ts";
import type { Result } from "../../shard/errors.ts";
import type { Row } from "../../server/node/ports.ts";
import { SMALL_PAGES } from "./config.ts";
import { survey } from "../../server/ops/survey.ts";
import { Violation } from "./history.ts";

const USERS = ["alice", "bob", "carol", "dave", "erin", "frank"] as const;
const REFUSED = /damaged: an administrator must repair it/;
const READ = { cursor: null, limit: 500, bytesMax: 4_000_000 } as const;
const PHONE = "phone" as DeviceId;

/** What a user is shown: the mailbox and the snapshot, or why not. */
interface Shown {
  readonly text: string;
  readonly refused: boolean;
  readonly events: readonly MailboxEvent[];
}

/** One node, its users and its damaged rows. */
class DamagedNode {
  readonly #prng: Prng;
  readonly #fixture: NodeFixture;
  readonly #ids = new Map<AccountId, string>();
  #damages: readonly RowDamage[] = [];
  /** Users whose accounts a repair has given up. */
  #closed: ReadonlySet<string> = new Set();
  #sent = 0;

  constructor(seed: number) {
    this.#prng = new Prng(seed).fork("damage");
    const prng = this.#prng;
    const headShape = { ...SMALL_PAGES, wholeBytesMax: prng.pick([500, 32_000]) };
    this.#fixture = new NodeFixture({
      seed,
      shards: prng.int(1, 4),
      limits: { headShape, checkpointMs: 300, cacheIdleMs: 500 },
    });
    for (const user of USERS) this.#ids.set(this.#fixture.account(user), user);
  }

  run(): void {
    this.#live();
    const before = this.#steadyLook();
    this.#fixture.kill();
    this.#damages = Array.from({ length: this.#prng.int(1, 3) }, () => {
      return damageRow(this.#fixture.disk, this.#prng);
    }).filter((damage) => damage !== null);
    this.#fixture.start();
    const acked = this.#checkServed(before);
    this.#fixture.kill();
    this.#fixture.start();
    this.#checkAcked(acked, "a restart");
    this.#fixture.kill();
    const changed = this.#repair();
    this.#fixture.start();
    this.#checkRepaired(before, acked, changed);
  }

  #live(): void {
    const w = this.#fixture;
    const prng = this.#prng;
    for (let i = prng.int(30, 90); i > 0; i--) {
      const [from, to] = prng.shuffle(USERS);
      const contact = to as AccountName;
      switch (prng.int(0, 7)) {
        case 0:
          w.ask(from!, "settings.set", { messagesFrom: "anyone" });
          break;
        case 1:
          w.ask(from!, "roster.set", { contact, label: `label ${i}`, groups: ["friends"] });
          break;
        case 2:
          w.ask(from!, "roster.block", { contact, blocked: prng.chance(0.3) });
          break;
        case 3:
          w.ask(from!, "conversation.read", { with: contact, upTo: prng.int(1, 20) });
          break;
        default:
          this.#send(from!, to!, "x".repeat(prng.pick([10, 300, 2500])));
      }
      if (prng.chance(0.1)) w.settle(prng.int(10, 3000));
    }
    // Sometimes all of it is in checkpoints, sometimes the log has the most.
    w.settle(prng.pick([100, 2000, 20_000]));
  }

  #send(from: string, to: string, body: string) {
    const id = `m${++this.#sent}`;
    const message = { to: to as AccountName, id, body, ext: "", device: PHONE };
    const result = this.#fixture.ask(from, "message.send", message);
    return { id, ok: result.ok, why: result.ok ? "" : result.message };
  }

  /** Asks for all users in one turn, so that their accounts are read together. */
  #askAll<K extends OpName>(op: K, input: Ops[K]["in"]): Map<string, Result<Ops[K]["out"]>> {
    const results = new Map<string, Result<Ops[K]["out"]>>();
    const { node, time } = this.#fixture;
    for (const user of USERS) {
      node.request(user as AccountName, op, input, (r) => results.set(user, r));
    }
    time.runWhile(() => results.size < USERS.length, time.nowMs + 30_000);
    const open = USERS.filter((user) => !results.has(user));
    if (open.length > 0) {
      throw this.#violation("liveness", `${op} of ${open} is not answered`, open);
    }
    return results;
  }

  #look(): Map<string, Shown> {
    const mails = this.#askAll("mailbox.read", READ);
    const snapshots = this.#askAll("mailbox.snapshot", {});
    return new Map(USERS.map((user): [string, Shown] => {
      const pages = this.#pages(user, mails.get(user)!);
      const all = [...pages, snapshots.get(user)!];
      const events = pages.flatMap((r) => r.ok ? r.value.events : []);
      // Where a page ends depends on which blocks are in memory.
      const mail = JSON.stringify(events).slice(1, -1);
      const others = all.map((r) =>
        !r.ok ? r.message : JSON.stringify({ ...r.value, events: undefined })
      );
      const text = [mail, ...new Set(others)].join("\n");
      return [user, { text, refused: all.some((r) => !r.ok), events }];
    }));
  }

  /** What everybody is shown while nothing arrives meanwhile, such as a receipt. */
  #steadyLook(): Map<string, Shown> {
    for (let before = this.#look();;) {
      const now = this.#look();
      if ([...now].every(([user, { text }]) => text === before.get(user)!.text)) return now;
      before = now;
    }
  }

  /** The first page and those after it, up to one that is refused. */
  #pages(user: string, first: Result<Ops["mailbox.read"]["out"]>) {
    const pages = [first];
    for (let page = first; page.ok;) {
      const { events, mailboxId, seq } = page.value;
      const last = events.at(-1)?.seq ?? seq;
      if (last >= seq) break;
      page = this.#fixture.ask(user, "mailbox.read", { ...READ, cursor: { mailboxId, seq: last } });
      pages.push(page);
    }
    return pages;
  }

  /** Users of whom a row is damaged. */
  get #affected(): ReadonlySet<string> {
    const found = new Set<string>();
    for (const { key } of this.#damages) {
      const kind = damageKind(key);
      if (kind === "head") found.add(key[2] as string);
      else if (kind === "block" || kind === "dedupe") {
        found.add(this.#ids.get(key[2] as AccountId) ?? "");
      } else if (kind === "log") {
        const { node } = this.#fixture;
        for (const u of USERS) if (node.shardOf(u as AccountName).id === key[1]) found.add(u);
      }
    }
    return found;
  }

  /** Returns the messages that were acked, by the user who has sent each to itself. */
  #checkServed(before: ReadonlyMap<string, Shown>): Map<string, string> {
    const affected = this.#affected;
    for (const [user, now] of this.#look()) {
      if (now.text === before.get(user)!.text) continue;
      const altered = now.text.split("\n").some((part) => {
        return !REFUSED.test(part) && !before.get(user)!.text.includes(part);
      });
      if (altered) throw this.#violation("damage is never served", now.text, [user]);
      if (!affected.has(user)) {
        throw this.#violation("damage stays where it is", `${user} is refused`, [user]);
      }
    }
    const acked = new Map<string, string>();
    for (const user of USERS) {
      const { id, ok } = this.#send(user, user, "after the damage");
      if (ok) acked.set(user, id);
      else if (!affected.has(user)) {
        throw this.#violation("damage stays where it is", `${user} cannot send`, [user]);
      }
    }
    return acked;
  }

  #checkAcked(acked: ReadonlyMap<string, string>, when: string, but = new Set<string>()): void {
    for (const [user, { events, refused }] of this.#look()) {
      const id = acked.get(user);
      const there = events.some((e) => e.kind === "message" && e.id === id);
      if (id === undefined || there || but.has(user) || (refused && this.#affected.has(user))) {
        continue;
      }
      throw this.#violation("nothing acked is lost by damage", `${id} is gone after ${when}`, [
        user,
      ]);
    }
  }

  /** Repairs the disk as `roost repair` does a file; returns who has lost something by it. */
  #repair(): Set<string> {
    const { disk } = this.#fixture;
    const file = new DiskRows(disk);
    const plan = new RepairPlan(file, survey(file, () => {}));
    if (plan.impossible.length > 0) {
      throw this.#violation("repair", `impossible: ${plan.impossible}`, []);
    }
    const rows: Row[] = [];
    plan.run((row) => void rows.push({ key: row.key, value: row.value.slice() }));
    for (const { key } of disk.stored([])) disk.store(key, null);
    for (const { key, value } of rows) disk.put(key, value);
    const [bad] = survey(new DiskRows(disk), () => {}).faults;
    if (bad !== undefined) throw this.#violation("repair", `still: ${bad.reason}`, []);
    const named = plan.givenUp.flatMap((line) =>
      /^account (\w+)/.exec(line)?.slice(1) ?? /are older: (.*)$/.exec(line)?.[1]?.split(", ") ?? []
    );
    this.#closed = new Set(
      plan.givenUp.flatMap((line) =>
        /^account (\w+) .*and with it the account/.exec(line)?.slice(1) ?? []
      ),
    );
    return new Set(named);
  }

  #checkRepaired(
    before: ReadonlyMap<string, Shown>,
    acked: ReadonlyMap<string, string>,
    changed: Set<string>,
  ): void {
    for (const user of changed) {
      if (this.#affected.has(user)) continue;
      throw this.#violation("repair gives up what is damaged alone", `${user} lost something`, [
        user,
      ]);
    }
    for (const [user, now] of this.#look()) {
      if (changed.has(user)) continue;
      const mail = now.events.slice(0, before.get(user)!.events.length);
      const wanted = JSON.stringify(before.get(user)!.events);
      if (now.refused || JSON.stringify(mail) !== wanted) {
        const what = now.refused ? "is refused" : "has another mailbox";
        const ends = `${now.events.length} events, were ${before.get(user)!.events.length}`;
        const text = `${user} ${what}: ${ends}, changed ${[...changed]}`;
        throw this.#violation("repair brings the others back", text, [user]);
      }
    }
    this.#checkAcked(acked, "a repair", changed);
    this.#checkExchange();
  }

  /** Everybody who is left writes to all others: each message arrives, whatever was given up. */
  #checkExchange(): void {
    const left = USERS.filter((user) => !this.#closed.has(user));
    const sent: { readonly from: string; readonly to: string; readonly id: string }[] = [];
    for (const user of left) {
      this.#fixture.ask(user, "settings.set", { messagesFrom: "anyone" });
      for (const contact of left as AccountName[]) {
        this.#fixture.ask(user, "roster.block", { contact, blocked: false });
      }
    }
    for (const from of left) {
      for (const to of left) {
        if (from === to) continue;
        const { id, ok, why } = this.#send(from, to, "after the repair");
        if (!ok) throw this.#violation("repair brings the others back", `${from}: ${why}`, []);
        sent.push({ from, to, id });
      }
    }
    this.#fixture.settle(20_000);
    const looks = this.#look();
    for (const { from, to, id } of sent) {
      const found = looks.get(to)!.events.filter((e) => {
        return e.kind === "message" && !e.out && e.with === from && e.id === id;
      });
      if (found.length === 1) continue;
      const text = `${id} of ${from} is ${found.length} times at ${to}`;
      throw this.#violation("what is sent after a repair arrives once", text, [from, to]);
    }
  }

  #violation(check: string, text: string, about: readonly string[]): Violation {
    const rows = this.#damages.map(({ kind, key }) => `${kind} of ${key.join(" ")}`).join(", ");
    return new Violation(check, `${text.slice(0, 1000)}\ndamaged: ${rows}`, about);
  }
}

/** Runs a damaged node with its own seed. Throws a `Violation`. */
export function runDamage(seed: number): void {
  new DamagedNode(seed).run();
}
