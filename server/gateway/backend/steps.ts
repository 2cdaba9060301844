/**
 * What is done to one account for a service that manages accounts, as it is asked of the account's
 * home: of this cell or of another one, where it arrives as JSON. Each step may be done again.
 */
import { z } from "zod";
import { parseName } from "../../../shard/name/name.ts";
import type { AccountName } from "../../../shard/name/ids.ts";
import type { Result } from "../../../shard/errors.ts";

const name = z.string().refine((text) => parseName(text) === text).transform((text) =>
  text as AccountName
);
const device = z.string().regex(/^[\x21-\x7e]{1,64}$/);
const label = z.string().max(1000);

/** Every step, by its name: the input besides the account. */
export const STEPS = {
  /** Whether the account can be managed. */
  look: z.object({}),
  /** Makes the account where the name is free; a password it has not. */
  create: z.object({}),
  /** Makes a token for a device; null: a new one. */
  token: z.object({
    device: device.nullable(),
    label,
    lifetimeMs: z.int().min(1).nullable(),
    create: z.boolean(),
  }),
  /** Its contacts. */
  roster: z.object({}),
  /** A contact may see the account from now on, or as soon as it asks. */
  approve: z.object({ contact: name }),
  /** Asks to see a contact. */
  subscribe: z.object({ contact: name }),
  /** Names a contact and puts it into groups. */
  label: z.object({ contact: name, label, groups: z.array(label).max(100) }),
  /** Removes a contact. */
  forget: z.object({ contact: name }),
  /** Sends a message. */
  send: z.object({
    to: name,
    device,
    key: z.string().max(64),
    body: z.string().max(1_000_000),
    ext: z.string().max(1_000_000),
  }),
  /** Ends a device; null: all of them. */
  signOut: z.object({ device: device.nullable() }),
  /** Deletes the account. */
  remove: z.object({}),
} as const;

/** Name of a step. */
export type StepName = keyof typeof STEPS;
/** The input of a step. */
export type StepInput<K extends StepName> = z.output<typeof STEPS[K]>;

/** A contact of an account. */
export interface ManagedContact {
  readonly contact: AccountName;
  readonly label: string;
  readonly groups: readonly string[];
  /** Both see each other, as far as the account knows. */
  readonly both: boolean;
}

/** What steps return. */
export interface StepOutput {
  readonly look: null;
  readonly create: { readonly created: boolean };
  readonly token: {
    readonly device: string;
    readonly token: string;
    readonly expiresAt: number;
    readonly created: boolean;
  };
  readonly roster: readonly ManagedContact[];
  readonly approve: null;
  readonly subscribe: null;
  readonly label: null;
  readonly forget: { readonly removed: boolean };
  readonly send: {
    readonly seq: number;
    readonly num: number;
    readonly at: number;
    readonly waits?: true;
  };
  readonly signOut: { readonly devices: number };
  readonly remove: { readonly removed: boolean };
}

/** A step of a service for an account. */
export interface Step<K extends StepName = StepName> {
  readonly service: string;
  readonly user: AccountName;
  readonly step: K;
  readonly input: StepInput<K>;
}

/** Called once with what a step returns. */
export type StepDone<K extends StepName> = (result: Result<StepOutput[K]>) => void;

const STEP_NAMES = Object.keys(STEPS) as [StepName, ...StepName[]];

const STEP = z.object({
  service: z.string().max(64),
  user: name,
  step: z.enum(STEP_NAMES),
  input: z.unknown(),
});

/** Reads a step of another cell; null where it is none that this program knows. */
export function readStep(text: string): Step | null {
  try {
    const step = STEP.parse(JSON.parse(text));
    const input = STEPS[step.step].parse(step.input) as StepInput<StepName>;
    return { ...step, input };
  } catch {
    return null;
  }
}

const FAILURE = z.object({
  ok: z.literal(false),
  code: z.string(),
  message: z.string(),
  retryAfterMs: z.number().optional(),
  cell: z.string().optional(),
});

/** Reads the reply of another cell; null where it is none. */
export function readReply<K extends StepName>(text: string): Result<StepOutput[K]> | null {
  try {
    const reply = JSON.parse(text);
    // Of a cell of the same operator: the value is taken as it is.
    if (reply.ok === true && "value" in reply) return reply;
    return FAILURE.parse(reply) as Result<StepOutput[K]>;
  } catch {
    return null;
  }
}
