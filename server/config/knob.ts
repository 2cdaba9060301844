/**
 * One setting: a Zod schema that has its default, with metadata. All else derives from the two: how
 * text is read, what an error says, and what `roost config show` prints.
 */
import { z } from "zod";

/** What a schema does not say about its setting. */
interface Meta {
  /** Unit of the number; "" or absent where it has none. */
  readonly unit?: string;
  /** One sentence on what it does. */
  readonly doc: string;
  /** What a text must be, to follow "it must be"; absent where the schema says it. */
  readonly wants?: string;
  /** It names files: relative to the settings file that names them, or to where a flag was given. */
  readonly path?: true;
  /** The same for these fields of each table. */
  readonly pathFields?: readonly string[];
  /**
   * Where a value may hold a secret: the value without it, for people to see. A flag with a secret
   * is refused, because every user of the machine can read it.
   */
  readonly shown?: (raw: unknown) => unknown;
  /** A further environment variable, besides that of its name. */
  readonly env?: string;
}

const META = z.registry<Meta>();

/** A setting as others see it. */
export interface Knob {
  /** As it would stand in the file; passes the schema. */
  readonly default: unknown;
  /** Unit of the number, "" where it has none. */
  readonly unit: string;
  /** What a value must be, to follow "it must be". */
  readonly wants: string;
  /** One sentence on what it does. */
  readonly doc: string;
  /** Turns the text of a flag or an environment variable into a raw value for the schema. */
  readonly parse: (text: string) => unknown;
  readonly path?: true;
  readonly pathFields?: readonly string[];
  readonly shown?: (raw: unknown) => unknown;
  readonly env?: string;
}

/** Gives a schema its metadata. */
function described<S extends z.ZodType>(schema: S, meta: Meta): S {
  META.add(schema, meta);
  return schema;
}

/** The settings of one group, by name. */
export function group<S extends z.ZodRawShape>(settings: S): z.ZodReadonly<z.ZodObject<S>> {
  return z.object(settings).readonly();
}

/** Options of a setting that is a text. */
interface TextOptions<T> extends Omit<Meta, "unit"> {
  readonly wants: string;
  /** Turns the text into a value, or null where it cannot. */
  readonly read: (text: string) => T | null;
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
) {
  const { min, max, default: initial, unit, doc } = options;
  return described(whole(min, max).prefault(initial), { unit, doc });
}

/** Whole numbers from `min` to `max`; commas separate them in flags and the environment. */
export function ints(
  options: {
    readonly min: number;
    readonly max: number;
    readonly unit: string;
    readonly doc: string;
  },
) {
  const { min, max, unit, doc } = options;
  return described(z.array(whole(min, max)).readonly().prefault([]), { unit, doc });
}

function whole(min: number, max: number) {
  return z.number().int().min(min).max(max);
}

/** A yes or no. */
export function bool(options: { readonly default: boolean; readonly doc: string }) {
  return described(z.boolean().prefault(options.default), { doc: options.doc });
}

/** One of a few words. */
export function choice<const T extends readonly [string, ...string[]]>(
  options: { readonly default: T[number]; readonly of: T; readonly doc: string },
) {
  const { default: initial, of, doc } = options;
  return described(z.enum(of).prefault(initial as z.util.ToEnum<T[number]>[T[number]]), { doc });
}

/** A text that `read` turns into a value. */
export function text<T>(options: TextOptions<T> & { readonly default: string }) {
  const { read, default: initial, ...meta } = options;
  return described(textSchema(read).prefault(initial), meta);
}

/** Like `text`, where "" (the default) stands for none. */
export function optional<T>(options: TextOptions<T>) {
  const { read, ...meta } = options;
  const none = z.literal("").transform(() => null);
  return described(z.union([none, textSchema(read)]).prefault(""), meta);
}

/** A list of texts, each read by `read`; commas separate them in flags and the environment. */
export function list<T>(options: TextOptions<T>) {
  const { read, ...meta } = options;
  return described(z.array(textSchema(read)).readonly().prefault([]), meta);
}

/** A list of tables, each read by `schema`; flags and the environment give it as JSON. */
export function tables<S extends z.ZodObject>(
  options: {
    readonly schema: S;
    readonly wants: string;
    readonly doc: string;
    readonly pathFields: readonly string[];
  },
) {
  const { schema, ...meta } = options;
  return described(z.array(schema).readonly().prefault([]), meta);
}

const nonEmpty = (text: string) => text === "" ? null : text;

/** The path of a file, or none (the default). */
export function optionalPath(options: { readonly doc: string }) {
  return optional({ ...options, wants: "the path of a file", read: nonEmpty, path: true });
}

/** Paths of files; commas separate them in flags and the environment. */
export function paths(options: { readonly doc: string }) {
  return list({ ...options, wants: "paths of files", read: nonEmpty, path: true });
}

/** A file may have a number without quotes where a text that is one is wanted. */
function textSchema<T>(read: (text: string) => T | null) {
  return z.string().or(z.number().transform(String)).transform((text, context): T => {
    const value = read(text);
    if (value !== null) return value;
    context.addIssue({ code: "custom", message: "unreadable" });
    return z.NEVER;
  });
}

/** The setting of a schema that a function of this file made. */
export function knobOf(schema: z.ZodType): Knob {
  const meta = META.get(schema);
  if (meta === undefined || !(schema instanceof z.ZodPrefault)) {
    throw new Error("A setting was made without the functions of knob.ts");
  }
  const { unit = "", ...rest } = meta;
  const core = coreOf(schema);
  return {
    ...rest,
    unit,
    default: schema.def.defaultValue,
    wants: meta.wants ?? wantsOf(core, unit),
    parse: (text) => parseText(core, text),
  };
}

function coreOf(schema: unknown): unknown {
  const wrapped = schema instanceof z.ZodPrefault || schema instanceof z.ZodReadonly;
  return wrapped ? coreOf(schema.unwrap()) : schema;
}

function wantsOf(schema: unknown, unit: string): string {
  const of = unit === "" ? "" : ` (${unit})`;
  if (schema instanceof z.ZodNumber) {
    return `a whole number${of} from ${schema.minValue} to ${schema.maxValue}`;
  }
  if (schema instanceof z.ZodArray && schema.element instanceof z.ZodNumber) {
    return `whole numbers${of} from ${schema.element.minValue} to ${schema.element.maxValue}`;
  }
  if (schema instanceof z.ZodBoolean) return "true or false";
  if (schema instanceof z.ZodEnum) return `one of ${schema.options.join(", ")}`;
  throw new Error("A setting that is a text needs wants");
}

/** What is no number or no yes or no stays a text, which the schema then refuses. */
function parseText(schema: unknown, text: string): unknown {
  if (schema instanceof z.ZodNumber) {
    return /^-?[0-9][0-9_]*$/.test(text) ? Number(text.replaceAll("_", "")) : text;
  }
  if (schema instanceof z.ZodBoolean) {
    return text === "true" ? true : text === "false" ? false : text;
  }
  if (schema instanceof z.ZodArray && schema.element instanceof z.ZodObject) {
    return parseTables(text);
  }
  if (schema instanceof z.ZodArray) {
    const parts = text.split(",").map((part) => part.trim()).filter((part) => part !== "");
    return parts.map((part) => parseText(schema.element, part));
  }
  return text;
}

/** What is no JSON stays a text, which the schema then refuses. */
function parseTables(text: string): unknown {
  if (text.trim() === "") return [];
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
