/** Tables of the command line. */

/** Lines of cells, each column as wide as its widest. */
export function tableOf(
  head: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const widths = head.map((title, i) =>
    Math.max(title.length, ...rows.map((row) => row[i]!.length))
  );
  const lines = [head, ...rows].map((row) =>
    row.map((text, i) => text.padEnd(widths[i]!)).join("  ")
  );
  return lines.map((line) => line.trimEnd() + "\n").join("");
}
