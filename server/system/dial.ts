/**
 * Connects to a name with several addresses, as RFC 8305 (Happy Eyeballs) says: one after the other
 * in an order that alternates between IPv6 and IPv4, each a moment after the one before or at once
 * when that failed, and the first connection wins.
 */

/** Addresses of one name that are tried. A name with more is not a receiver's. */
export const ADDRESSES_MAX = 16;
/** Between the begin of one connection and of the next (ms): RFC 8305 section 5. */
const STAGGER_MS = 250;

/** An address that a name leads to. */
export interface Resolved {
  readonly address: string;
  readonly family: number;
}

/**
 * Returns the addresses in the order in which they are tried, each once and at most
 * `ADDRESSES_MAX`: the family of the first one begins, and families alternate while both are left.
 */
export function dialOrder(found: readonly Resolved[]): readonly string[] {
  const first = found[0]?.family;
  const preferred = found.filter(({ family }) => family === first);
  const others = found.filter(({ family }) => family !== first);
  const longest = Math.max(preferred.length, others.length);
  const ordered = Array.from({ length: longest }, (_, i) => [preferred[i], others[i]])
    .flat().flatMap((each) => each === undefined ? [] : [each.address]);
  return [...new Set(ordered)].slice(0, ADDRESSES_MAX);
}

/** A connection, and the address it leads to. */
export interface Dialled<T> {
  readonly address: string;
  readonly conn: T;
}

/**
 * Connects to the first of the addresses that takes it. `connect` opens a connection, `drop` closes
 * one that came too late. Rejects with the first failure when all have failed, and never connects
 * anywhere again after `signal` is aborted.
 */
export function dialFirst<T>(
  addresses: readonly string[],
  connect: (address: string) => Promise<T>,
  drop: (conn: T) => void,
  signal: AbortSignal,
): Promise<Dialled<T>> {
  return new Promise((resolve, reject) => {
    let [next, open, over] = [0, 0, false];
    let timer: ReturnType<typeof setTimeout> | undefined;
    const failures: unknown[] = [];
    const end = () => {
      over = true;
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
    };
    const abort = () => {
      end();
      reject(signal.reason);
    };
    const begin = () => {
      clearTimeout(timer);
      if (next === addresses.length) return;
      const address = addresses[next++]!;
      open++;
      timer = setTimeout(begin, STAGGER_MS);
      connect(address).then((conn) => {
        open--;
        if (over) return drop(conn);
        end();
        resolve({ address, conn });
      }, (error) => {
        open--;
        failures.push(error);
        if (over) return;
        if (next < addresses.length) return begin();
        if (open > 0) return;
        end();
        reject(failures[0]);
      });
    };
    signal.addEventListener("abort", abort);
    if (signal.aborted) abort();
    else if (addresses.length === 0) reject(new Error("There is no address to connect to"));
    else begin();
  });
}
