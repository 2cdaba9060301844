/** Debian's slapd as a process of the test: on loopback, with a configuration and entries of its own. */
import { freePort } from "./pinned.ts";
import { until } from "./until.ts";

const SLAPD = "/usr/sbin/slapd";
const BASE = "dc=example,dc=org";

/** Passwords of the entries. */
export const USERS = { ann: "ann's password", bob: "bob's password", "o(dd)*": "odd" } as const;
/** Who may search, where nobody else may. */
export const READER = { dn: `cn=reader,${BASE}`, password: "the reader's password" } as const;

/** A directory that runs. */
export interface RunningSlapd extends AsyncDisposable {
  readonly url: string;
  readonly tlsUrl: string;
  readonly base: string;
  readonly caFile: string;
  /** Stops responding, without ending, or goes on. */
  pause(paused: boolean): void;
  stop(): Promise<void>;
  start(): Promise<void>;
  modify(ldif: string): Promise<void>;
}

/** Whether there is one on this machine. */
export function hasSlapd(): boolean {
  try {
    return Deno.statSync(SLAPD).isFile;
  } catch {
    return false;
  }
}

async function run(command: string, args: readonly string[], input = ""): Promise<void> {
  const child = new Deno.Command(command, {
    args: [...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { success, stderr } = await child.output();
  if (!success) throw new Error(`${command}: ${new TextDecoder().decode(stderr)}`);
}

async function makeCertificate(dir: string): Promise<void> {
  const subject = [
    "-subj",
    "/CN=localhost",
    "-addext",
    "subjectAltName=DNS:localhost,IP:127.0.0.1",
  ];
  await run("/usr/bin/openssl", [
    ...["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"],
    ...subject,
    ...["-keyout", `${dir}/key.pem`, "-out", `${dir}/cert.pem`],
  ]);
}

const config = (dir: string) => `
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
pidfile ${dir}/slapd.pid
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCertificateFile ${dir}/cert.pem
TLSCertificateKeyFile ${dir}/key.pem
database mdb
suffix "${BASE}"
rootdn "cn=root,${BASE}"
rootpw root
directory ${dir}/db
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="${READER.dn}" read by self read by * none
`;

function entry(uid: string, password: string): string {
  const rdn = uid.replaceAll(/[^a-z]/g, (c) => `\\${c.charCodeAt(0).toString(16)}`);
  return [
    `dn: uid=${rdn},ou=people,${BASE}`,
    "objectClass: inetOrgPerson",
    `uid: ${uid}`,
    `cn: ${uid}`,
    "sn: x",
    `userPassword: ${password}`,
  ].join("\n");
}

const entries = () =>
  [
    `dn: ${BASE}\nobjectClass: dcObject\nobjectClass: organization\no: x\ndc: example`,
    `dn: ou=people,${BASE}\nobjectClass: organizationalUnit\nou: people`,
    `dn: ${READER.dn}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\n` +
    `cn: reader\nuserPassword: ${READER.password}`,
    ...Object.entries(USERS).map(([uid, password]) => entry(uid, password)),
  ].join("\n\n") + "\n";

/** Starts one below `dir`. */
export async function startSlapd(dir: string): Promise<RunningSlapd> {
  const [port, tlsPort] = [freePort(), freePort()];
  Deno.mkdirSync(`${dir}/db`, { recursive: true });
  await makeCertificate(dir);
  Deno.writeTextFileSync(`${dir}/slapd.conf`, config(dir));
  const url = `ldap://127.0.0.1:${port}`;
  const tlsUrl = `ldaps://localhost:${tlsPort}`;
  await run("/usr/sbin/slapadd", ["-f", `${dir}/slapd.conf`], entries());
  let child: Deno.ChildProcess | null = null;
  const start = async () => {
    child = new Deno.Command(SLAPD, {
      args: [
        "-f",
        `${dir}/slapd.conf`,
        "-h",
        `${url} ${tlsUrl.replace("localhost", "127.0.0.1")}`,
        "-d",
        "0",
      ],
      stdout: "null",
      stderr: "null",
    }).spawn();
    await until("slapd listens", async () => {
      try {
        (await Deno.connect({ hostname: "127.0.0.1", port })).close();
        return true;
      } catch {
        return false;
      }
    });
  };
  const stop = async () => {
    child?.kill("SIGCONT");
    child?.kill("SIGTERM");
    await child?.status;
    child = null;
  };
  await start();
  return {
    url,
    tlsUrl,
    base: BASE,
    caFile: `${dir}/cert.pem`,
    pause: (paused) => child?.kill(paused ? "SIGSTOP" : "SIGCONT"),
    start,
    stop,
    modify: (ldif) =>
      run("/usr/bin/ldapmodify", ["-x", "-H", url, "-D", `cn=root,${BASE}`, "-w", "root"], ldif),
    [Symbol.asyncDispose]: stop,
  };
}
