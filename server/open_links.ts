/** Opens the links to the other nodes of the cell, where the configuration says that it has any. */
import type { Config } from "./config/config.ts";
import { openTcpLinks } from "./peer/tcp_links.ts";
import type { PeerLinks } from "./node/peers.ts";
import type { Retries } from "../shard/retry.ts";
import type { Runtime } from "./node/ports.ts";
import { readConfigFile } from "./system/config_files.ts";

/** Shortest secret (characters): one that a person made up is not safe. */
const SECRET_CHARS_MIN = 32;

/**
 * The links; null where the cell is this node. `domain`: that of the cell's accounts; `worker`: where
 * this process listens as one of several workers, and their secret.
 */
export async function openLinks(
  config: Pick<Config, "cell">,
  domain: string,
  ports: Runtime & { readonly retries: Retries },
  worker: { readonly path: string; readonly secret: string } | null,
): Promise<PeerLinks | null> {
  const { clock, timers, random, log, retries } = ports;
  const runtime = { clock, timers, random, log, retries };
  if (worker !== null) {
    const { path, secret } = worker;
    return await openTcpLinks({
      ...runtime,
      bind: { path },
      advertise: null,
      secret: new TextEncoder().encode(secret),
      cell: domain,
      tls: "never",
    });
  }
  const { listen, advertise, secretFile, tls } = config.cell;
  if (listen === null) return null;
  const secret = await readSecret("cell.secretFile", secretFile!);
  return await openTcpLinks({ ...runtime, bind: listen, advertise, secret, cell: domain, tls });
}

/** Reads the secret of the file that a setting names. Rejects where it is too short. */
export async function readSecret(key: string, path: string): Promise<Uint8Array> {
  const text = (await readConfigFile(key, path)).trim();
  if (text.length < SECRET_CHARS_MIN) {
    throw new Error(
      `Cannot use ${key} ${path}: it has ${text.length} characters, wants ${SECRET_CHARS_MIN} at ` +
        "least. Make one with `roost secret create`.",
    );
  }
  return new TextEncoder().encode(text);
}
