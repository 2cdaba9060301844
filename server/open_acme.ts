/** Wires what gets a node its certificate from an authority: the store, port 80 and the clients' listener. */
import type { Config } from "./config/config.ts";
import type { FrontTls } from "./front_types.ts";
import type { OpenNode } from "./open.ts";
import type { ReloadCounters } from "./http/reload_counters.ts";
import { acmeNames } from "./config/acme.ts";
import { type AcmeCertificate, type AcmeState, acmeState } from "./acme/state.ts";
import { CellValue } from "./node/cell_value.ts";
import { listenHttp } from "./acme/http_port.ts";
import { readConfigFile, tlsOf } from "./system/config_files.ts";
import { Renewer } from "./acme/renewer.ts";
import type { StoreError } from "./node/ports.ts";
import { systemAcmeIssuer } from "./acme/authority.ts";

const HTTP_BIND = { host: "0.0.0.0", port: 80 };

/** See the head of this file. */
export interface NodeAcme {
  /** The certificate that is stored, or no texts. */
  readonly tls: FrontTls;
  /** Begins to keep the certificate valid, once the listener for clients is open. */
  start(options: {
    /** Where that listens. */
    readonly httpsPort: number;
    readonly counters: ReloadCounters["orders"];
    serve(certificate: AcmeCertificate): void;
  }): Promise<void>;
  /** An operator has asked for a reload. */
  hurry(): void;
  stop(): Promise<void>;
}

/**
 * Reads what is stored; null where no address for an authority is configured. Rejects with a reason, as
 * its `start` does where port 80 cannot be listened on: no authority would find the server.
 */
export async function openAcme(config: Config, open: OpenNode): Promise<NodeAcme | null> {
  const { caFile, directory, domains, email, httpBind } = config.acme;
  if (email === null) return null;
  const { log, ports, share } = open;
  const ca = caFile === null ? null : await readConfigFile("acme.caFile", caFile);
  const goal = { directory, email, domains: acmeNames(domains, config.server) };
  const value = new CellValue(ports.store, acmeState());
  const load = (done: (error: StoreError | null, state: AcmeState) => void) => value.load(done);
  const stored = await new Promise<AcmeCertificate | null>((resolve, reject) =>
    load((error, { certificate }) =>
      error === null ? resolve(certificate) : reject(new Error(error.message))
    )
  );
  let renewer: Renewer | null = null;
  let closePort = () => Promise.resolve();
  return {
    tls: stored ?? {},
    async start({ counters, httpsPort, serve }) {
      const { close } = await listenHttp({ ...httpBind ?? HTTP_BIND, shared: share !== null }, {
        domains: goal.domains,
        httpsPort,
        challenges: (done) => load((error, { challenges }) => done(error ? null : challenges)),
      }).catch((cause) => {
        throw new Error(`${cause.message}. The authority checks there that the names lead here.`, {
          cause,
        });
      });
      closePort = close;
      const issue = systemAcmeIssuer(ca);
      renewer = new Renewer({ ...ports, log, issue, read, serve, counters }, goal);
      renewer.start();
    },
    hurry: () => renewer?.hurry(),
    async stop() {
      renewer?.stop();
      await closePort();
    },
  };
}

function read({ cert, key }: { readonly cert: string; readonly key: string }) {
  const { own, startsAtMs, expiresAtMs } = tlsOf(cert, key);
  if (!own) throw new Error("the authority has certified another key");
  return { startsAtMs, expiresAtMs };
}
