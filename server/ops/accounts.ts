/** What the admin API needs of a node: pages of accounts, new passwords, new invites. */
import type { AdminDeps } from "./api.ts";
import type { RecordAction } from "./audit.ts";
import type { Node } from "../node/node.ts";
import type { Ports } from "../node/ports.ts";
import type { SignInOptions } from "../auth/sign_in_options.ts";
import { deriveCredentials } from "../auth/credentials.ts";
import { ok } from "../../shard/errors.ts";
import { accountListing } from "./account_listing.ts";
import { Invites } from "./invites.ts";
import { newPassword } from "../auth/registration.ts";
import { resetMaker } from "./resets.ts";
import { VERSION } from "../config/version.ts";

/** Of links that operators make. */
export interface LinkOptions {
  /** How long invites, and links for a new password, are valid. */
  readonly inviteMs: number;
  readonly resetMs: number;
  /** Where they lead; null where that is not known. */
  readonly publicUrl: string | null;
}

/**
 * Makes the admin API's view of a node.
 */
export function adminDeps(
  node: Node,
  ports: Ports,
  options: SignInOptions,
  { inviteMs, publicUrl, resetMs }: LinkOptions,
  record: RecordAction,
): AdminDeps {
  return {
    domain: options.domain,
    version: VERSION,
    publicUrl,
    record,
    router: node,
    credentials(password, done) {
      const prepared = newPassword(password, options.passwordLengthMin);
      if (!prepared.ok) return done(prepared);
      deriveCredentials(ports, prepared.value, options.iterations, (keys) => done(ok(keys)));
    },
    invites: new Invites(ports, node, inviteMs),
    resetLink: resetMaker(ports, node, resetMs, publicUrl),
    listAccounts: accountListing(node, ports.clock),
  };
}
