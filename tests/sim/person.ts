/** A user: an account's life after life, its devices, and the messages it is not done with. */
import type { Answer, PresenceFields } from "./link.ts";
import type { Device } from "./device.ts";
import type { Change } from "./changed.ts";
import type { Life, Sent } from "./oracle.ts";
import { NO_REACTION, REMOVED } from "../../server/text/event_json.ts";
import type { WireEvent } from "./view.ts";
import type { Cluster } from "./cluster.ts";
import { endingOf } from "./searches.ts";
import { mustEnd, type OfDevice } from "./sessions_end.ts";
import { Register } from "./register.ts";
import { isTransient } from "./oracle.ts";

const SHOWS = ["online", "chat", "away", "xa", "dnd"] as const;

/** One user of a cluster. */
export class Person {
  readonly name: string;
  readonly devices: Device[] = [];
  /** null while there is no such account. */
  life: Life | null = null;
  /** Bodies of the signals that any device got. */
  readonly signals = new Set<string>();
  /** Probability that it grants a request to see it. */
  kindness = 1;
  /** An operator is at work on its account. */
  busy = false;
  readonly #cluster: Cluster;
  /** Messages without a final answer, and whether a try is under way. */
  readonly #unsent = new Map<Sent, boolean>();
  #keys = 0;
  #changes = 0;

  constructor(cluster: Cluster, name: string) {
    this.#cluster = cluster;
    this.name = name;
  }

  /** Devices that are connected to the account's present life. */
  get online(): readonly Device[] {
    return this.devices.filter((d) => d.online && d.life === this.life);
  }

  /** Messages that wait for their answers. */
  get unsent(): number {
    return this.#unsent.size;
  }

  /** A presence that nobody has shown before. */
  presence(): PresenceFields {
    const { prng, oracle } = this.#cluster;
    const show = prng.pick(SHOWS);
    return {
      ...(show === "online" ? {} : { show }),
      status: oracle.mark(this.life!),
      ...(prng.chance(0.3) ? { priority: prng.int(-2, 2) } : {}),
    };
  }

  // ---- messages

  /** Writes a new message, of up to so many bytes, and sends it from `device`. */
  write(device: Device, to: string, bodyBytes: number, bodyBytesMin = 0): void {
    const { prng, oracle } = this.#cluster;
    const life = this.life!;
    const key = `m${++this.#keys}`;
    const head = `${this.name}#${life.number} to ${to}: ${key} ${endingOf(this.#keys)}`;
    const body = head.padEnd(prng.int(bodyBytesMin, bodyBytes), ".");
    const ext = prng.chance(0.1) ? `ext of ${key}` : "";
    this.#try(device, oracle.sending(life, device.id, { to, key, body, ext }));
  }

  /** Changes a message of the conversation with `to`. */
  change(device: Device, to: string, change: Change): void {
    const { oracle } = this.#cluster;
    const life = this.life!;
    const key = `c${++this.#changes}`;
    const text = `${this.name}#${life.number} to ${to}: ${key} edits.`;
    const body = change.name === "edit"
      ? text
      : change.name === "react"
      ? change.emoji.join(" ") || NO_REACTION
      : REMOVED;
    this.#try(device, oracle.sending(life, device.id, { to, key, body, ext: "", change }));
  }

  /** Sends a message (again) from `device`. */
  repeat(device: Device, sent: Sent): void {
    const { oracle } = this.#cluster;
    this.#try(device, oracle.sending(sent.life, device.id, sent));
  }

  /** Sends something else under the key of a message that was acked. */
  misuse(device: Device, { life, to, key, body, ext }: Sent): void {
    const { oracle, prng, people } = this.#cluster;
    const other = people.find((p) => p.name !== to && p.name !== this.name)?.name ?? "nobody";
    const changes = [{ to: other }, { body: `${body}!` }, { ext: `${ext}!` }];
    const fields = { to, key, body, ...(ext === "" ? {} : { ext }), ...prng.pick(changes) };
    device.command("send", fields, (answer) => {
      if (answer !== null) oracle.misused(life, fields, answer.ok ? null : answer.code);
    });
  }

  #try(device: Device, sent: Sent): void {
    const { oracle } = this.#cluster;
    this.#unsent.set(sent, true);
    const { to, key, body, ext, change } = sent;
    const { name = "send", ...what } = change ?? { name: "send" };
    const text = change === null || change.name === "edit" ? { body } : {};
    const fields = { to, key, ...text, ...what, ...(ext === "" ? {} : { ext }) };
    const beganMs = oracle.nowMs;
    device.command(name, fields, (answer) => {
      const code = answer === null || answer.ok ? null : answer.code;
      const value = answer?.ok ? answer.value as NonNullable<Sent["acked"]> : null;
      oracle.answered(sent, value, code, beganMs);
      const over = value !== null || (code !== null && !isTransient(code));
      if (over || sent.life !== this.life) this.#unsent.delete(sent);
      else if (this.#unsent.has(sent)) this.#unsent.set(sent, false);
    });
  }

