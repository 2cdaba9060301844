/**
 * Whether a store had one primary at a time, by what its users got: they write and read wherever the
 * store may be served, and note what was acknowledged. Positions of a mailbox only rise. Two primaries
 * give one position twice, or one of them goes on behind what the other has acknowledged. An account
 * with a write that is not acknowledged is not read either: others are written at one place only.
 */
import { pause } from "./cell_load.ts";

/** Something that was acknowledged; times are of one clock (ms). */
export interface Served {
  readonly account: string;
  readonly place: string;
  readonly kind: "write" | "read";
  readonly beganMs: number;
  readonly endedMs: number;
  /** The position of the message, or of the newest one that was read. */
  readonly seq: number;
}

/** What shows that there was more than one primary. */
export function primaryFaults(history: readonly Served[]): readonly string[] {
  const byAccount = Map.groupBy(history, ({ account }) => account);
  return [...byAccount.values()].flatMap(faultsOfAccount);
}

function faultsOfAccount(history: readonly Served[]): readonly string[] {
  const faults: string[] = [];
  const writers = new Map<number, string>();
  for (const { kind, place, seq } of history) {
    if (kind !== "write") continue;
    const other = writers.get(seq);
    if (other !== undefined) faults.push(`${place} and ${other} have both given position ${seq}`);
    writers.set(seq, place);
  }
  const ended = history.filter(({ kind }) => kind === "write")
    .sort((a, b) => a.endedMs - b.endedMs);
  let [at, floor, by] = [0, 0, ""];
  for (const { beganMs, kind, place, seq } of history.toSorted((a, b) => a.beganMs - b.beganMs)) {
    for (; at < ended.length && ended[at]!.endedMs < beganMs; at++) {
      if (ended[at]!.seq > floor) [floor, by] = [ended[at]!.seq, ended[at]!.place];
    }
    if (kind === "read" ? seq >= floor : seq > floor) continue;
    faults.push(`${place} ${kind}s ${seq} after ${by} has acknowledged ${floor}`);
  }
  return faults;
}

/** The writes that one place has acknowledged in a row, for people. */
export function writersOf(history: readonly Served[]): readonly string[] {
  const runs: { place: string; first: Served; last: Served }[] = [];
  for (const served of history.filter(({ kind }) => kind === "write")) {
    const run = runs.at(-1);
    if (run?.place === served.place) run.last = served;
    else runs.push({ place: served.place, first: served, last: served });
  }
  return runs.map(({ place, first, last }) =>
    `${place} has acknowledged ${first.seq} to ${last.seq} from ${Math.round(first.endedMs)} ` +
    `to ${Math.round(last.endedMs)} ms`
  );
}

const PAUSE_MS = 25;
const TIMEOUT_MS = 1500;

/** An account that is looked at in one place; `writes`: it also sends messages to itself there. */
export interface PlaceUserOptions {
  readonly place: string;
  readonly url: string;
  readonly account: string;
  readonly token: string;
  readonly writes: boolean;
  readonly history: Served[];
}

/** A user at one place, as long as that serves it. */
export class PlaceUser {
  stopped = false;
  readonly #options: PlaceUserOptions;
  #next = 0;

  constructor(options: PlaceUserOptions) {
    this.#options = options;
  }

  async run(): Promise<void> {
    const { account, place, writes } = this.#options;
    while (!this.stopped) {
      if (writes) {
        await this.#note("write", async () => {
          const key = `${place}-${this.#next++}`;
          const { seq } = await this.#ask("POST", "/v1/messages", { to: account, body: key }, key);
          return Number(seq);
        });
      }
      await this.#note("read", async () => {
        const { cursor } = await this.#ask("GET", "/v1/snapshot");
        return Number(String(cursor).split(":")[1]);
      });
      await pause(PAUSE_MS);
    }
  }

  /** What is refused, or has no reply, says nothing. */
  async #note(kind: Served["kind"], ask: () => Promise<number>): Promise<void> {
    const beganMs = performance.now();
    const seq = await ask().catch(() => null);
    if (seq === null) return;
    const { account, history, place } = this.#options;
    history.push({ account, place, kind, beganMs, endedMs: performance.now(), seq });
  }

  async #ask(
    method: string,
    path: string,
    body?: unknown,
    key?: string,
  ): Promise<Record<string, unknown>> {
    const { token, url } = this.#options;
    const response = await fetch(url + path, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(key === undefined ? {} : { "idempotency-key": key }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const value = await response.json();
    if (!response.ok) throw new Error(value.code);
    return value;
  }
}
