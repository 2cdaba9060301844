/** Something of an issuer that is read again from time to time, and outlasts the issuer's absence. */
import { IssuerAway } from "./oidc_refusal.ts";

/** How often, in ms. */
export interface RefreshOptions {
  /** What was read is used so long without another look. */
  readonly freshMs: number;
  /** And so long where the issuer cannot be reached. */
  readonly staleMs: number;
  /** The issuer is asked once in so long at most, whatever asks for it. */
  readonly pauseMs: number;
}

/** See the head of this file. */
export class Refreshed<T> {
  readonly #load: () => Promise<T>;
  readonly #monoMs: () => number;
  readonly #options: RefreshOptions;
  #kept: { readonly value: T; readonly atMs: number } | null = null;
  #triedMs = -Infinity;
  #loading: Promise<void> | null = null;

  /** `load` rejects where the issuer cannot be reached. */
  constructor(load: () => Promise<T>, monoMs: () => number, options: RefreshOptions) {
    this.#load = load;
    this.#monoMs = monoMs;
    this.#options = options;
  }

  /** Rejects with `IssuerAway` where nothing was read that may still be used. */
  async get(): Promise<T> {
    const { freshMs } = this.#options;
    if (this.#kept !== null && this.#monoMs() - this.#kept.atMs < freshMs) return this.#kept.value;
    await this.#refresh();
    return this.#current();
  }

  /** As `get`, but reads it again first unless that was just done: it lacks something. */
  async renewed(): Promise<T> {
    await this.#refresh();
    return this.#current();
  }

  #current(): T {
    const { staleMs } = this.#options;
    if (this.#kept !== null && this.#monoMs() - this.#kept.atMs < staleMs) return this.#kept.value;
    throw new IssuerAway("nothing that may still be used was read");
  }

  async #refresh(): Promise<void> {
    if (this.#loading === null) {
      if (this.#monoMs() - this.#triedMs < this.#options.pauseMs) return;
      this.#triedMs = this.#monoMs();
      this.#loading = this.#read().finally(() => this.#loading = null);
    }
    await this.#loading;
  }

  async #read(): Promise<void> {
    try {
      this.#kept = { value: await this.#load(), atMs: this.#monoMs() };
    } catch (error) {
      // What was read before goes on; without it the caller gets `IssuerAway`.
      if (!(error instanceof IssuerAway)) throw error;
    }
  }
}
