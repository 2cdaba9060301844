/**
 * Recovery of a shard: it reads its log at start, after a commit of unknown outcome and after a bug,
 * replays the log into the accounts, and replays the effects that were lost. Inputs that need
 * accounts are withheld until then.
 */
import type { AccountAccess } from "./account_access.ts";
import type { AccountName, NodeId } from "../name/ids.ts";
import type { Attempts } from "./attempts.ts";
import type { Lost } from "./open_batch.ts";
import type { OfEdge } from "../presence/presence.ts";
import type { Ops } from "../ops.ts";
import type { Effect, RequestId, ShardInput } from "../effects.ts";
import type { Requests } from "./requests.ts";
import type { ShardTurn } from "./shard_turn.ts";
import { isRepeated } from "../message/packets.ts";
import { fail } from "../errors.ts";
import { LogReading } from "./log_reading.ts";
import { replayLostEffects } from "./lost_effects.ts";
import { spreadOf } from "../retry.ts";
import { seesNobody } from "../handlers/interest.ts";

/** When a client may try again what a shard that does not serve refuses (ms). */
const REFUSED_MS = 500;
/** A shard that has served for so long after a bug starts counting anew (ms). */
const CALM_MS = 10_000;
const DOWN = "This part of the server does not work now: try again later";
const DAMAGED = "This part of the server is damaged: an administrator must repair it";
/** Inputs that a shard withholds while it cannot serve, … */
const WITHHELD_MAX = 10_000;
/** … and requests of one account among them: no client takes the room of all others. */
const WITHHELD_EACH_MAX = 1000;

type State =
  | { readonly kind: "serving"; readonly sinceMs: number }
  | { readonly kind: "reading"; readonly reading: LogReading }
  /**
   * The batch in flight has an outcome of its own, and a checkpoint that is being written replaces rows
   * that are to be read: the log is read once both are known.
   */
  | { readonly kind: "in_flight" }
  /**
   * Too many bugs in a row, or the log is damaged: it is read again at `untilMs` (monotonic), for the
   * next reading may be of other memory.
   */
  | { readonly kind: "paused"; readonly untilMs: number };

/** See the head of this file. */
export class Recovery {
  /** Number of the latest reading of the log; rows of earlier ones are ignored. */
  reading = 1;
  readonly #turn: ShardTurn;
  readonly #accounts: AccountAccess;
  readonly #attempts: Attempts;
  readonly #requests: Requests;
  readonly #handle: (input: ShardInput) => void;
  readonly #forgetNames: () => void;
  #state: State;
  /** Inputs to be handled once the log has been replayed, in order. */
  #withheld: ShardInput[] = [];
  /** How many of them are requests, by account. */
  readonly #withheldOf = new Map<AccountName, number>();
  /** Effects that were dropped before they were released. */
  #lost: Lost[] = [];
  /** Accounts at which readings of the log have failed, and how often. */
  readonly #poisoned = new Map<AccountName, number>();
  /** Bugs in a row. */
  #bugs = 0;
  /** Readings in a row that found the log damaged. */
  #damagedReadings = 0;
  /** Whether a checkpoint was on its way to the store at a bug. */
  #checkpointing = false;
  #down = false;

  /**
   * `handle` takes the withheld inputs at the end. `forgetNames`: what is provisional about the homes
   * of names is forgotten.
   */
  constructor(
    parts: {
      readonly turn: ShardTurn;
      readonly accounts: AccountAccess;
      readonly attempts: Attempts;
      readonly requests: Requests;
      readonly handle: (input: ShardInput) => void;
      readonly forgetNames: () => void;
    },
  ) {
    this.#turn = parts.turn;
    this.#accounts = parts.accounts;
    this.#attempts = parts.attempts;
    this.#requests = parts.requests;
    this.#handle = parts.handle;
    this.#forgetNames = parts.forgetNames;
    this.#state = { kind: "reading", reading: this.#newReading() };
  }

  /** Whether the shard does not serve: it reads its log, or is about to. */
  get active(): boolean {
    return this.#state.kind !== "serving";
  }

  /** Whether it does not serve because of bugs in a row, or of its log: requests are refused. */
  get down(): boolean {
    return this.#down;
  }

  /** Inputs and effects that are kept for later. */
  get kept(): number {
    return this.#withheld.length + this.#lost.length;
  }

  /** The sessions that a node attaches by withheld requests, and the users that it asks to watch. */
  ofEdge(node: NodeId): OfEdge {
    const sessions: OfEdge["sessions"][number][] = [];
    const watched: AccountName[] = [];
    for (const input of this.#withheld) {
      if (input.kind === "interest" && input.node === node) {
        watched.push(...input.items.map((item) => item.watched));
      } else if (input.kind === "request" && input.op === "session.attach" && input.node === node) {
        const { session } = input.input as Ops["session.attach"]["in"];
        sessions.push({ name: input.name, session });
      }
    }
    return { sessions, watched };
  }

