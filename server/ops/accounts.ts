/** What the admin API needs of a node: pages of accounts, new passwords, new invites. */
import type { AdminDeps } from "./api.ts";
import type { Node } from "../node/node.ts";
import type { Ports } from "../node/ports.ts";
import type { SignInOptions } from "../auth/sign_in_options.ts";
import { deriveCredentials } from "../auth/credentials.ts";
import { ok } from "../../shard/errors.ts";
import { accountListing } from "./account_listing.ts";
import { Invites } from "./invites.ts";
import { newPassword } from "../auth/registration.ts";
import { VERSION } from "../config/version.ts";

/**
 * Makes the admin API's view of a node. Invites are valid for `inviteMs`; their links lead to
 * `publicUrl`, null where it is not known.
 */
export function adminDeps(
  node: Node,
  ports: Ports,
  options: SignInOptions,
  inviteMs: number,
  publicUrl: string | null,
): AdminDeps {
  return {
    domain: options.domain,
    version: VERSION,
    publicUrl,
    log: ports.log,
    router: node,
    credentials(password, done) {
      const prepared = newPassword(password, options.passwordLengthMin);
      if (!prepared.ok) return done(prepared);
      deriveCredentials(ports, prepared.value, options.iterations, (keys) => done(ok(keys)));
    },
    invites: new Invites(ports, node, inviteMs),
    listAccounts: accountListing(node, ports.clock),
  };
}
