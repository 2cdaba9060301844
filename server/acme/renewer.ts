/**
 * Gets the certificate of a cell and keeps it valid: every node looks when the next one is due, the one
 * that notes in the store that it orders does, and all serve what it gets. What the nodes of a cell
 * serve meanwhile is what is stored; at the first start that is nothing, and handshakes fail until there
 * is a certificate, as Caddy has it: a certificate that nobody trusts would have people click past it.
 */
import type { AcmeCertificate, AcmeGoal, AcmeState } from "./state.ts";
import { acmeState, begun, failed, NO_STATE, orderAtMs, renewAtMs, succeeded } from "./state.ts";
import { AcmeError, type AcmeIssuer } from "./issuer.ts";
import type { Cancel, Clock, Log, Random, StoreError, Timers } from "../node/ports.ts";
import { CellValue, type Change, type Registers } from "../node/cell_value.ts";
import type { Retries } from "../../shard/retry.ts";

/** Between two looks at the store (ms): its hints that something has changed may get lost. */
const LOOK_MS = 60_000;
/** How long an order may take (ms). */
const ORDER_MS = 300_000;

/** What it needs of the machine. */
export interface RenewerDeps {
  readonly store: Registers;
  readonly clock: Pick<Clock, "wallMs">;
  readonly timers: Pick<Timers, "after">;
  readonly random: Pick<Random, "number">;
  readonly log: Log;
  readonly retries: Retries;
  readonly issue: AcmeIssuer;
  /** What is in a certificate; throws where it is none, or not of that key. */
  read(texts: { readonly cert: string; readonly key: string }): Pick<
    AcmeCertificate,
    "startsAtMs" | "expiresAtMs"
  >;
  /** There is a new certificate to serve. */
  serve(certificate: AcmeCertificate): void;
  readonly counters: { done: number; failed: number };
}

/** See the head of this file. */
export class Renewer {
  readonly #deps: RenewerDeps;
  readonly #goal: AcmeGoal;
  readonly #value: CellValue<AcmeState>;
  #served: string | null = null;
  #state: AcmeState = NO_STATE;
  #ordering = false;
  /** When the order of this node began, which names it. */
  #mineAtMs = 0;
  #hurried = false;
  #stopped = false;
  #timer: Cancel = () => {};
  #unwatch: Cancel = () => {};

  constructor(deps: RenewerDeps, goal: AcmeGoal) {
    this.#deps = deps;
    this.#goal = goal;
    this.#value = new CellValue(deps.store, acmeState());
    this.#value.onChange = (state) => this.#found(state);
  }

  /** Begins to serve what is stored, and to order what is due. */
  start(): void {
    this.#unwatch = this.#value.watch();
    this.#look();
  }