  /** Whether effects are to be replayed at the next tick. */
  get owing(): boolean {
    return this.#lost.length > 0;
  }

  /** There is no log to be read: the accounts came from shards that ended. */
  skip(): void {
    this.#state = { kind: "serving", sinceMs: this.#turn.now.mono };
  }

  /** Forgets everything provisional and asks for the shard's log; presence stays. */
  begin(): void {
    this.#requests.giveUp();
    for (const lost of this.#turn.batch.drop()) this.#lose(lost);
    this.#forget();
    this.reading++;
    this.#state = { kind: "reading", reading: this.#newReading() };
    this.#turn.batch.sawRow(this.#turn.row.start - 1);
    this.#turn.out.push({ kind: "recover", reading: this.reading });
  }

  /**
   * `what` has thrown: nothing that it has left half done may be committed or seen. With each bug in
   * a row the shard pauses for longer before it reads its log.
   */
  bug(what: string, thrown: unknown): void {
    const { now, out, presence } = this.#turn;
    const state = this.#state;
    if (state.kind === "serving" && now.mono - state.sinceMs >= CALM_MS) this.#bugs = 0;
    this.#bugs++;
    for (const { node, session } of presence.removed()) {
      const packet = { kind: "closed", sessions: [session], reason: "shutdown" } as const;
      out.push({ kind: "edge", node, packet });
    }
    // What waits for accounts is run, and may throw as well: each takes one of them out of the queue.
    for (let error = thrown;;) {
      out.push({ kind: "bug", input: what, error });
      try {
        return this.#reload();
      } catch (another) {
        error = another;
      }
    }
  }

  /**
   * Runs `run`, which the node calls between steps. After a bug it runs `undo` and returns null; the
   * next step has the effects.
   */
  guard<T>(what: string, run: () => T | null, undo: () => void = () => {}): T | null {
    try {
      return run();
    } catch (error) {
      undo();
      this.#turn.begin(this.#turn.now);
      this.bug(what, error);
      this.#turn.defer();
      return null;
    }
  }

  /** What is in flight is all that may still be stored: it is waited for. */
  #reload(): void {
    this.#checkpointing ||= this.#turn.accounts.writing;
    this.#requests.giveUp();
    for (const lost of this.#turn.batch.dropOpen()) this.#lose(lost);
    this.#forget();
    this.#awaitWrites();
  }

  /** Takes an input while the shard does not serve; returns whether it is to handle it now. */
  take(input: ShardInput): boolean {
    const state = this.#state;
    switch (input.kind) {
      case "uninterest":
        if (this.#withheld.some((w) => w.kind === "interest" && w.node === input.node)) {
          this.#withhold(input);
        }
        return true;
      case "writable":
      case "cell_unlinked":
      case "cell_unknown":
      case "cell_announced":
      case "taken_over":
      case "announced":
        return true;
      case "committed":
      case "commit_failed":
      case "checkpointed":
        if (state.kind === "in_flight") this.#concluded(input);
        return false;
      case "tick":
        if (state.kind === "reading") state.reading.tick();
        if (state.kind === "paused" && state.untilMs <= this.#turn.now.mono) this.begin();
        return false;
      case "log_rows":
      case "loaded":
      case "load_failed":
        if (state.kind === "reading") this.#read(state.reading, input);
        return false;
      case "log_damaged":
        if (state.kind === "reading" && input.reading === this.reading) this.#logDamaged(input);
        return false;
      case "dedupe_loaded":
      case "block_loaded":
      case "rows_loaded":
        return false;
      default:
        this.#withhold(input);
        return false;
    }
  }

  /** Replays the effects that were lost, as far as the accounts' state still wants them. */
  replayLostEffects(): void {
    for (let left = this.#lost.length; left > 0; left--) {
      const lost = this.#lost.shift()!;
      this.#accounts.whenLoaded([lost.name], () => {
        const account = this.#accounts.get(lost.name);
        if (account === undefined) return void this.#lost.push(lost);
        try {
          replayLostEffects(this.#turn, account, lost.effect);
        } catch (bug) {
          if (this.#attempts.again(lost)) this.#lost.push(lost);
          throw bug;
        }
      });
    }
  }

  #newReading(): LogReading {
    return new LogReading(this.#turn, this.#accounts, this.#poisoned);
  }

  #forget(): void {
    this.#turn.forget();
    this.#forgetNames();
    this.#accounts.forgetAbandoned();
  }

  #pauseOrBegin(): void {
    if (this.#bugs <= 1) return this.begin();
    // The first bug of a row has no pause.
    this.#pause(this.#bugs - 1);
  }

  #pause(tries: number): void {
    const { now, retries, row } = this.#turn;
    const pauseMs = retries.againMs("reload", tries, spreadOf(`shard ${row.id}`, tries));
    this.#state = { kind: "paused", untilMs: now.mono + pauseMs };
    this.#down = true;
    const withheld = this.#withheld;
    this.#withheld = [];
    this.#withheldOf.clear();
    for (const input of withheld) this.#withhold(input);
  }

