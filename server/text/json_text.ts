/** JSON objects built once as text, from values and from parts that are text already. */

/** Fields by name, each with its value as JSON text. */
export type JsonFields = Readonly<Record<string, string>>;

/** Returns each value as JSON text, without those that are undefined. */
export function jsonFields(values: Readonly<Record<string, unknown>>): JsonFields {
  const given = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given.map(([name, value]) => [name, JSON.stringify(value)]));
}

/** Returns the text of an object with the fields, in their order. */
export function objectText(fields: JsonFields): string {
  const members = Object.entries(fields).map(([name, text]) => `${JSON.stringify(name)}:${text}`);
  return `{${members.join()}}`;
}
