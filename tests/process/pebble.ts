/** A real ACME authority: Pebble, of the people of Let's Encrypt, with a DNS server of its own (Debian's package `pebble`). */
import { freePort } from "./pinned.ts";
import { makeCertificate } from "./certificates.ts";
import { until } from "./until.ts";

/** What is wrong where there is none; null where there is one. */
export function whyNoPebble(): string | null {
  for (const program of ["pebble", "pebble-challtestsrv"]) {
    try {
      Deno.statSync(`/usr/bin/${program}`);
    } catch {
      return `there is no ${program}`;
    }
  }
  return null;
}

/** A running one. Each name leads to 127.0.0.1. */
export class Pebble {
  readonly #children: Deno.ChildProcess[];
  readonly #management: string;
  readonly directory: string;
  readonly caFile: string;
  /** Where it looks for challenges. */
  readonly httpPort: number;
  readonly tlsPort: number;

  private constructor(
    children: Deno.ChildProcess[],
    dir: string,
    ports: { readonly acme: number; management: number; http: number; tls: number },
  ) {
    this.#children = children;
    this.#management = `https://127.0.0.1:${ports.management}`;
    this.directory = `https://127.0.0.1:${ports.acme}/dir`;
    this.caFile = `${dir}/cert.pem`;
    this.httpPort = ports.http;
    this.tlsPort = ports.tls;
  }

  /** Starts one that keeps its files in `dir`; its certificates are valid for so many seconds. */
  static async start(dir: string, validSeconds = 7_776_000): Promise<Pebble> {
    const made = makeCertificate(dir, "pebble");
    if (made !== null) throw new Error(made);
    const [acme, management, http, tls, dns, test] = Array.from({ length: 6 }, freePort) as [
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    const config = {
      listenAddress: `127.0.0.1:${acme}`,
      managementListenAddress: `127.0.0.1:${management}`,
      certificate: `${dir}/cert.pem`,
      privateKey: `${dir}/key.pem`,
      httpPort: http,
      tlsPort: tls,
      ocspResponderURL: "",
      externalAccountBindingRequired: false,
      certificateValidityPeriod: validSeconds,
    };
    Deno.writeTextFileSync(`${dir}/pebble.json`, JSON.stringify({ pebble: config }));
    const none = ["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""];
    const addresses = ["-dns01", `127.0.0.1:${dns}`, "-management", `127.0.0.1:${test}`];
    const children = [
      run("pebble-challtestsrv", [...none, ...addresses, "-defaultIPv4", "127.0.0.1"]),
      run("pebble", ["-config", `${dir}/pebble.json`, "-dnsserver", `127.0.0.1:${dns}`]),
    ];
    const pebble = new Pebble(children, dir, { acme, management, http, tls });
    await until("Pebble", () => pebble.root().then(() => true, () => false));
    return pebble;
  }

  /** The root of what it issues, as PEM text. */
  async root(): Promise<string> {
    const caCerts = [Deno.readTextFileSync(this.caFile)];
    using client = Deno.createHttpClient({ caCerts });
    const response = await fetch(`${this.#management}/roots/0`, { client });
    return await response.text();
  }

  /** Has nobody reply any more; harmless a second time. */
  async stop(): Promise<void> {
    for (const child of this.#children.splice(0)) {
      child.kill("SIGKILL");
      await child.status;
    }
  }
}

function run(program: string, args: readonly string[]): Deno.ChildProcess {
  return new Deno.Command(program, {
    args: [...args],
    // It refuses some nonces, as RFC 8555 allows at any time, and reuses no authorization.
    env: { PEBBLE_VA_NOSLEEP: "1", PEBBLE_WFE_NONCEREJECT: "20", PEBBLE_AUTHZREUSE: "0" },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
}