  /** Tries what has no answer yet; called every now and then. */
  look(): void {
    const online = this.online;
    if (online.length === 0) return;
    for (const [sent, trying] of this.#unsent) {
      if (!trying) this.repeat(this.#cluster.prng.pick(online), sent);
    }
  }

  /** The account was deleted, or is another one: nothing of the old one is repeated. */
  reborn(life: Life | null): void {
    this.life = life;
    this.#unsent.clear();
  }

  // ---- what devices tell

  /** A device has been welcomed. */
  welcomed(device: Device): void {
    const { prng } = this.#cluster;
    for (const name of device.view!.requests) {
      if (prng.chance(0.3)) this.#consider(device, name);
    }
  }

  /** A device has learnt of a durable event. */
  learnt(device: Device, event: WireEvent): void {
    const { prng, config } = this.#cluster;
    if (event.k === "request" && event.pending) this.#consider(device, event.from);
    if (event.k !== "message" || event.out) return;
    if (prng.chance(config.ackChance)) this.ack(device);
    if (prng.chance(config.readChance)) this.read(device, event.with, event.seq);
  }

  /** Somebody wants to see this user. */
  #consider(device: Device, from: string): void {
    const { prng, time } = this.#cluster;
    const kind = prng.chance(this.kindness);
    time.global.timers.after(prng.int(1, 400), () => {
      if (!device.online) return;
      this.subscription(device, from, kind ? "subscribed" : "unsubscribed");
      if (!kind) return;
      const known = device.view?.roster.get(from)?.subscription ?? "none";
      if (known === "none" || known === "from") this.subscription(device, from, "subscribe");
    });
  }

  // ---- commands whose outcome the oracle follows

  /** Acks all that the device has. */
  ack(device: Device): void {
    const seq = device.view?.seq ?? 0;
    const life = device.life!;
    life.ackTriedSeq = Math.max(life.ackTriedSeq, seq);
    device.command("ack", { seq }, (answer) => {
      if (answer?.ok) life.ackedSeq = Math.max(life.ackedSeq, seq);
    });
  }

  /** Marks a conversation as read. */
  read(device: Device, peer: string, upTo: number): void {
    const life = device.life!;
    const mark = life.reads.get(peer) ?? { done: 0, tried: 0 };
    life.reads.set(peer, mark);
    mark.tried = Math.max(mark.tried, upTo);
    device.command("read", { with: peer, upTo }, (answer) => {
      if (answer?.ok) mark.done = Math.max(mark.done, upTo);
    });
  }

  /** Sends one of the four subscription stanzas. */
  subscription(
    device: Device,
    contact: string,
    type: "subscribe" | "subscribed" | "unsubscribe" | "unsubscribed",
  ): void {
    const { oracle } = this.#cluster;
    const life = device.life!;
    const grants = type === "subscribed" || type === "unsubscribed";
    const register = grants ? oracle.grant(life, contact) : oracle.want(life, contact);
    const value = type === "subscribed" || type === "subscribe";
    this.#set(device, register, value, "subscription", { contact, type });
  }

  /** Adds or changes a contact. */
  contact(device: Device, contact: string, label: string): void {
    const register = this.#cluster.oracle.label(device.life!, contact);
    this.#set(device, register, label, "contact", { contact, label });
  }

  /** Removes a contact. */
  uncontact(device: Device, contact: string): void {
    const { oracle } = this.#cluster;
    const life = device.life!;
    const registers = [
      oracle.grant(life, contact).begin(false, oracle.nowMs),
      oracle.want(life, contact).begin(false, oracle.nowMs),
      oracle.label(life, contact).begin(null, oracle.nowMs),
    ];
    device.command("uncontact", { contact }, (answer) => {
      for (const setting of registers) this.#end(setting, answer);
    });
  }

  /** Blocks or unblocks. */
  block(device: Device, contact: string, blocked: boolean): void {
    const register = this.#cluster.oracle.block(device.life!, contact);
    this.#set(device, register, blocked, "block", { contact, blocked });
  }

  /** Says who may write. */
  settings(device: Device, anyone: boolean): void {
    const messagesFrom = anyone ? "anyone" : "contacts";
    this.#set(device, device.life!.anyone, anyone, "settings", { messagesFrom });
  }

  #ended(sessions: readonly OfDevice[], why: string): void {
    mustEnd(this.#cluster, { person: this, sessions, why, still: () => true });
  }

  /** Revokes a device. */
  revoke(device: Device, other: string): void {
    const register = this.#cluster.oracle.token(device.life!, other);
    const ended = this.#cluster.sessionsOf(this, other);
    const setting = register.begin(null, this.#cluster.oracle.nowMs);
    device.command("revoke", { device: other }, (answer) => {
      this.#end(setting, answer);
      if (answer?.ok) this.#ended(ended, `${other} was revoked`);
    });
  }

  /** Signs the device out for good. */
  signOut(device: Device): void {
    const register = this.#cluster.oracle.token(device.life!, device.id);
    this.#set<string | null>(device, register, null, "signout", {});
    device.signedOut();
  }

  /** Changes the password; every other device is signed out. */
  changePassword(device: Device, next: string): void {
    const { oracle, prng } = this.#cluster;
    const life = device.life!;
    const old = prng.pick(life.password.possible(oracle.nowMs));
    const settings = [life.password.begin(next, oracle.nowMs)];
    const tokens = this.devices.filter((d) => d !== device)
      .map((d) => oracle.token(life, d.id).begin(null, oracle.nowMs));
    const ended = this.#cluster.sessionsOf(this).filter((s) => s.device !== device.id);
    device.command("password", { old, new: next }, (answer) => {
      if (answer?.ok) this.#ended(ended, "the password was changed");
      for (const s of settings) this.#end(s, answer);
      for (const s of tokens) this.#end(s, answer);
    });
  }

  #set<T>(
    device: Device,
    register: Register<T>,
    value: T,
    command: string,
    fields: Readonly<Record<string, unknown>>,
  ): void {
    const setting = register.begin(value, this.#cluster.oracle.nowMs);
    device.command(command, fields, (answer) => this.#end(setting, answer));
  }

  #end(setting: Parameters<typeof Register.end>[0], answer: Answer | null): void {
    const now = this.#cluster.oracle.nowMs;
    if (answer === null) return Register.end(setting, "unknown", now);
    if (answer.ok) return Register.end(setting, "done", now);
    Register.end(setting, answer.code === "unavailable" ? "unknown" : "refused", now);
  }
}
