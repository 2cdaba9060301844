/**
 * What clients and operators have asked for and got, and what follows from it: the truth that
 * a simulation is measured by. It knows the protocol's promises, not the code.
 */
import type { History } from "./history.ts";
import type { SoftEvent, View, WireEvent } from "./view.ts";
import { type Change, type Content, originalOf } from "./changed.ts";
import { Register } from "./register.ts";
import { Violation } from "./history.ts";

/** One account of a name; a name can have several, one after the other. */
export interface Life {
  readonly name: string;
  /** 1, 2, 3 … among those of the name. */
  readonly number: number;
  /** When its registration began. */
  readonly bornMs: number;
  /** When its removal began; Infinity before. */
  endsMs: number;
  mailboxId: string | null;
  readonly password: Register<string>;
  readonly anyone: Register<boolean>;
  readonly disabled: Register<boolean>;
  /** By device: its token, null where it has none, "?" where nobody got it. */
  readonly tokens: Map<string, Register<string | null>>;
  /** Addresses at which a device got a token for the password. */
  readonly places: Set<string>;
  readonly labels: Map<string, Register<string | null>>;
  /** Whether this account has blocked a name. */
  readonly blocks: Map<string, Register<boolean>>;
  /** Whether this account has granted a name the right to see it. */
  readonly grants: Map<string, Register<boolean>>;
  /** Whether this account wants to see a name. */
  readonly wants: Map<string, Register<boolean>>;
  readonly sent: Map<string, Sent>;
  /** Highest mailbox position a device has acked: known to be done, and tried. */
  ackedSeq: number;
  ackTriedSeq: number;
  /** Read marks by peer: known to be done, and tried. */
  readonly reads: Map<string, { done: number; tried: number }>;
}

/** A message as its sender knows it. */
export interface Sent {
  readonly life: Life;
  readonly to: string;
  readonly key: string;
  readonly body: string;
  readonly ext: string;
  /** What it does to another message, where it is no message of its own. */
  readonly change: Change | null;
  /** When a device sent it first. */
  readonly sentMs: number;
  /** When its sender got the ack; Infinity before. */
  ackedMs: number;
  /** What it was acked with. */
  acked: { readonly seq: number; readonly at: number; readonly num: number } | null;
  /** An answer is awaited or has got lost. */
  unknown: number;
  device: string;
}

/** Who set a status, which is unique. */
interface Mark {
  readonly life: Life;
  readonly beganMs: number;
}

/** A signal that was sent; its body is unique. */
interface SentSignal extends Mark {
  readonly to: string;
  /** When its sender got that it was taken; Infinity before. */
  takenMs: number;
}

/** Codes that say nothing about what a repetition will get. */
const TRANSIENT = new Set(["unavailable", "busy", "rate_limited", "unauthorized", "moved"]);

/** Whether a refusal may be followed by anything. */
export function isTransient(code: string): boolean {
  return TRANSIENT.has(code);
}

function registerOf<T>(map: Map<string, Register<T>>, key: string, initial: T): Register<T> {
  let r = map.get(key);
  if (r === undefined) {
    r = new Register(initial);
    map.set(key, r);
  }
  return r;
}

/** The truth of one cluster. */
export class Oracle {
  readonly history: History;
  readonly #now: () => number;
  readonly #lives = new Map<string, Life[]>();
  /** Every event that any device was ever shown, by mailbox and position. */
  readonly observed = new Map<string, string[]>();
  /** Every snapshot that was given, as text. */
  readonly snapshots: {
    readonly life: Life;
    readonly seq: number;
    readonly text: string;
    readonly who: string;
  }[] = [];
  readonly #marks = new Map<string, Mark>();
  readonly #signals = new Map<string, SentSignal>();
  #serial = 0;
  /** Checks made, so that a run that checked nothing is noticed. */
  checked = 0;

  constructor(history: History, now: () => number) {
    this.history = history;
    this.#now = now;
  }

  /** Time of the simulation, ms. */
  get nowMs(): number {
    return this.#now();
  }

  // ---- accounts

  /** A name gets an account. */
  born(name: string, password: string): Life {
    const lives = this.#lives.get(name) ?? [];
    this.#lives.set(name, lives);
    const life: Life = {
      name,
      number: lives.length + 1,
      bornMs: this.#now(),
      endsMs: Infinity,
      mailboxId: null,
      password: new Register(password),
      anyone: new Register(false),
      disabled: new Register(false),
      tokens: new Map(),
      places: new Set(),
      labels: new Map(),
      blocks: new Map(),
      grants: new Map(),
      wants: new Map(),
      sent: new Map(),
      ackedSeq: 0,
      ackTriedSeq: 0,
      reads: new Map(),
    };
    lives.push(life);
    return life;
  }

  /** The account is about to be removed. */
  ends(life: Life): void {
    life.endsMs = this.#now();
  }

