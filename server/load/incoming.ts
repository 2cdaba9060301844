/** What one synthetic user gets: the user's mailbox position, and every event checked and timed. */
import type { CrowdContext } from "./tally.ts";
import { equals, scanEvents, ScannedEvent } from "./scan.ts";
import { showOf } from "./presence_book.ts";
import { TagReader } from "./tag.ts";

/** One frame in so many is parsed in full, and compared with what the scan has found. */
const PROOF_EVERY = 256;

/** Scratch space that all users of a process share: it is only used within a call. */
export class Scratch {
  readonly event = new ScannedEvent();
  readonly tag = new TagReader();
}

/** The receiving half of a user. */
export class Incoming {
  readonly #crowd: CrowdContext;
  readonly #user: number;
  readonly #scratch: Scratch;
  #mailboxId = "";
  #seq = 0;
  #onlineSinceUs = 0;
  /** When the sign-in was due whose first presence is still to come; 0 for none. */
  #signInDueUs = 0;
  #frames = 0;

  constructor(crowd: CrowdContext, user: number, scratch: Scratch) {
    this.#crowd = crowd;
    this.#user = user;
    this.#scratch = scratch;
  }

  /** Position in the mailbox. */
  get seq(): number {
    return this.#seq;
  }

  /** Everything up to here has come in: `mailboxId:seq`; null before the first session. */
  get cursor(): string | null {
    return this.#mailboxId === "" ? null : `${this.#mailboxId}:${this.#seq}`;
  }

  /**
   * A session begins at `cursor`. `signInDueUs`: the time to the first presence of a contact that
   * was online before is to be measured from there; 0 for not at all.
   */
  begin(cursor: string, signInDueUs: number): void {
    const [mailboxId = "", seq = "0"] = cursor.split(":");
    this.#mailboxId = mailboxId;
    this.#seq = Number(seq);
    this.#signInDueUs = signInDueUs;
    this.#onlineSinceUs = this.#crowd.nowUs();
  }

  /** Takes a frame or answer whose events are under `key`; throws where it is malformed. */
  events(bytes: Uint8Array, from: number, to: number, key: "ev" | "events"): void {
    const { counts } = this.#crowd;
    counts.frames++;
    counts.bytes += to - from;
    const before = counts.events;
    const now = this.#crowd.nowUs();
    scanEvents(bytes, from, key, this.#scratch.event, (event) => {
      counts.events++;
      this.#event(event, now);
    });
    if (++this.#frames % PROOF_EVERY !== 1) return;
    const frame = JSON.parse(new TextDecoder().decode(bytes.subarray(from, to)));
    if (frame[key].length !== counts.events - before) counts.malformed++;
  }

  #event(event: ScannedEvent, now: number): void {
    const crowd = this.#crowd;
    if (event.seq >= 0) {
      if (event.seq !== this.#seq + 1) crowd.messages.gap();
      this.#seq = event.seq;
    }
    switch (event.kind) {
      case "presence":
        return this.#presence(event, now);
      case "message":
        return this.#message(event, now);
      case "undelivered":
        return crowd.messages.undelivered(this.#user, this.#peer(event));
      case "signal":
        if (!this.#tagged(event)) return;
        crowd.counts.signalsReceived++;
        return crowd.latencies.record("signal", now - this.#scratch.tag.dueUs);
    }
  }

  #peer(event: ScannedEvent): number {
    return this.#crowd.names.indexOf(event.bytes, event.userFrom, event.userTo);
  }

  /** Whether it was sent by this run; if so, the scratch space has its tag. */
  #tagged(event: ScannedEvent): boolean {
    const { tag } = this.#scratch;
    return tag.read(event.bytes, event.textFrom, event.textTo) && tag.run === this.#crowd.run;
  }

  #presence(event: ScannedEvent, now: number): void {
    const crowd = this.#crowd;
    const contact = this.#peer(event);
    // Its own presence returns for the sake of its other devices.
    if (contact === this.#user) return;
    const { bytes, showFrom, showTo } = event;
    if (equals(bytes, showFrom, showTo, "offline")) {
      crowd.presence.wentOffline(this.#user, contact, now / 1000);
      return;
    }
    // A status of an earlier run: the contact will say something of this one.
    if (!this.#tagged(event)) return;
    const { number: version, dueUs } = this.#scratch.tag;
    const right = equals(bytes, showFrom, showTo, showOf(version));
    const news = crowd.presence.received(this.#user, contact, version, right);
    if (news === null) return;
    if (dueUs >= this.#onlineSinceUs) {
      crowd.latencies.record(news === "change" ? "presence" : "arrived", now - dueUs);
      crowd.watch?.presenceDelivered(contact, version, this.#user, now);
    } else if (this.#signInDueUs > 0) {
      crowd.latencies.record("roster", now - this.#signInDueUs);
      this.#signInDueUs = 0;
    }
  }

  #message(event: ScannedEvent, now: number): void {
    const crowd = this.#crowd;
    if (event.out || !this.#tagged(event)) return;
    const sender = this.#peer(event);
    const { number, dueUs } = this.#scratch.tag;
    crowd.messages.received(this.#user, sender, event.num, number);
    crowd.latencies.record(dueUs >= this.#onlineSinceUs ? "message" : "missed", now - dueUs);
    crowd.watch?.messageDelivered(sender, number, this.#user, now);
    crowd.wantsAck(this.#user);
  }
}
