/** Wires all ways in, with the issuers and the directory that are configured. */
import type { Config } from "./config/config.ts";
import type { ConfigFiles } from "./config_files.ts";
import { createSignIn, type SignInDeps } from "./auth/sign_in.ts";
import { Directory } from "./auth/directory.ts";
import { directoryOptions } from "./settings.ts";
import { issuerFetch } from "./system/issuer_fetch.ts";
import { ldapBind } from "./system/ldap_bind.ts";
import { Oidc } from "./auth/oidc.ts";
import type { OpenNode } from "./open.ts";
import { recordedSignIn } from "./audit/sign_ins.ts";

/** What configured files say of issuers and the directory. */
export type SignInFiles = Pick<ConfigFiles, "verifier" | "oidc" | "ldap">;

type Opened = Pick<OpenNode, "audit" | "node" | "ports" | "relays" | "signIn">;

/** Makes the service, and what sends browsers to issuers; null where none is configured. */
export function frontSignIn(
  config: Config,
  { audit, node, ports, relays, signIn: options }: Opened,
  { ldap, oidc: issuers, verifier }: SignInFiles,
  { origins, ...shared }: Required<Pick<SignInDeps, "limited" | "share">> & {
    /** Origins of pages from elsewhere, as in the configuration of now. */
    origins(): readonly string[];
  },
) {
  const { monoMs, wallMs } = ports.clock;
  const serverSecret = options.fakeSaltSecret;
  const oidc = issuers.length === 0
    ? null
    : new Oidc(issuers, { ...ports, fetch: issuerFetch, monoMs, wallMs, serverSecret });
  const directory = ldap === null ? null : new Directory(ldapBind(ldap), directoryOptions(config));
  const deps = {
    ...ports,
    ...shared,
    router: node,
    issuers: verifier,
    oidc,
    directory,
    pages: { publicUrl: config.server.publicUrl, origins },
    // Whose passkey signs is not known before: any cell may have begun it.
    ...(relays === null ? {} : { passkeySecret: relays.passkeySecret }),
  };
  return { signIn: recordedSignIn(createSignIn(deps, options), audit, options.domain), oidc };
}
