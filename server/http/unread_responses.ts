/**
 * Responses that clients have asked for and do not read: each takes memory until it has been sent or
 * its connection is over, and a client may have hundreds of connections.
 */
import { customerKey } from "../auth/throttle.ts";
import { fail, type Failure } from "../../shard/errors.ts";

/** Characters that may be unread before a client gets no further large response. */
export interface UnreadLimits {
  readonly perAccount: number;
  /** Of one IPv4 address, or IPv6 /48 network. */
  readonly perNetwork: number;
}

/** Whose request it is. */
export interface Reader {
  readonly user: string;
  readonly address: string;
}

/** Responses with fewer characters count for nothing. */
const SMALL = 16_384;
const RETRY_MS = 1000;
const UNREAD: Failure = fail("busy", "Read the earlier responses first", RETRY_MS);

/** See the head of this file. */
export class UnreadResponses {
  readonly #limits: UnreadLimits;
  readonly #whenOver: (request: Request, done: () => void) => void;
  readonly #accounts = new Map<string, number>();
  readonly #networks = new Map<string, number>();

  /** `whenOver` calls back once the response to a request has been sent, or cannot be. */
  constructor(limits: UnreadLimits, whenOver: (request: Request, done: () => void) => void) {
    this.#limits = limits;
    this.#whenOver = whenOver;
  }

  /** A refusal where the client is to read what it has asked for before. */
  refusal({ user, address }: Reader): Failure | null {
    const { perAccount, perNetwork } = this.#limits;
    const own = this.#accounts.get(user) ?? 0;
    const around = this.#networks.get(customerKey(address)) ?? 0;
    return own > perAccount || around > perNetwork ? UNREAD : null;
  }

  /** Counts a response of so many characters until it is over; or refuses it. */
  count(request: Request, reader: Reader, chars: number): Failure | null {
    if (chars < SMALL) return null;
    const refusal = this.refusal(reader);
    if (refusal !== null) return refusal;
    const network = customerKey(reader.address);
    add(this.#accounts, reader.user, chars);
    add(this.#networks, network, chars);
    this.#whenOver(request, () => {
      add(this.#accounts, reader.user, -chars);
      add(this.#networks, network, -chars);
    });
    return null;
  }
}

function add(counts: Map<string, number>, key: string, chars: number): void {
  const sum = (counts.get(key) ?? 0) + chars;
  if (sum === 0) counts.delete(key);
  else counts.set(key, sum);
}
