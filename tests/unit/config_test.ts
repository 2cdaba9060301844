import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type Config,
  type ConfigInput,
  configOf,
  envName,
  KNOB_TABLE,
  resolveConfig,
} from "../../server/config/config.ts";
import { showJson, shownSettings, showText } from "../../server/config/show.ts";

const EMPTY: ConfigInput = {
  dataDir: "/data",
  file: null,
  env: {},
  flags: [],
  filesMax: 20_000,
  cwd: "/cwd",
};

function toml(text: string): ConfigInput {
  return { ...EMPTY, file: { path: "/data/roost.toml", text } };
}

function set(...assignments: readonly string[]): ConfigInput {
  const flags = assignments.map((assignment) => {
    const at = assignment.indexOf("=");
    return { flag: "--set", key: assignment.slice(0, at), text: assignment.slice(at + 1) };
  });
  return { ...EMPTY, flags };
}

function accepted(input: ConfigInput): Config {
  const result = resolveConfig(input);
  assert.ok(result.ok, result.ok ? "" : result.errors.join("\n"));
  return result.config;
}

function refused(input: ConfigInput): readonly string[] {
  const result = resolveConfig(input);
  assert.ok(!result.ok, "the configuration was accepted");
  return result.errors;
}

function warningsOf(input: ConfigInput): readonly string[] {
  const result = resolveConfig(input);
  assert.ok(result.ok, result.ok ? "" : result.errors.join("\n"));
  return result.warnings;
}

Deno.test("resolveConfig without sources gives the defaults, and they obey their own bounds", () => {
  const config = accepted(EMPTY);
  assert.deepEqual(config.server.bind, { host: "127.0.0.1", port: 8420 });
  assert.equal(config.registration.mode, "open");
  assert.equal(config.storage.shards, 16);
  assert.equal(config.limits.outboxBytesMax, 262_144);
  assert.equal(config.limits.connectionsMax, 19_000);
  assert.equal(config.dataDir, "/data");
  assert.deepEqual(warningsOf(EMPTY), []);
});

Deno.test("resolveConfig lets flags win over the environment, that over the file, that over defaults", () => {
  const file = {
    path: "r.toml",
    text: "[limits]\nrosterMax = 1\nblockedMax = 1\nsendsBurst = 51\n",
  };
  const env = { ROOST_LIMITS_ROSTER_MAX: "2", ROOST_LIMITS_BLOCKED_MAX: "2" };
  const flags = [
    { flag: "--set", key: "limits.rosterMax", text: "9" },
    { flag: "--set", key: "limits.rosterMax", text: "3" },
  ];
  const result = resolveConfig({ ...EMPTY, file, env, flags });
  assert.ok(result.ok);
  const { rosterMax, blockedMax, sendsBurst, framesBurst } = result.config.limits;
  assert.deepEqual([rosterMax, blockedMax, sendsBurst, framesBurst], [3, 2, 51, 200]);
  const sources = Object.fromEntries(result.effective.map(({ key, source }) => [key, source]));
  assert.equal(sources["limits.rosterMax"], "flag --set");
  assert.equal(sources["limits.blockedMax"], "environment ROOST_LIMITS_BLOCKED_MAX");
  assert.equal(sources["limits.sendsBurst"], "file r.toml");
  assert.equal(sources["limits.framesBurst"], "default");
});

Deno.test("resolveConfig reads every kind of value from a file and from text alike", () => {
  const fromFile = accepted(toml(`
    [server]
    domain = "example.org"
    bind = "[::1]:0"
    trustedProxies = ["10.0.0.0/8", "::1"]
    publicUrl = "https://chat.example.org"
    [auth]
    scramSha1 = false
    scramIterations = 600_000
    formerScramIterations = [100_000, 200_000]
    [log]
    format = "json"
  `));
  const fromText = accepted(set(
    "server.domain=example.org",
    "server.bind=[::1]:0",
    "server.trustedProxies=10.0.0.0/8, ::1",
    "server.publicUrl=https://chat.example.org/",
    "auth.scramSha1=false",
    "auth.scramIterations=600_000",
    "auth.formerScramIterations=100000,200_000",
    "log.format=json",
  ));
  assert.deepEqual(fromFile, fromText);
  assert.deepEqual(fromText.server.bind, { host: "::1", port: 0 });
  assert.deepEqual(fromText.server.trustedProxies.map((cidr) => cidr.text), ["10.0.0.0/8", "::1"]);
  assert.equal(fromText.auth.scramIterations, 600_000);
});

