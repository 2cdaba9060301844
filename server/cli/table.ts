/** Tables of the command line. */
import { visible, visibleJson } from "../text/visible.ts";

/** How the cells of a column are aligned. */
type Align = "left" | "right";

/** Lines of cells, each column as wide as its widest; control characters in cells are escaped. */
export function tableOf(
  head: readonly string[],
  cells: readonly (readonly string[])[],
  align: Align = "left",
): string {
  const rows = cells.map((row) => row.map(visible));
  const widths = head.map((title, i) =>
    Math.max(title.length, ...rows.map((row) => row[i]!.length))
  );
  const lines = [head, ...rows].map((row) =>
    row.map((text, i) => align === "left" ? text.padEnd(widths[i]!) : text.padStart(widths[i]!))
      .join("  ")
  );
  return lines.map((line) => line.trimEnd() + "\n").join("");
}

/** A listing: one JSON array on a line, or a table with a row for each item. */
export function listed<T>(
  json: boolean,
  items: readonly T[],
  head: readonly string[],
  rowOf: (item: T) => readonly string[],
  align: Align = "left",
): string {
  return json ? `${visibleJson(items)}\n` : tableOf(head, items.map(rowOf), align);
}
