/**
 * What a repair says that it gives up, and whether an account shows no other difference than that.
 * What is not named must be as it was.
 */
import type { AccountName } from "../../../shard/name/ids.ts";
import type { Look } from "./accounts.ts";

/** What is given up of one account. */
interface GivenUp {
  /** All of it: its name stays closed. */
  closed: boolean;
  /** Positions of events that are given up, both ends included. */
  readonly ranges: (readonly [number, number])[];
  /** Whether it goes back to how it was at some earlier time. */
  back: boolean;
  /** At least so many of its messages are given up. */
  messages: number;
}

const HEAD = /^account (\S+) .*and with it the account/;
const RANGE = /^account (\S+): events (\d+) to (\d+) of its mailbox/;
const BEHIND = /^account (\S+): what a lost record .* (\d+) messages among them/;
const PERHAPS = /^shard \d+: what a lost record has.* older: (.*)$/;
const SENT = /^account (\S+): which messages it has sent/;
/** Lines about no account; those about whose changes a lost record has follow by name. */
const NOBODY = /^shard \d+: record \d+ of its log$|^row /;
const LAST = /^what was written last: /;

const GONE: GivenUp = { closed: false, ranges: [], back: true, messages: 0 };

/** The lines of a repair. */
export class Statements {
  readonly #of = new Map<string, GivenUp>();
  /** Whether writes at the end are given up: any account may go back by them. */
  readonly #last: boolean;
  /** Lines that say nothing of what they give up to this proof, which may not be. */
  readonly unknown: string[] = [];

  constructor(lines: readonly string[]) {
    this.#last = lines.some((line) => LAST.test(line));
    for (const line of lines) if (!this.#take(line)) this.unknown.push(line);
  }

  #take(line: string): boolean {
    const [head, range, behind, perhaps] = [HEAD, RANGE, BEHIND, PERHAPS].map((r) => r.exec(line));
    if (head) this.#account(head[1]!).closed = true;
    else if (range) this.#account(range[1]!).ranges.push([Number(range[2]), Number(range[3])]);
    else if (behind) {
      Object.assign(this.#account(behind[1]!), { back: true, messages: +behind[2]! });
    } else if (perhaps) {
      for (const name of perhaps[1]!.split(", ")) this.#account(name).back = true;
    } else return [SENT, NOBODY, LAST].some((known) => known.test(line));
    return true;
  }

  #account(name: string): GivenUp {
    const known = this.#of.get(name);
    if (known !== undefined) return known;
    const none = { closed: false, ranges: [], back: false, messages: 0 };
    this.#of.set(name, none);
    return none;
  }

  /** Whether the account is given up as a whole. */
  closes(name: AccountName): boolean {
    return this.#of.get(name)?.closed === true;
  }

  /** Why the lines do not explain what an account shows; null where they do. */
  fault(name: AccountName, was: Look, now: Look): string | null {
    const given = this.#of.get(name) ?? (this.#last ? GONE : null);
    if (given === null) return JSON.stringify(now) === JSON.stringify(was) ? null : "is altered";
    const inRange = ({ seq }: { readonly seq: number }) =>
      given.ranges.some(([from, to]) => from <= seq && seq <= to);
    const events = [was, now].map((look) => look.events.filter((e) => !inRange(e)));
    if (!given.back && !this.#last) {
      if (JSON.stringify(events[0]) !== JSON.stringify(events[1])) return "has other events";
      if (was.rest !== now.rest) return "has another snapshot";
      return null;
    }
    return backFault(events[0]!, events[1]!, given.messages);
  }
}

type Events = Look["events"];
const textOf = (events: Events) => events.map((event) => JSON.stringify(event));

/**
 * An account that goes back has the events of its beginning. What its peers still have for it comes
 * again behind them: each message of before at most once.
 */
function backFault(was: Events, now: Events, messages: number): string | null {
  const [before, after] = [textOf(was), textOf(now)];
  let same = 0;
  while (same < after.length && after[same] === before[same]) same++;
  const keyOf = (e: Events[number]) =>
    e.kind === "message" ? JSON.stringify([e.with, e.out, e.id, e.body]) : null;
  const known = new Set(was.slice(same).map(keyOf));
  for (const event of now.slice(same)) {
    const key = keyOf(event);
    if (key !== null && !known.delete(key)) return `has a message that was not there: ${key}`;
  }
  const lost = was.slice(same).filter(({ kind }) => kind === "message").length;
  return lost < messages ? `lost ${lost} messages, and ${messages} are said to be given up` : null;
}
