/**
 * Operators: people who use the admin API by a token of their own, within a role. They are one shared
 * value of the store, in memory as it was last read; each change is durable at once, and seen by every
 * node.
 */
import { encodeBase64Url } from "byte-encodings/base64url";
import { type Asks, question } from "../node/asks.ts";
import { cellJson, CellValue, type Registers } from "../node/cell_value.ts";
import { equalBytes, sha256 } from "../auth/hash.ts";
import { fail, type Failure, ok, type Result } from "../../shard/errors.ts";
import type { Clock, Random, StoreError } from "../node/ports.ts";
import type { Role } from "./roles.ts";

/** An operator as it is kept. */
export interface OperatorRecord {
  readonly name: string;
  readonly role: Role;
  /** SHA-256 of the token, base64url. */
  readonly tokenHash: string;
  /** Milliseconds since 1970; null where the token does not end by itself. */
  readonly expiresAt: number | null;
  readonly createdAt: number;
  readonly disabled: boolean;
}

/** An operator in a list. */
export interface OperatorView extends Omit<OperatorRecord, "tokenHash" | "disabled"> {
  readonly state: "active" | "disabled" | "expired";
}

/** What a change of an operator may change; what is absent stays. */
export interface OperatorChange {
  readonly role?: Role | undefined;
  readonly disabled?: boolean | undefined;
}

type Known = Readonly<Record<string, OperatorRecord>>;
type Done<T> = (result: Result<T>) => void;

/** What they need; `asks`: the nodes of the cell. */
export interface OperatorDeps {
  readonly clock: Pick<Clock, "wallMs">;
  readonly random: Random;
  readonly registers: Registers;
  readonly asks: Pick<Asks, "on" | "all">;
}

/** Operators have changed. */
const CHANGED = question<null, null>("operators.changed");
const OPERATORS_MAX = 100;
const NAME = /^[a-z0-9](?:[a-z0-9.-]{0,30}[a-z0-9])?$/;
const TOKEN = /^ro1_([a-z0-9.-]{1,32})_[A-Za-z0-9_-]{43}$/;
const TOKEN_RANDOM_BYTES = 32;
const NOT_NOW = fail("unavailable", "The store takes no changes now", 1000);
const utf8 = new TextEncoder();

function hashOf(token: string): string {
  return encodeBase64Url(sha256(utf8.encode(token)));
}

/** See the head of this file. */
export class Operators {
  readonly #deps: OperatorDeps;
  readonly #shared: CellValue<Known>;
  #known: Known = {};

  constructor(deps: OperatorDeps) {
    this.#deps = deps;
    const format = cellJson<Known>("operators", (done) => done(null, {}));
    this.#shared = new CellValue(deps.registers, format);
    this.#shared.onChange = (known) => this.#known = known;
    deps.asks.on(CHANGED, (_, done) =>
      this.#shared.load((error, known) => {
        if (error === null) this.#known = known;
        done(ok(null));
      }));
  }

  /** Reads them, and follows what other nodes change from now on; before that there are none. */
  load(done: (error: StoreError | null) => void): void {
    this.#shared.watch();
    this.#shared.load((error, known) => {
      if (error === null) this.#known = known;
      done(error);
    });
  }

  /** All of them by name. */
  list(): readonly OperatorView[] {
    return Object.values(this.#known).map((one) => this.#view(one)).sort((a, b) =>
      a.name < b.name ? -1 : 1
    );
  }

  /** Whose token it is; null where it is nobody's who may use it now. */
  authenticate(token: string): Pick<OperatorRecord, "name" | "role"> | null {
    const name = TOKEN.exec(token)?.[1];
    if (name === undefined || !Object.hasOwn(this.#known, name)) return null;
    const known = this.#known[name]!;
    const same = equalBytes(utf8.encode(hashOf(token)), utf8.encode(known.tokenHash));
    return same && this.#view(known).state === "active" ? known : null;
  }

  /** Makes an operator and a token, which is shown only here; `conflict` where the name is taken. */
  add(
    name: string,
    role: Role,
    expiresAt: number | null,
    done: Done<OperatorView & { readonly token: string }>,
  ): void {
    if (!NAME.test(name)) {
      const message = `${JSON.stringify(name)} is no name: 1 to 32 of a-z 0-9 . -`;
      return done(fail("bad_request", message));
    }
    const token = this.#mint(name);
    const createdAt = this.#deps.clock.wallMs();
    const made = { name, role, tokenHash: hashOf(token), expiresAt, createdAt, disabled: false };
    const refused = (known: Known) => {
      if (Object.hasOwn(known, name)) return fail("conflict", `The operator ${name} exists`);
      if (Object.keys(known).length < OPERATORS_MAX) return null;
      return fail("limit_reached", `There are ${OPERATORS_MAX} operators already`);
    };
    this.#change(refused, (known) => ({ ...known, [name]: made }), (result) => {
      done(result.ok ? ok({ ...this.#view(made), token }) : result);
    });
  }

  /** Changes the role, or whether the token may be used. */
  change(name: string, change: OperatorChange, done: Done<OperatorView>): void {
    const changed = (known: Known): OperatorRecord => {
      const { disabled, role } = known[name]!;
      return { ...known[name]!, role: change.role ?? role, disabled: change.disabled ?? disabled };
    };
    this.#changeOne(name, changed, done);
  }

  /** Gives an operator another token; the old one ends at once. */
  rotate(
    name: string,
    expiresAt: number | null,
    done: Done<OperatorView & { readonly token: string }>,
  ): void {
    const token = this.#mint(name);
    const changed = (known: Known): OperatorRecord => {
      return { ...known[name]!, tokenHash: hashOf(token), expiresAt };
    };
    this.#changeOne(name, changed, (result) => {
      done(result.ok ? ok({ ...result.value, token }) : result);
    });
  }

  /** Ends an operator, at all nodes. */
  remove(name: string, done: Done<null>): void {
    const without = ({ ...known }: Record<string, OperatorRecord>) => {
      delete known[name];
      return known;
    };
    this.#change(missing(name), without, (result) => done(result.ok ? ok(null) : result));
  }

  #mint(name: string): string {
    return `ro1_${name}_${encodeBase64Url(this.#deps.random.bytes(TOKEN_RANDOM_BYTES))}`;
  }

  #view({ disabled, tokenHash: _, ...told }: OperatorRecord): OperatorView {
    const over = told.expiresAt !== null && told.expiresAt <= this.#deps.clock.wallMs();
    return { ...told, state: disabled ? "disabled" : over ? "expired" : "active" };
  }

  #changeOne(name: string, of: (known: Known) => OperatorRecord, done: Done<OperatorView>): void {
    this.#change(missing(name), (known) => ({ ...known, [name]: of(known) }), (result) => {
      done(result.ok ? ok(this.#view(result.value[name]!)) : result);
    });
  }

  /** Makes a change durable, and has all nodes read it before it is replied to. */
  #change(
    refusalOf: (known: Known) => Failure | null,
    change: (known: Known) => Known,
    done: Done<Known>,
  ): void {
    let refusal: Failure | null = null;
    this.#shared.update(
      (known) => {
        refusal = refusalOf(known);
        return refusal === null ? change(known) : null;
      },
      (error, known) => {
        if (error !== null) return done(NOT_NOW);
        this.#known = known;
        if (refusal !== null) return done(refusal);
        this.#deps.asks.all(CHANGED, null, () => done(ok(known)));
      },
    );
  }
}

function missing(name: string): (known: Known) => Failure | null {
  return (known) =>
    Object.hasOwn(known, name)
      ? null
      : fail("not_found", `There is no operator ${JSON.stringify(name)}`);
}