  /** All lives of a name, oldest first. */
  lives(name: string): readonly Life[] {
    return this.#lives.get(name) ?? [];
  }

  /** All names. */
  get names(): readonly string[] {
    return [...this.#lives.keys()];
  }

  /** The latest life of a name, where it is not over. */
  alive(name: string): Life | null {
    const life = this.lives(name).at(-1);
    return life === undefined || life.endsMs < Infinity ? null : life;
  }

  token(life: Life, device: string): Register<string | null> {
    return registerOf<string | null>(life.tokens, device, null);
  }

  label(life: Life, contact: string): Register<string | null> {
    return registerOf<string | null>(life.labels, contact, null);
  }

  block(life: Life, contact: string): Register<boolean> {
    return registerOf(life.blocks, contact, false);
  }

  grant(life: Life, contact: string): Register<boolean> {
    return registerOf(life.grants, contact, false);
  }

  want(life: Life, contact: string): Register<boolean> {
    return registerOf(life.wants, contact, false);
  }

  // ---- messages

  /** A device is about to send, or to repeat. */
  sending(
    life: Life,
    device: string,
    { to, key, body, ext, change = null }: Content,
  ): Sent {
    let sent = life.sent.get(key);
    if (sent === undefined) {
      const times = { sentMs: this.#now(), ackedMs: Infinity };
      const content = { to, key, body, ext, change };
      sent = { life, ...content, ...times, acked: null, unknown: 0, device };
      life.sent.set(key, sent);
    }
    sent.unknown++;
    return sent;
  }

  /** The answer to a try that began at `beganMs`. */
  answered(sent: Sent, value: Sent["acked"], code: string | null, beganMs: number): void {
    this.checked++;
    const known = sent.acked;
    if (value !== null) {
      sent.unknown--;
      if (known === null) {
        sent.acked = { seq: value.seq, at: value.at, num: value.num };
        sent.ackedMs = this.#now();
      } else if (known.seq !== value.seq || known.at !== value.at || known.num !== value.num) {
        const text = `${sent.key}: ${JSON.stringify(known)} at first, then ${
          JSON.stringify(value)
        }`;
        throw new Violation("a retry gets the first result", text, [sent.life.name, sent.to]);
      }
      return;
    }
    if (code === null || code === "unavailable") return;
    sent.unknown--;
    const free = this.block(sent.life, sent.to).always(false, beganMs, this.#now());
    if (code === "conflict" && known === null && free && sent.change === null) {
      const text = `${sent.key} to ${sent.to} is refused as a conflict, but its key is new`;
      throw new Violation("a key stands for one message", text, [sent.life.name, sent.to]);
    }
    // Another try may have been taken while the answer to this one was on its way.
    if (known !== null && beganMs >= sent.ackedMs && !isTransient(code)) {
      const text = `${sent.key} was acked, then refused as ${code}`;
      throw new Violation("a retry gets the first result", text, [sent.life.name, sent.to]);
    }
  }

  /** The answer to another content under the key of an acked message; null: it was accepted. */
  misused(life: Life, { key, to }: { key: string; to: string }, code: string | null): void {
    this.checked++;
    if (code === "conflict" || (code !== null && isTransient(code))) return;
    const text = `${key} with another content to ${to}: ${code ?? "accepted"}`;
    throw new Violation("a key stands for one message", text, [life.name, to]);
  }

  // ---- what devices see

  /** A device of `life` has been shown a durable event. */
  saw(life: Life, mailboxId: string, event: WireEvent, who: string): void {
    this.checked++;
    if (life.mailboxId === null) life.mailboxId = mailboxId;
    else if (life.mailboxId !== mailboxId) {
      const text = `${who} got ${mailboxId}, wants ${life.mailboxId}`;
      throw new Violation("one mailbox per account", text, [life.name]);
    }
    let events = this.observed.get(mailboxId);
    if (events === undefined) {
      events = [];
      this.observed.set(mailboxId, events);
    }
    const original = originalOf(this, life, event);
    const text = JSON.stringify(original);
    const before = events[event.seq];
    if (before === undefined) {
      events[event.seq] = text;
      this.#phantom(life, original);
    } else if (before !== text) {
      throw new Violation(
        "a position never changes",
        `${life.name} ${event.seq}: ${before} at first, then ${text} (${who})`,
        [life.name],
      );
    }
  }

  /** A device of `life` has been given a snapshot. */
  snapshot(life: Life, view: View, who: string): void {
    life.mailboxId ??= view.mailboxId;
    if (life.mailboxId !== view.mailboxId) {
      const text = `${who} got ${view.mailboxId}, wants ${life.mailboxId}`;
      throw new Violation("one mailbox per account", text, [life.name]);
    }
    this.snapshots.push({ life, seq: view.seq, text: view.text(0), who });
  }

  /** Every message was sent by somebody, to this account, as it is. */
  #phantom(life: Life, event: WireEvent): void {
    if (event.k !== "message") return;
    const { out = false, id, body, ext = "" } = event;
    const peers = [life.name, event.with];
    const senders = out ? [life] : this.lives(event.with);
    const sent = senders.map((s) => s.sent.get(id)).find((s) => s?.body === body);
    const to = out ? event.with : life.name;
    if (sent === undefined || sent.to !== to || sent.ext !== ext) {
      throw new Violation("no phantoms", `${life.name} has ${JSON.stringify(event)}`, peers);
    }
    if (sent.acked === null && sent.unknown === 0) {
      throw new Violation(
        "no phantoms",
        `${JSON.stringify(event)} was refused to its sender`,
        peers,
      );
    }
    // Who addressed a former account of the name has not addressed this one.
    if (!out && life.number > 1 && sent.ackedMs < life.bornMs) {
      throw new Violation("nothing leaks to a new account", JSON.stringify(event), peers);
    }
  }

  /** A device sets a status; returns a text that nobody has set before. */
  mark(life: Life): string {
    const text = `${life.name}#${life.number}:${++this.#serial}`;
    this.#marks.set(text, { life, beganMs: this.#now() });
    return text;
  }

  /** A device sends a signal; returns a body that nobody has sent before. */
  signal(life: Life, to: string): string {
    const text = `${life.name}#${life.number}:${++this.#serial}`;
    this.#signals.set(text, { life, to, beganMs: this.#now(), takenMs: Infinity });
    return text;
  }

  /** The sender of a signal got that it was taken. */
  signalTaken(body: string): void {
    const signal = this.#signals.get(body);
    if (signal !== undefined) signal.takenMs = this.#now();
  }

  /**
   * A device of `life` has been shown a soft event. `apart`: its node cannot have learnt lately from
   * the owner of its user's shard whom the user no longer wants to see.
   */
  sawSoft(life: Life, event: SoftEvent, apart: () => boolean = () => false): void {
    this.checked++;
    if (event.k === "signal") return this.#sawSignal(life, event);
    if (event.k !== "presence" || event.show === "offline" || event.user === life.name) return;
    const mark = this.#marks.get(event.status ?? "");
    if (mark === undefined || mark.life.name !== event.user) {
      throw new Violation("no phantoms", `${life.name} sees ${JSON.stringify(event)}`, [life.name]);
    }
    const why = this.#cut(mark.life, life, mark.beganMs) ??
      (apart() ? null : this.#unwanted(mark.life, life, mark.beganMs));
    if (why === null) return;
    throw new Violation(
      "presence only for the authorised",
      `${life.name} sees ${JSON.stringify(event)}, but ${why}`,
      [life.name, event.user],
    );
  }

  #sawSignal(life: Life, event: SoftEvent & { k: "signal" }): void {
    const users = [life.name, event.from];
    const mark = this.#signals.get(event.body ?? "");
    if (mark === undefined || mark.life.name !== event.from || mark.to !== life.name) {
      throw new Violation("no phantoms", `${life.name} got ${JSON.stringify(event)}`, users);
    }
    const now = this.#now();
    const blocked = this.block(life, event.from).always(true, mark.beganMs, now) ||
      this.block(mark.life, life.name).always(true, mark.beganMs, now);
    if (blocked && event.from !== life.name) {
      const text = `${life.name} got ${JSON.stringify(event)} although blocked`;
      throw new Violation("no signals past a block", text, users);
    }
    if (mark.takenMs < life.bornMs) {
      throw new Violation("nothing leaks to a new account", JSON.stringify(event), users);
    }
  }

  /** Why `watcher` did not want to see what `seen` has set at `atMs`; null where it may have. */
  #unwanted(seen: Life, watcher: Life, atMs: number): string | null {
    const now = this.#now();
    if (this.block(watcher, seen.name).always(true, atMs, now)) return `${watcher.name} blocks`;
    if (this.want(watcher, seen.name).always(false, atMs, now)) return "nobody has asked for it";
    return null;
  }

  /** Why `watcher` cannot ever have seen what `seen` has set at `atMs`; null where it can. */
  #cut(seen: Life, watcher: Life, atMs: number): string | null {
    const now = this.#now();
    if (this.block(seen, watcher.name).always(true, atMs, now)) return `${seen.name} blocks`;
    if (this.grant(seen, watcher.name).always(false, atMs, now)) return "it has not granted it";
    if (watcher.number > 1) {
      // What was granted to a former account of the name was not granted to this one.
      const former = this.lives(watcher.name)[watcher.number - 2]!;
      const granted = this.grant(seen, watcher.name).since(former.endsMs);
      if (!granted) return `granted it only to a former ${watcher.name}`;
    }
    return null;
  }
}
