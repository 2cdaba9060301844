/** Names of the load tool's users: nobody else gets one, so that a count of users can leave them out. */

/** What every name begins with that is kept for the load tool. */
export const RESERVED_PREFIX = "roost.";

/** Why nobody else gets such a name: a clause, as those of `checkName`. */
export const RESERVED_REASON: string =
  `names that begin with "${RESERVED_PREFIX}" are reserved for the ` +
  "synthetic users of roost load";

/** Whether a normalised name is kept for the load tool. */
export function isReserved(name: string): boolean {
  return name.startsWith(RESERVED_PREFIX);
}

/** Whether a name is one that the load tool makes under the reserved prefix: no real user's. */
export function isSynthetic(name: string): boolean {
  return isReserved(name) && /\.[0-9]{6}$/.test(name);
}