Deno.test("resolveConfig says for each bad value what it is, where, and what it must be", () => {
  assert.deepEqual(refused(toml("[limits]\nrosterMax = 0\n[server]\nbind = 80\n")), [
    "server.bind is 80 in /data/roost.toml: it must be host:port or [IPv6]:port, for example " +
    "0.0.0.0:8420",
    "limits.rosterMax is 0 in /data/roost.toml: it must be a whole number (contacts) from 1 to " +
    "10000",
  ]);
  assert.deepEqual(refused(set("log.level=loud", "auth.scramSha1=yes")), [
    'auth.scramSha1 is "yes" in --set: it must be true or false',
    'log.level is "loud" in --set: it must be one of debug, info, warn, error',
  ]);
  const env = { ROOST_AUTH_SCRAM_ITERATIONS: "4096" };
  assert.deepEqual(refused({ ...EMPTY, env }), [
    "auth.scramIterations is 4096 in ROOST_AUTH_SCRAM_ITERATIONS: it must be a whole number " +
    "(PBKDF2 iterations) from 100000 to 10000000",
  ]);
});

const BAD_VALUES = [
  "server.domain=Example.org",
  "server.domain=exa mple",
  "server.domain=",
  "server.bind=8420",
  "server.bind=localhost",
  "server.bind=127.0.0.1:70000",
  "server.bind=[::g]:1",
  "server.publicUrl=chat.example.org",
  "server.publicUrl=https://chat.example.org/path?query",
  "server.publicUrl=https://chat.example.org/path#anchor",
  "server.publicUrl=https://chat.example.org/a//b",
  "server.publicUrl=https://chat.example.org/a%20b",
  "server.publicUrl=https://chat.example.org/v1/below",
  "server.publicUrl=https://user:secret@chat.example.org",
  "server.publicUrl=ftp://chat.example.org",
  "server.trustedProxies=10.0.0.0/33",
  "server.trustedProxies=proxy.example.org",
  "auth.formerScramIterations=100000,4096",
  "limits.rosterMax=1.5",
  "limits.rosterMax=1e3",
  "limits.rosterMax=",
  "limits.rosterMax=-1",
  "jwt.algorithms=none",
  "jwt.subject=sub",
  "jwt.subject={a}{b}",
  "jwt.subjectPattern=([a-z]+",
  "jwt.subjectPattern=[a-z]+",
  "storage.checkpointIntervalMs=5001",
] as const;

for (const assignment of BAD_VALUES) {
  Deno.test(`resolveConfig refuses ${assignment}`, () => {
    const key = assignment.slice(0, assignment.indexOf("="));
    const errors = refused(set(assignment));
    assert.ok(errors[0]!.startsWith(`${key} is `) && errors[0]!.includes("it must be"), errors[0]!);
  });
}

Deno.test("resolveConfig reports unknown keys of every source with the nearest real one", () => {
  const result = refused({
    ...EMPTY,
    file: { path: "r.toml", text: 'domain = "x"\n[limits]\nrostermax = 1\n[zzz]\nqqqqqq = 1\n' },
    env: { ROOST_LIMITS_ROSTER_MXA: "1", ROOST_DATE: "/data" },
    flags: [{ flag: "--set", key: "limit.frameBytesMax", text: "1" }],
  });
  assert.deepEqual(result, [
    "domain in r.toml is not a setting: did you mean server.domain?",
    "limits.rostermax in r.toml is not a setting: did you mean limits.rosterMax?",
    "zzz.qqqqqq in r.toml is not a setting: see `roost config show` for all of them",
    "ROOST_LIMITS_ROSTER_MXA in the environment is not a setting: did you mean " +
    "ROOST_LIMITS_ROSTER_MAX?",
    "ROOST_DATE in the environment is not a setting: did you mean ROOST_DATA?",
    "limit.frameBytesMax in --set is not a setting: did you mean limits.frameBytesMax?",
  ]);
});

Deno.test("resolveConfig takes no notice of variables that are not its own", () => {
  const env = {
    PATH: "/bin",
    ROOST_DATA: "/data",
    ROOST_CONFIG: "/etc/roost.toml",
    // Kubernetes gives every pod these for a service named roost.
    ROOST_SERVICE_HOST: "10.0.0.1",
    ROOST_SERVICE_PORT: "8420",
    ROOST_PORT: "tcp://10.0.0.1:8420",
    ROOST_PORT_8420_TCP_ADDR: "10.0.0.1",
    // And these for services named roost-chat and roost-chat-2.
    ROOST_CHAT_SERVICE_HOST: "10.0.0.2",
    ROOST_CHAT_SERVICE_PORT: "80",
    ROOST_CHAT_SERVICE_PORT_HTTP: "80",
    ROOST_CHAT_PORT: "tcp://10.0.0.2:80",
    ROOST_CHAT_PORT_80_TCP: "tcp://10.0.0.2:80",
    ROOST_CHAT_PORT_80_TCP_PROTO: "tcp",
    ROOST_CHAT_2_PORT_53_UDP_PORT: "53",
  };
  assert.deepEqual(accepted({ ...EMPTY, env }), accepted(EMPTY));
});

