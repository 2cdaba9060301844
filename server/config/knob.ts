/** One setting: how its value is read, checked, written and explained. */
import { z } from "zod";

/** A setting whose checked value is a `T`. */
export interface Knob<T> {
  /** As it would stand in the file; passes `schema`. */
  readonly default: unknown;
  /** Unit of the number, "" where it has none. */
  readonly unit: string;
  /** What a value must be, to follow "it must be". */
  readonly wants: string;
  /** One sentence on what it does. */
  readonly doc: string;
  /** Checks a raw value of the file, or what `parse` made of a text. */
  readonly schema: z.ZodType<T>;
  /** Turns the text of a flag or an environment variable into a raw value. */
  readonly parse: (text: string) => unknown;
  /** It names files: relative to the settings file that names them, or to where a flag was given. */
  readonly path?: true;
  /**
   * Where a value may hold a secret: the value without it, for people to see. A flag with a secret
   * is refused, because every user of the machine can read it.
   */
  readonly shown?: (raw: unknown) => unknown;
  /** A further environment variable, besides that of its name. */
  readonly env?: string;
}

/** A whole number from `min` to `max`. */
export function int(
  options: {
    readonly default: number;
    readonly min: number;
    readonly max: number;
    readonly unit: string;
    readonly doc: string;
  },
): Knob<number> {
  const { min, max, unit } = options;
  return {
    ...options,
    wants: `a whole number${unit === "" ? "" : ` (${unit})`} from ${min} to ${max}`,
    schema: z.number().int().min(min).max(max),
    parse: (text) => /^-?[0-9][0-9_]*$/.test(text) ? Number(text.replaceAll("_", "")) : text,
  };
}

/** Whole numbers from `min` to `max`; commas separate them in flags and the environment. */
export function ints(
  options: {
    readonly min: number;
    readonly max: number;
    readonly unit: string;
    readonly doc: string;
  },
): Knob<readonly number[]> {
  const one = int({ ...options, default: options.min });
  return {
    unit: options.unit,
    doc: options.doc,
    default: [],
    wants: `whole numbers (${options.unit}) from ${options.min} to ${options.max}`,
    schema: z.array(one.schema),
    parse: (text) => splitList(text).map(one.parse),
  };
}

/** A yes or no. */
export function bool(options: { readonly default: boolean; readonly doc: string }): Knob<boolean> {
  return {
    ...options,
    unit: "",
    wants: "true or false",
    schema: z.boolean(),
    parse: (text) => text === "true" ? true : text === "false" ? false : text,
  };
}

/** One of a few words. */
export function choice<const T extends readonly [string, ...string[]]>(
  options: { readonly default: T[number]; readonly of: T; readonly doc: string },
): Knob<T[number]> {
  return {
    default: options.default,
    doc: options.doc,
    unit: "",
    wants: `one of ${options.of.join(", ")}`,
    schema: z.enum(options.of),
    parse: (text) => text,
  };
}

/** A text that `read` turns into a value, or null where it cannot. */
export function text<T>(
  options: {
    readonly default: string;
    readonly wants: string;
    readonly doc: string;
    readonly read: (text: string) => T | null;
  },
): Knob<T> {
  const { read, ...rest } = options;
  return { ...rest, unit: "", schema: textSchema(read), parse: (text) => text };
}

/** Like `text`, where "" (the default) stands for none. */
export function optional<T>(
  options: {
    readonly wants: string;
    readonly doc: string;
    readonly read: (text: string) => T | null;
  },
): Knob<T | null> {
  const { read, ...rest } = options;
  const schema = z.union([z.literal("").transform(() => null), textSchema(read)]);
  return { ...rest, default: "", unit: "", schema, parse: (text) => text };
}

/** A list of texts, each read by `read`; commas separate them in flags and the environment. */
export function list<T>(
  options: {
    readonly wants: string;
    readonly doc: string;
    readonly read: (text: string) => T | null;
  },
): Knob<readonly T[]> {
  const { read, ...rest } = options;
  return {
    ...rest,
    default: [],
    unit: "",
    schema: z.array(textSchema(read)),
    parse: splitList,
  };
}

const nonEmpty = (text: string) => text === "" ? null : text;

/** The path of a file, or none (the default). */
export function optionalPath(options: { readonly doc: string }): Knob<string | null> {
  return { ...optional({ ...options, wants: "the path of a file", read: nonEmpty }), path: true };
}

/** Paths of files; commas separate them in flags and the environment. */
export function paths(options: { readonly doc: string }): Knob<readonly string[]> {
  return { ...list({ ...options, wants: "paths of files", read: nonEmpty }), path: true };
}

function splitList(text: string): string[] {
  return text.split(",").map((part) => part.trim()).filter((part) => part !== "");
}

function textSchema<T>(read: (text: string) => T | null): z.ZodType<T> {
  return z.string().transform((text, context) => {
    const value = read(text);
    if (value !== null) return value;
    context.addIssue({ code: "custom", message: "unreadable" });
    return z.NEVER;
  });
}
