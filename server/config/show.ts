/** The settings in effect, for people and programs. */
import { visibleJson } from "../text/visible.ts";
import { type EffectiveSetting, envName } from "./config.ts";

/** One setting as it is shown; one process can send it to another. */
export interface ShownSetting {
  /** `group.name`. */
  readonly key: string;
  readonly value: unknown;
  readonly source: string;
  readonly default: unknown;
  readonly unit: string;
  readonly wants: string;
  readonly doc: string;
  /** Its environment variable. */
  readonly env: string;
}

/** Settings as they are shown, in the order of the documentation. */
export function shownSettings(effective: readonly EffectiveSetting[]): readonly ShownSetting[] {
  return effective.map(({ key, value, source, knob }) => ({
    key,
    value,
    source,
    default: knob.default,
    unit: knob.unit,
    wants: knob.wants,
    doc: knob.doc,
    env: envName(key),
  }));
}

/** Settings whose key or description contains the text, in any case. */
export function filterSettings(
  settings: readonly ShownSetting[],
  filter: string,
): readonly ShownSetting[] {
  const wanted = filter.toLowerCase();
  return settings.filter(({ key, doc }) => `${key}\n${doc}`.toLowerCase().includes(wanted));
}

/** A value as TOML: what JSON writes of most types is TOML too, once controls are escaped. */
function toToml(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(toToml).join(",")}]`;
  if (typeof value !== "object" || value === null) return visibleJson(value);
  const fields = Object.entries(value).map(([name, field]) => `${name} = ${toToml(field)}`);
  return `{ ${fields.join(", ")} }`;
}

/**
 * A TOML file that sets everything as it is now, each setting with its meaning, its bounds, its
 * environment variable and where its value came from. Reading it gives the same configuration.
 */
export function showText(dataDir: string, settings: readonly ShownSetting[]): string {
  const lines = [
    "# Every setting in effect. This is a valid roost.toml, and leaving out what you do not change",
    "# is better. Flags win over ROOST_… environment variables, those over the file.",
    `# Data directory (--data, ROOST_DATA): ${dataDir}`,
  ];
  let group = "";
  for (const { key, value, source, default: initial, wants, doc, env } of settings) {
    const [head, name] = key.split(".") as [string, string];
    if (head !== group) lines.push("", `[${head}]`);
    group = head;
    lines.push("", `# ${doc}`);
    const otherwise = initial === value ? "" : `, by default ${toToml(initial)}`;
    lines.push(`# Value: ${wants}${otherwise}; ${env}.`);
    lines.push(`${name} = ${toToml(value)}  # ${source}`);
  }
  return lines.join("\n") + "\n";
}

/**
 * The same as JSON: `{dataDir, settings: {key: {value, source, default, unit, wants, doc, env}}}`.
 */
export function showJson(dataDir: string, settings: readonly ShownSetting[]): string {
  const byKey = Object.fromEntries(settings.map(({ key, ...rest }) => [key, rest]));
  return JSON.stringify({ dataDir, settings: byKey }, null, 2) + "\n";
}
