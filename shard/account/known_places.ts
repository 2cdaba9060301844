/**
 * The places that an account has signed in from with its password. A place is a number of 48 bits
 * that the sign-in makes of the account and the client's network, so that no address is stored.
 */

/** A place and when the account last signed in from it, within `KNOWN_PLACE_STEP_MS` (ms). */
export interface KnownPlace {
  readonly place: number;
  readonly at: number;
}

/** Places that one account keeps; a new one replaces the one unused for the longest time. */
export const KNOWN_PLACES_MAX = 8;
/** How exactly it is noted when a place was used (ms): at most one change a day for each place. */
export const KNOWN_PLACE_STEP_MS = 86_400_000;

/** Whether the account has signed in from the place. */
export function knowsPlace(known: readonly KnownPlace[], place: number): boolean {
  return known.some((k) => k.place === place);
}

/** Whether a sign-in from the place at `now` (ms) has to be noted. */
export function isNewsOfPlace(known: readonly KnownPlace[], place: number, now: number): boolean {
  return !known.some((k) => k.place === place && now - k.at < KNOWN_PLACE_STEP_MS);
}

/** The places after a sign-in from `place` at `at` (ms): the last used one is the last. */
export function withPlace(
  known: readonly KnownPlace[],
  place: number,
  at: number,
): readonly KnownPlace[] {
  const others = known.filter((k) => k.place !== place);
  return [...others.slice(Math.max(0, others.length + 1 - KNOWN_PLACES_MAX)), { place, at }];
}
