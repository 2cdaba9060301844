/** Text of users on terminals and in logs: nothing in it can move a cursor or reorder a line. */

/**
 * C0 and C1 controls, line and paragraph separators, and the marks that change direction
 * (Unicode Bidi_Control).
 */
const UNSEEN =
  // deno-lint-ignore no-control-regex
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

function escape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** The text with every control character as `\u001b`. */
export function visible(text: string): string {
  return text.replace(UNSEEN, escape);
}

/** The same for several lines: line feeds stay. */
export function visibleLines(text: string): string {
  return text.split("\n").map(visible).join("\n");
}

/** A value as JSON on one line; the controls that JSON allows in strings are escaped too. */
export function visibleJson(value: unknown): string {
  return visible(JSON.stringify(value));
}
