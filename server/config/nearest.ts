/** What somebody who mistyped a key probably meant. */

/** Levenshtein distance where swapping two neighbours costs one (optimal string alignment). */
export function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(
        rows[i - 1]![j]! + 1,
        row[j - 1]! + 1,
        rows[i - 1]![j - 1]! + (same ? 0 : 1),
      );
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, rows[i - 2]![j - 2]! + 1);
      }
      row.push(cost);
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}

/**
 * The candidate nearest to `word`, or null where none is near: at most a third of its letters (one
 * of a short word) differ. Letter case does not count, and the last part of a dotted candidate matches too.
 */
export function nearest(word: string, candidates: Iterable<string>): string | null {
  const wanted = word.toLowerCase();
  const last = wanted.slice(wanted.lastIndexOf(".") + 1);
  let best: string | null = null;
  let bestDistance = Infinity;
  for (const candidate of candidates) {
    const whole = candidate.toLowerCase();
    const tail = whole.slice(whole.lastIndexOf(".") + 1);
    // The same name in another group is a likely mistake, but not as likely as a typing error.
    const distance = Math.min(editDistance(wanted, whole), editDistance(last, tail) + 0.5);
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best !== null && bestDistance <= Math.max(1.5, last.length / 3) ? best : null;
}