  #awaitWrites(): void {
    const writing = this.#checkpointing || this.#turn.batch.inFlight;
    if (writing) this.#state = { kind: "in_flight" };
    else this.#pauseOrBegin();
  }

  /** The outcome of a write that was in flight at a bug; after a failed one none is. */
  #concluded(
    input: ShardInput & { kind: "committed" | "commit_failed" | "checkpointed" },
  ): void {
    const { batch, out } = this.#turn;
    if (input.kind === "committed") out.push(...batch.committed(input.batch));
    if (input.kind === "commit_failed") { for (const lost of batch.drop()) this.#lose(lost); }
    if (input.kind !== "committed") this.#checkpointing = false;
    this.#awaitWrites();
  }

  #read(
    reading: LogReading,
    input: ShardInput & { kind: "log_rows" | "loaded" | "load_failed" },
  ): void {
    if (input.kind === "load_failed") return reading.loadFailed(input);
    if (input.kind === "loaded") reading.loaded(input);
    else if (input.reading === this.reading) {
      const damage = reading.rows(input);
      if (damage !== null) return this.#logDamaged({ log: this.#turn.row.id, ...damage });
    }
    if (reading.done) this.#end();
  }

  /**
   * Nothing may be served from a log with a hole: what comes after it may rest on it. Other shards go
   * on; this one waits for its repair.
   */
  #logDamaged(
    { log, lsn, error }: { readonly log: number; readonly lsn: number; readonly error: string },
  ): void {
    if (++this.#damagedReadings === 1) {
      this.#turn.out.push({ kind: "log_damaged", log, lsn, error });
    }
    this.#forget();
    this.#pause(this.#damagedReadings);
  }

  #end(): void {
    this.#state = { kind: "serving", sinceMs: this.#turn.now.mono };
    this.#down = false;
    this.#damagedReadings = 0;
    this.#turn.presence.serves(this.#turn.now.mono);
    this.replayLostEffects();
    this.#withheldOf.clear();
    for (let left = this.#withheld.length; left > 0; left--) this.#handle(this.#withheld.shift()!);
  }

  #withhold(input: ShardInput): void {
    const full = this.#withheld.length >= WITHHELD_MAX;
    if (input.kind === "request" && (this.#down || full || this.#isTooMany(input.name))) {
      this.#refuse(input.request);
    } else if (input.kind === "interest" && full) this.#turn.out.push(seesNobody(input));
    // All packets but rewatches are sent again.
    else if (input.kind === "packet" && isRepeated(input.packet) && this.#down) return;
    // Nobody says again that a session is lost; there are no more of these than sessions.
    else if (!full || input.kind === "session_lost") this.#withheld.push(input);
  }

  #isTooMany(name: AccountName): boolean {
    const count = this.#withheldOf.get(name) ?? 0;
    if (count < WITHHELD_EACH_MAX) this.#withheldOf.set(name, count + 1);
    return count >= WITHHELD_EACH_MAX;
  }

  #refuse(request: RequestId): void {
    const result = this.#damagedReadings > 0
      ? fail("unavailable", DAMAGED)
      : fail("unavailable", DOWN, Math.max(this.#turn.retryAfterMs, REFUSED_MS));
    this.#turn.out.push({ kind: "reply", request, result });
  }

  /** What a node has given up of an interest since that was registered: it is registered again. */
  #endedOf(
    { answers, input: { node } }: Effect & { readonly kind: "interest_answer" },
  ): ShardInput {
    const watched = answers.filter(({ presence }) => presence !== null)
      .map((answer) => answer.watched)
      .filter((name) => this.#turn.presence.get(name)?.nodes.includes(node) !== true);
    return { kind: "uninterest", node, watched };
  }

  /** An effect is dropped, although the change that it tells of may have become durable. */
  #lose(lost: Lost): void {
    const { effect } = lost;
    if (effect.kind === "reply") {
      const message = "The outcome is not known: repeat it";
      const result = fail("unavailable", message, this.#turn.retryAfterMs);
      this.#turn.out.push({ kind: "reply", request: effect.request, result });
    } else if (effect.kind === "interest_answer") {
      this.#withheld.unshift(effect.input, this.#endedOf(effect));
    } else if (effect.kind === "edge" && effect.packet.kind === "closed") {
      // Its sessions are detached already: their edge must know, whatever became of the change.
      this.#turn.out.push(effect);
    } else this.#lost.push(lost);
  }
}
