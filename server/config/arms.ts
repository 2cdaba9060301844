/** Arms of experiments: names with percentages. */

/** Percentages by arm; they make 100. */
export type Arms = Readonly<Record<string, number>>;

/**
 * Reads `control=50,short=50` where all names are known and the sum is 100, else null. They come in
 * the order in which they are known: who is in which arm must not depend on how it was written.
 */
export function parseArms(text: string, known: readonly string[]): Arms | null {
  const arms: Record<string, number> = {};
  for (const part of text.split(",")) {
    const m = /^\s*([a-z][a-z0-9-]*)\s*=\s*([0-9]{1,3})\s*$/.exec(part);
    if (m === null || !known.includes(m[1]!) || m[1]! in arms) return null;
    arms[m[1]!] = Number(m[2]);
  }
  if (Object.values(arms).reduce((sum, percent) => sum + percent, 0) !== 100) return null;
  return Object.fromEntries(
    known.flatMap((name) => arms[name] === undefined ? [] : [[name, arms[name]]]),
  );
}

/** The inverse of `parseArms`. */
export function formatArms(arms: Arms): string {
  return Object.entries(arms).map(([name, percent]) => `${name}=${percent}`).join(",");
}
