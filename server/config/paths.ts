/** The files that a configuration names. */
import type { Config } from "./config.ts";

/** Absolute paths of all files that the configuration names, whether they exist or not. */
export function configFilePaths(config: Config): readonly string[] {
  const { server: { tlsCert, tlsKey }, jwt: { jwksFile, keyFiles }, store: { urlFile } } = config;
  const secrets = [
    config.cell.secretFile,
    config.cells.secretFile,
    config.push.keyFile,
    config.ldap.caFile,
    config.ldap.bindPasswordFile,
    ...config.oidc.issuers.map(({ clientSecretFile }) => clientSecretFile || null),
  ];
  return [tlsCert, tlsKey, config.acme.caFile, jwksFile, urlFile, ...secrets, ...keyFiles]
    .flatMap((file) => file === null ? [] : [file]);
}

/** Absolute paths of those that are read again whenever they change. */
export function watchedPaths({ jwt, server }: Config): readonly string[] {
  return [server.tlsCert, server.tlsKey, jwt.jwksFile, ...jwt.keyFiles]
    .flatMap((file) => file === null ? [] : [file]);
}
