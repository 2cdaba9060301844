/** What the admin API needs of a node: pages of accounts, new passwords, new invites. */
import type { AccountName } from "../shard/ids.ts";
import type { AccountView } from "../shard/ops.ts";
import type { AdminDeps } from "./admin/api.ts";
import type { Node } from "./node.ts";
import type { Ports } from "./ports.ts";
import type { SignInOptions } from "./auth/sign_in_options.ts";
import { deriveCredentials } from "./auth/credentials.ts";
import { fail, ok } from "../shard/errors.ts";
import { inviteName, mintInvite } from "./auth/token.ts";
import { newPassword } from "./auth/registration.ts";
import { pointOf } from "../shard/ids.ts";
import { VERSION } from "./version.ts";

/** Makes the admin API's view of a node. Invites are valid for `inviteMs`. */
export function adminDeps(
  node: Node,
  ports: Ports,
  options: SignInOptions,
  inviteMs: number,
): AdminDeps {
  return {
    domain: options.domain,
    version: VERSION,
    router: node,
    credentials(password, done) {
      const prepared = newPassword(password, options.passwordLengthMin);
      if (!prepared.ok) return done(prepared);
      deriveCredentials(ports, prepared.value, options.iterations, (keys) => done(ok(keys)));
    },
    createInvite(done) {
      const code = mintInvite(ports.random);
      const name = inviteName(code)!;
      const expiresAt = ports.clock.wallMs() + inviteMs;
      node.request(name, "invite.create", { expiresAt }, (result) => {
        done(result.ok ? ok({ code, expiresAt }) : result);
      });
    },
    listAccounts: ({ after, limit }, done) => listAccounts(node, after, limit, done),
  };
}

function listAccounts(
  node: Node,
  after: AccountName | null,
  limit: number,
  done: Parameters<AdminDeps["listAccounts"]>[1],
): void {
  // Behind every row of that account.
  const key = after === null ? null : ["u", pointOf(after), after, Number.MAX_SAFE_INTEGER];
  node.listAccounts(key, Math.min(limit, 500), (error, names, next) => {
    if (error !== null) {
      return done(fail("unavailable", "The store cannot be read now", 1000));
    }
    const views = new Map<AccountName, AccountView>();
    let left = names.length;
    const finish = () => {
      const accounts = names.flatMap((n) => views.get(n) ?? []);
      done(ok({ accounts, next: next === null ? null : next[2] as AccountName }));
    };
    if (left === 0) return finish();
    for (const name of names) {
      node.request(name, "account.info", {}, (result) => {
        if (result.ok) views.set(name, result.value);
        if (--left === 0) finish();
      });
    }
  });
}