  /** An operator has asked for a reload: what has failed is tried again soon. */
  hurry(): void {
    this.#hurried = true;
    if (!this.#stopped && !this.#ordering) this.#look();
  }

  /** Orders nothing any more; what is under way is dropped, as if the process had died. */
  stop(): void {
    this.#stopped = true;
    this.#timer();
    this.#unwatch();
  }

  #look(): void {
    this.#value.load((error, state) => {
      if (this.#stopped) return;
      if (error === null) return this.#found(state);
      // The store tells of itself.
      this.#wait(LOOK_MS);
    });
  }

  #found(state: AcmeState): void {
    if (this.#stopped) return;
    this.#state = state;
    const { certificate } = state;
    if (certificate !== null && certificate.cert !== this.#served) {
      this.#served = certificate.cert;
      this.#deps.serve(certificate);
    }
    if (this.#ordering) return;
    const inMs = orderAtMs(state, this.#goal, this.#hurried) - this.#deps.clock.wallMs();
    if (inMs <= 0) return this.#order();
    this.#wait(Math.min(LOOK_MS, inMs));
  }

  #wait(delayMs: number): void {
    this.#timer();
    this.#timer = this.#deps.timers.after(delayMs, () => this.#look());
  }

  /** Notes that this node orders; others that would find that it does. */
  #order(): void {
    const { clock, random, retries } = this.#deps;
    this.#ordering = true;
    const hurried = this.#hurried;
    const drawn = random.number();
    let mine: AcmeState | null = null;
    this.#value.update((state) => {
      const nowMs = clock.wallMs();
      mine = null;
      if (orderAtMs(state, this.#goal, hurried) > nowMs) return null;
      return mine = begun(
        state,
        this.#goal,
        nowMs,
        (tries) => retries.waitMs("acme", tries, drawn),
      );
    }, (error, state) => {
      if (error === null && mine !== null) return this.#ask(mine);
      this.#ordering = false;
      if (this.#stopped) return;
      if (error !== null) this.#wait(LOOK_MS);
      else this.#found(state);
    });
  }

  #ask(state: AcmeState): void {
    const { issue, log, timers } = this.#deps;
    this.#mineAtMs = state.orderedAtMs;
    const { directory, domains } = this.#goal;
    this.#hurried = false;
    log.info("certificate ordered", { domains, directory, try: state.tries });
    const late = new Promise<never>((_, reject) => {
      timers.after(ORDER_MS, () => reject(new AcmeError("unreachable", "it takes too long")));
    });
    const ordered = issue({
      goal: this.#goal,
      account: state.account,
      keep: (account) => this.#change((now) => ({ ...now, account })),
      publish: (challenges) => this.#change((now) => ({ ...now, challenges })),
      agreed: (terms) => log.info("terms of the authority agreed to", { directory, terms }),
    });
    Promise.race([ordered, late]).then((texts) => this.#got(texts)).then(
      () => this.#ended(),
      (cause) => this.#failed(cause),
    );
  }

  async #got(texts: { readonly cert: string; readonly key: string }): Promise<void> {
    const { counters, log, random, read } = this.#deps;
    const { startsAtMs, expiresAtMs } = read(texts);
    const times = { startsAtMs, expiresAtMs };
    const certificate = { ...texts, ...times, renewAtMs: renewAtMs(times, random.number()) };
    await this.#change((state) => succeeded(state, certificate));
    counters.done++;
    const day = (ms: number) => new Date(ms).toISOString();
    const { renewAtMs: next } = certificate;
    log.info("certificate received", { expires: day(expiresAtMs), renewal: day(next) });
  }

  #failed(cause: unknown): void {
    const { clock, counters, log } = this.#deps;
    const askedMs = cause instanceof AcmeError ? cause.retryAfterMs : 0;
    counters.failed++;
    this.#change((state) => failed(state, clock.wallMs(), askedMs)).catch(() => {}).then(() => {
      const { notBeforeMs, certificate, tries } = this.#state;
      log.error("no certificate", {
        error: cause instanceof Error ? cause.message : String(cause),
        try: tries,
        again: new Date(notBeforeMs).toISOString(),
        ...(certificate === null
          ? { served: "none: clients cannot connect" }
          : { servedUntil: new Date(certificate.expiresAtMs).toISOString() }),
      });
      this.#ended();
    });
  }

  #ended(): void {
    this.#ordering = false;
    if (!this.#stopped) this.#look();
  }

  /** Changes the state, unless another node has begun an order meanwhile. */
  #change(change: Change<AcmeState>): Promise<void> {
    const orderedAtMs = this.#mineAtMs;
    return new Promise((resolve, reject) => {
      let over = false;
      this.#value.update((state) => {
        over = state.orderedAtMs !== orderedAtMs;
        return over ? null : change(state);
      }, (error: StoreError | null, state) => {
        if (error !== null) return reject(new Error(`the store: ${error.message}`));
        this.#state = state;
        if (over) return reject(new Error("another node has begun an order"));
        resolve();
      });
    });
  }
}
