/**
 * Reserved names: those of the load tool's users, so that a count of users can leave them out, and
 * those of services, so that nobody can pass for one.
 */

/** What every name begins with that is kept for the load tool. */
export const RESERVED_PREFIX = "roost.";

/** Why nobody else gets such a name: a clause, as those of `checkName`. */
export const RESERVED_REASON: string =
  `names that begin with "${RESERVED_PREFIX}" are reserved for the ` +
  "synthetic users of roost load";

/** What the account names of services begin with. */
export const SERVICE_PREFIX = "service.";

/** Why a normalised name is nobody's to choose, as a clause; null where it is free. */
export function reservedReason(name: string): string | null {
  if (isReserved(name)) return RESERVED_REASON;
  if (!name.startsWith(SERVICE_PREFIX)) return null;
  return `names that begin with "${SERVICE_PREFIX}" are reserved for services (roost service add)`;
}

/** Whether a normalised name is kept for the load tool. */
export function isReserved(name: string): boolean {
  return name.startsWith(RESERVED_PREFIX);
}

/** Whether a name is one that the load tool makes under the reserved prefix: no real user's. */
export function isSynthetic(name: string): boolean {
  return isReserved(name) && /\.[0-9]{6}$/.test(name);
}