Deno.test("resolveConfig tells where a file is not TOML", () => {
  const [message, ...others] = refused(toml("[limits]\nrosterMax = = 3\n"));
  assert.match(message!, /^\/data\/roost\.toml line 2, column \d+ is not TOML: \S/);
  assert.deepEqual(others, []);
});

Deno.test("registration.mode is open only where nobody else can connect", () => {
  const mode = (...assignments: string[]) => accepted(set(...assignments)).registration.mode;
  assert.equal(mode("server.bind=127.9.9.9:1"), "open");
  assert.equal(mode("server.bind=[::1]:1"), "open");
  assert.equal(mode("server.bind=localhost:1"), "open");
  assert.equal(mode("server.bind=0.0.0.0:1"), "invite");
  assert.equal(mode("server.bind=[::]:1"), "invite");
  assert.equal(mode("server.bind=128.0.0.1:1"), "invite");
  assert.equal(mode("server.trustedProxies=127.0.0.1"), "invite");
  assert.equal(mode("server.publicUrl=https://chat.example.org"), "invite");
  assert.equal(mode("server.publicUrl=http://[::1]:8000"), "open");
  assert.equal(mode("server.bind=0.0.0.0:1", "registration.mode=closed"), "closed");
});

/** Each relation, broken: the settings and the whole message. */
const BROKEN: readonly (readonly [readonly string[], string])[] = [
  [
    ["limits.connectionsMax=30000"],
    "limits.connectionsMax is 30000 but the process may open 20000 files: lower it to 19000 or " +
    "raise the limit with ulimit -n",
  ],
  [
    ["limits.frameBytesMax=18000"],
    "limits.frameBytesMax is 18000 but a message of messageBytesMax with an extension of " +
    "extBytesMax takes 20480: raise it to 20480 or lower those",
  ],
  [
    ["limits.frameBytesMax=21000", "limits.signalBytesMax=20000"],
    "limits.frameBytesMax is 21000 but a signal of signalBytesMax takes 22048: raise it to 22048 " +
    "or lower signalBytesMax",
  ],
  [
    ["limits.outboxBytesMax=100000"],
    "limits.outboxBytesMax is 100000 but must hold 2 frames of frameBytesMax: raise it to 131072 " +
    "or lower frameBytesMax",
  ],
  [
    ["limits.sessionsPerAccountMax=51"],
    "limits.sessionsPerAccountMax is 51 but each session is one device and devicesPerAccountMax " +
    "is 50: lower it to that",
  ],
  [
    ["auth.passwordQueueMax=1"],
    "auth.passwordQueueMax is 1, less than passwordConcurrency: raise it to 2",
  ],
  [
    ["limits.sendsPerSecond=80"],
    "limits.sendsBurst is 50, less than limits.sendsPerSecond: raise it to 80 or more",
  ],
  [
    ["server.tlsCert=cert.pem"],
    "server.tlsCert is set but server.tlsKey is not: name the file of its private key",
  ],
  [
    ["server.tlsKey=key.pem"],
    "server.tlsKey is set but server.tlsCert is not: name the file of the certificate",
  ],
  [
    ["timeouts.drainMs=9999"],
    "timeouts.drainMs is 9999 but accepted requests may take requestTimeoutMs: raise it to 10000 " +
    "or lower requestTimeoutMs",
  ],
  [
    ["admission.signInLagMs=801"],
    "admission.connectionLagMs is 800, less than signInLagMs: raise it to 801 or more",
  ],
  [
    ["admission.writeLagMs=799"],
    "admission.writeLagMs is 799, less than connectionLagMs: raise it to 800 or more",
  ],
  [
    ["jwt.audience=roost"],
    "jwt.issuer is empty but other jwt settings are set: name the issuer",
  ],
  [
    ["jwt.issuer=i", "jwt.algorithms=RS256", "jwt.jwksFile=k"],
    "jwt.issuer is set but jwt.audience is empty: say what its aud claim must contain",
  ],
  [
    ["jwt.issuer=i", "jwt.audience=a", "jwt.jwksFile=k"],
    'jwt.issuer is set but jwt.algorithms is empty: list them, such as ["RS256"]',
  ],
  [
    ["jwt.issuer=i", "jwt.audience=a", "jwt.algorithms=RS256"],
    "jwt.issuer needs exactly one of jwt.keyFiles and jwt.jwksFile",
  ],
  [
    ["jwt.issuer=i", "jwt.audience=a", "jwt.algorithms=RS256,HS256", "jwt.jwksFile=k"],
    "jwt.algorithms mixes HS with public-key algorithms: keep one kind",
  ],
  [
    [
      "jwt.issuer=i",
      "jwt.audience=a",
      "jwt.algorithms=RS256",
      "jwt.jwksFile=k",
      "jwt.subjectClaim=email",
    ],
    "jwt.subjectClaim and jwt.subjectPattern go together: set both or neither",
  ],
];

