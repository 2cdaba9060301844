/** The settings in effect, for people and programs. */
import { type EffectiveSetting, envName } from "./config.ts";

/** A value as TOML: what JSON writes of these types is TOML too, but for U+007F. */
function toToml(value: unknown): string {
  return JSON.stringify(value).replaceAll("\x7f", "\\u007f");
}

/**
 * A TOML file that sets everything as it is now, each setting with its meaning, its bounds, its
 * environment variable and where its value came from. Reading it gives the same configuration.
 */
export function showText(dataDir: string, effective: readonly EffectiveSetting[]): string {
  const lines = [
    "# Every setting in effect. This is a valid roost.toml, and leaving out what you do not change",
    "# is better. Flags win over ROOST_… environment variables, those over the file.",
    `# Data directory (--data, ROOST_DATA): ${dataDir}`,
  ];
  let group = "";
  for (const { key, value, source, knob } of effective) {
    const [head, name] = key.split(".") as [string, string];
    if (head !== group) lines.push("", `[${head}]`);
    group = head;
    lines.push("", `# ${knob.doc}`);
    const initial = knob.default === value ? "" : `, by default ${toToml(knob.default)}`;
    lines.push(`# Value: ${knob.wants}${initial}; ${envName(key)}.`);
    lines.push(`${name} = ${toToml(value)}  # ${source}`);
  }
  return lines.join("\n") + "\n";
}

/** The same as JSON: `{dataDir, settings: {key: {value, source, default, unit, wants, doc, env}}}`. */
export function showJson(dataDir: string, effective: readonly EffectiveSetting[]): string {
  const settings = Object.fromEntries(effective.map(({ key, value, source, knob }) => [key, {
    value,
    source,
    default: knob.default,
    unit: knob.unit,
    wants: knob.wants,
    doc: knob.doc,
    env: envName(key),
  }]));
  return JSON.stringify({ dataDir, settings }, null, 2) + "\n";
}
