/** Which settings a server takes while it runs, and what becomes of those that it does not. Pure. */
import type { Config } from "./config.ts";
import type { ShownSetting } from "./show.ts";

/** Settings of which every part reads the latest value. All others need a restart. */
const CHANGEABLE = /^(server\.(tlsCert|tlsKey|hstsDays|allowedOrigins)|jwt\.\w+|log\.level)$/;

/** Settings that go together: what cannot be used of one part leaves the others. */
const PARTS = { tls: /^server\.tls/, jwt: /^jwt\./ } as const;

/** A part of the configuration whose files are read with it. */
export type ReloadPart = keyof typeof PARTS;

/** A configuration, and how it is shown. */
export interface InEffect {
  readonly config: Config;
  readonly settings: readonly ShownSetting[];
}

/** What a running server makes of a configuration that was read again. */
export interface MergedConfig extends InEffect {
  /** Keys of settings that it takes. */
  readonly changed: readonly string[];
  /** Keys of settings that it would take at its next start. */
  readonly restart: readonly string[];
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** Whether a part is on: what turns it on or off changes more than its own settings. */
function isOn(part: ReloadPart, { jwt, server }: Config): boolean {
  return part === "tls" ? server.tlsCert !== null : jwt.issuer !== null;
}

/** Whether a running server can take a change of this setting. */
function changes(key: string, old: Config, next: Config, except: readonly ReloadPart[]): boolean {
  if (!CHANGEABLE.test(key)) return false;
  const part = (Object.keys(PARTS) as ReloadPart[]).find((name) => PARTS[name].test(key));
  if (part === undefined) return true;
  return !except.includes(part) && isOn(part, old) === isOn(part, next);
}

type Groups = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/**
 * The configuration in effect with what can change taken from the next one, but for the parts in
 * `except`.
 */
export function mergeReload(
  old: InEffect,
  next: InEffect,
  except: readonly ReloadPart[] = [],
): MergedConfig {
  const groups: Record<string, Record<string, unknown>> = {};
  const changed: string[] = [];
  const restart: string[] = [];
  const before = new Map(old.settings.map((setting) => [setting.key, setting]));
  const settings = next.settings.map((setting) => {
    const { key } = setting;
    const own = before.get(key);
    if (own === undefined || isSame(own.value, setting.value)) return setting;
    if (!changes(key, old.config, next.config, except)) {
      restart.push(key);
      return own;
    }
    changed.push(key);
    const [group, name] = key.split(".") as [string, string];
    (groups[group] ??= { ...(old.config as unknown as Groups)[group] })[name] =
      (next.config as unknown as Groups)[group]![name];
    return setting;
  });
  return { config: { ...old.config, ...groups } as Config, settings, changed, restart };
}