for (const [assignments, message] of BROKEN) {
  Deno.test(`resolveConfig relates settings: ${assignments.join(" ")}`, () => {
    assert.deepEqual(refused(set(...assignments)), [message]);
  });
}

Deno.test("limits.connectionsMax follows the file limit, with a floor where it is unknown", () => {
  const auto = (filesMax: number | null) =>
    accepted({ ...EMPTY, filesMax, cwd: "/cwd" }).limits.connectionsMax;
  assert.equal(auto(20_000), 19_000);
  assert.equal(auto(1024), 896);
  assert.equal(auto(null), 896);
  assert.equal(auto(10), 1);
  const unknown = { ...set("limits.connectionsMax=30000"), filesMax: null, cwd: "/cwd" };
  assert.equal(accepted(unknown).limits.connectionsMax, 30_000);
});

Deno.test("resolveConfig warns of what is reachable, readable or open to anybody", () => {
  const open = ["server.bind=0.0.0.0:1", "registration.mode=open"];
  const [tls, domain, registration, ...others] = warningsOf(set(...open));
  assert.match(tls!, /^0\.0\.0\.0:1 is open to others without TLS/);
  assert.match(domain!, /^server\.domain is still localhost/);
  assert.match(registration!, /^registration\.mode is open/);
  assert.deepEqual(others, []);
  const safe = ["server.domain=example.org", "server.tlsCert=c", "server.tlsKey=k"];
  assert.deepEqual(warningsOf(set("server.bind=0.0.0.0:1", ...safe)), []);
});

Deno.test("showText is a TOML file that gives the same configuration", () => {
  fc.assert(fc.property(
    fc.record({
      roster: fc.integer({ min: 1, max: 10_000 }),
      issuer: fc.string({ minLength: 1 }),
      proxies: fc.uniqueArray(fc.ipV6(), { maxLength: 3 }),
    }),
    ({ roster, issuer, proxies }) => {
      const result = resolveConfig({
        ...set(
          `limits.rosterMax=${roster}`,
          `jwt.issuer=${issuer}`,
          "jwt.audience=a",
          "jwt.algorithms=ES256",
          "jwt.keyFiles=a.pem,b.pem",
          `server.trustedProxies=${proxies.join(",")}`,
        ),
      });
      assert.ok(result.ok, result.ok ? "" : result.errors.join());
      const shown = showText("/data", shownSettings(result.effective));
      assert.deepEqual(accepted(toml(shown)), result.config);
    },
  ));
});

Deno.test("showJson gives each setting's value, source and documentation", () => {
  const result = resolveConfig(set("limits.rosterMax=7"));
  assert.ok(result.ok);
  const shown = JSON.parse(showJson("/data", shownSettings(result.effective)));
  assert.deepEqual(Object.keys(shown.settings), [...KNOB_TABLE.keys()]);
  assert.deepEqual(shown.settings["limits.rosterMax"], {
    value: 7,
    source: "flag --set",
    default: 1000,
    unit: "contacts",
    wants: "a whole number (contacts) from 1 to 10000",
    doc: "Contacts in one roster.",
    env: "ROOST_LIMITS_ROSTER_MAX",
  });
});

Deno.test("KNOB_TABLE documents every setting in one sentence, and no two share a variable", () => {
  for (const [key, { doc, wants }] of KNOB_TABLE) {
    assert.match(doc, /^[A-Z][^.]*(\.(?! )[^.]*)*\.$/, key);
    assert.ok(wants !== "" && `# ${doc}`.length <= 100, key);
  }
  assert.equal(new Set([...KNOB_TABLE.keys()].map(envName)).size, KNOB_TABLE.size);
});

Deno.test("configOf sets on top of the defaults and throws on faults", () => {
  assert.equal(configOf("/d", { "storage.shards": "4" }).storage.shards, 4);
  assert.throws(() => configOf("/d", { "storage.shard": "4" }), /did you mean storage\.shards\?/);
});
