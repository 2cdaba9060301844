/** Accounts in memory behind the admin API, for its tests and those of the command line. */
import { Buffer } from "node:buffer";
import type { AccountId, AccountName } from "../../shard/name/ids.ts";
import type { AccountView, Credentials, OpName, Ops } from "../../shard/ops.ts";
import type { ResetLink } from "../../server/ops/resets.ts";
import { fail, ok, type Result } from "../../shard/errors.ts";
import type { AdminDeps, PageOptions } from "../../server/ops/api.ts";
import type { InviteView } from "../../server/ops/invites.ts";

/** The fake: its accounts, and the password each would sign in with. */
export interface FakeAccounts {
  readonly deps: AdminDeps;
  readonly accounts: Map<string, AccountView>;
  readonly passwords: Map<string, string | null>;
  /** Everybody's device. */
  readonly device: { label: string };
  /** What was recorded of actions. */
  readonly actions: readonly Readonly<Record<string, unknown>>[];
  /** Adds an account past the admin API. */
  add(name: string): void;
}

const KEY = { salt: new Uint8Array(), iterations: 1, serverKey: new Uint8Array() };

/** Credentials that carry the password itself, so that tests can look at it. */
function credentialsOf(password: string): Credentials {
  return { sha256: { ...KEY, storedKey: Buffer.from(password) }, sha1: null };
}

function passwordOf(credentials: Credentials): string {
  return Buffer.from(credentials.sha256.storedKey).toString();
}

const DEVICE = {
  device: "phone",
  label: "Ann's phone",
  createdAt: Date.UTC(2026, 0, 2),
  expiresAt: Date.UTC(2026, 1, 2),
  online: true,
};

function view(name: AccountName): AccountView {
  const counts = { devices: 2, sessions: 1, contacts: 3, events: 4 };
  const id = "AAAAAAAAAAAAAAAA" as AccountId;
  return { name, id, state: "active", createdAt: Date.UTC(2026, 0, 2), ...counts };
}

function pageOf(
  accounts: ReadonlyMap<string, AccountView>,
  { after, limit, match }: PageOptions,
) {
  const names = [...accounts.keys()].sort()
    .filter((name) => (after === null || name > after) && name.includes(match));
  const page = names.slice(0, limit);
  const next = names.length > page.length ? page.at(-1)! as AccountName : null;
  return {
    accounts: page.map((name) => accounts.get(name)!),
    next,
    total: names.length,
    missing: [],
  };
}

function checkedPassword(password: string): Result<Credentials> {
  return password.length < 8
    ? fail("bad_request", "The password has fewer than 8 characters")
    : ok(credentialsOf(password));
}

/** One invite in memory. */
function fakeInvites(): AdminDeps["invites"] {
  const open = { id: "I1", createdAt: 0, expiresAt: Date.UTC(2026, 6, 1), state: "open" } as const;
  const invites = new Map<string, InviteView>([["I1", { ...open, usedBy: null }]]);
  return {
    create: (done) => done(ok({ code: "invite-code", expiresAt: Date.UTC(2026, 6, 1) })),
    list: (done) => done(ok([...invites.values()])),
    revoke(id, done) {
      const invite = invites.get(id);
      if (invite === undefined) return done(fail("not_found", "There is no such invite"));
      invites.set(id, { ...invite, state: "revoked" });
      done(ok(null));
    },
  };
}

function answersAbout(device: typeof DEVICE) {
  return { "device.list": [device], "device.revoke": null, "account.signOut": { devices: 1 } };
}

function linkOf(name: string, exists: boolean): Result<ResetLink> {
  if (!exists) return fail("not_found", "There is no such account");
  return ok({ code: `rp1_${name}`, expiresAt: 5 });
}

/** Makes the fake with no accounts. */
export function fakeAccounts(): FakeAccounts {
  const accounts = new Map<string, AccountView>();
  const passwords = new Map<string, string | null>();
  const missing = fail("not_found", "There is no such account");
  const change = (name: AccountName, state: AccountView["state"]) => {
    if (!accounts.has(name)) return missing;
    accounts.set(name, { ...accounts.get(name)!, state });
    return ok(null);
  };
  const perform = (name: AccountName, op: OpName, input: unknown): Result<unknown> => {
    switch (op) {
      case "account.create": {
        if (accounts.has(name)) return fail("conflict", `The name ${name} is taken`);
        const { credentials } = input as Ops["account.create"]["in"];
        accounts.set(name, view(name));
        passwords.set(name, credentials === null ? null : passwordOf(credentials));
        return ok({ id: view(name).id });
      }
      case "account.setCredentials": {
        if (!accounts.has(name)) return missing;
        const { credentials } = input as Ops["account.setCredentials"]["in"];
        passwords.set(name, passwordOf(credentials));
        return ok(null);
      }
      case "account.setDisabled": {
        const { disabled } = input as Ops["account.setDisabled"]["in"];
        return change(name, disabled ? "disabled" : "active");
      }
      case "account.remove":
        return change(name, "deleted");
      case "account.release":
        return accounts.delete(name) ? ok(null) : missing;
      case "device.list":
      case "device.revoke":
      case "account.signOut":
        return accounts.has(name) ? ok(answersAbout(device)[op]) : missing;
      case "account.info":
        return accounts.has(name) ? ok(accounts.get(name)) : missing;
      default:
        throw new Error(`the admin API asked for ${op}`);
    }
  };
  const device = { ...DEVICE };
  const actions: Record<string, unknown>[] = [];
  const deps: AdminDeps = {
    domain: "example.org",
    version: "1.2.3",
    publicUrl: null,
    record: (input) => Promise.resolve((actions.push({ ...input }), null)),
    router: {
      request: (name, op, input, done) => done(perform(name, op, input) as Result<never>),
    },
    credentials: (password, done) => done(checkedPassword(password)),
    invites: fakeInvites(),
    resetLink: (name, done) => done(linkOf(name, accounts.has(name))),
    listAccounts: (page, done) => done(ok(pageOf(accounts, page))),
  };
  const add = (name: string) => accounts.set(name, view(name as AccountName));
  return { deps, accounts, passwords, actions, device, add };
}
