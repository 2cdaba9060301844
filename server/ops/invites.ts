/**
 * The invites there are. Each is kept under the hash of its code, by the shard that this hash leads
 * to; which there are is known from rows that the nodes of the cell share, for shards cannot be asked
 * for all.
 */
import type { AccountName } from "../../shard/name/ids.ts";
import type { InviteView as ShardInvite } from "../../shard/ops.ts";
import { fail, ok, type Result } from "../../shard/errors.ts";
import { inviteName, mintInvite } from "../auth/token.ts";
import { CellRows, type RowRegisters } from "../node/cell_rows.ts";
import type { Ports } from "../node/ports.ts";
import type { Router } from "../node/router.ts";

/** A new invite; the code is shown once and kept only as its hash. */
export interface Invite {
  readonly code: string;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
  /** Opens the chat's form with it; absent where the server's public address is not known. */
  readonly link?: string | undefined;
}

/** An invite in a list; nobody can tell its code any more. */
export interface InviteView {
  /** What it is revoked by. */
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly state: "open" | "used" | "expired" | "revoked";
  /** Who registered with it. */
  readonly usedBy: string | null;
}

/** What they take of a node's ports. */
type NodePorts = Pick<Ports, "clock" | "random"> & { readonly store: RowRegisters };
type Done<T> = (result: Result<T>) => void;
interface Kept {
  readonly createdAt: number;
  readonly expiresAt: number;
}

const PLACE = { name: "invites", prefix: ["meta", "invite"] } as const;
const NAME_PREFIX = "/invite/";
const ID = /^[A-Za-z0-9_-]{43}$/;
/** How long one is listed after its time (ms). */
const LISTED_MS = 30 * 86_400_000;
/** Most that are listed: the newest. */
const LISTED_MAX = 500;
/** Most that are deleted in one write. */
const DELETED_MAX = 500;
const UNREADABLE = fail("unavailable", "The store cannot be read now", 1000);

/** See the head of this file. */
export class Invites {
  readonly #ports: NodePorts;
  readonly #router: Pick<Router, "request">;
  readonly #validMs: number;
  readonly #rows: CellRows<Kept>;

  /** `validMs`: how long an invite is valid. */
  constructor(ports: NodePorts, router: Pick<Router, "request">, validMs: number) {
    this.#ports = ports;
    this.#router = router;
    this.#validMs = validMs;
    this.#rows = new CellRows(ports.store, ports.random, PLACE);
  }

  /** Makes a single-use invite. It counts even where its row could not be written. */
  create(done: Done<Invite>): void {
    const { random, clock } = this.#ports;
    const code = mintInvite(random);
    const name = inviteName(code)!;
    const createdAt = clock.wallMs();
    const expiresAt = createdAt + this.#validMs;
    this.#router.request(name, "invite.create", { expiresAt }, (result) => {
      if (!result.ok) return done(result);
      const row = new Map([[name.slice(NAME_PREFIX.length), { createdAt, expiresAt }]]);
      this.#rows.update(() => row, () => done(ok({ code, expiresAt })));
    });
  }

  /** Those that are open, and others for a month after their time; the newest first. */
  list(done: Done<readonly InviteView[]>): void {
    const { clock } = this.#ports;
    this.#rows.load((error, rows) => {
      if (error !== null) return done(UNREADABLE);
      const all = [...rows].map(([id, kept]) => ({ id, ...kept }));
      const late = all.filter(({ expiresAt }) => expiresAt + LISTED_MS < clock.wallMs());
      if (late.length > 0) {
        const gone = new Map(late.slice(0, DELETED_MAX).map(({ id }) => [id, null]));
        // Where that fails the next list tries again.
        this.#rows.update(() => gone, () => {});
      }
      const listed = all.filter((invite) => !late.includes(invite))
        .sort((a, b) => b.createdAt - a.createdAt).slice(0, LISTED_MAX);
      this.#look(listed, done);
    });
  }

  #look(invites: readonly ({ readonly id: string } & Kept)[], done: Done<readonly InviteView[]>) {
    const { clock } = this.#ports;
    const views = new Map<string, InviteView>();
    let left = invites.length;
    const finish = () => done(ok(invites.flatMap(({ id }) => views.get(id) ?? [])));
    if (left === 0) return finish();
    for (const { id, createdAt } of invites) {
      this.#router.request(nameOf(id), "invite.info", {}, (result) => {
        if (result.ok) views.set(id, viewOf(id, createdAt, result.value, clock.wallMs()));
        if (--left === 0) finish();
      });
    }
  }

  /** `not_found` for what is no invite, `conflict` for one that was used. */
  revoke(id: string, done: Done<null>): void {
    if (!ID.test(id)) return done(fail("not_found", "There is no such invite"));
    this.#router.request(nameOf(id), "invite.revoke", {}, done);
  }
}

function nameOf(id: string): AccountName {
  return `${NAME_PREFIX}${id}` as AccountName;
}

function viewOf(id: string, createdAt: number, invite: ShardInvite, nowMs: number): InviteView {
  const { expiresAt, usedBy, revoked } = invite;
  const state = revoked
    ? "revoked"
    : usedBy !== null
    ? "used"
    : expiresAt <= nowMs
    ? "expired"
    : "open";
  return { id, createdAt, expiresAt, state, usedBy };
}
