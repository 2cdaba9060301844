import { deepEqual, ok } from "node:assert/strict";
import fc from "fast-check";
import {
  type ConfigInput,
  envName,
  KNOB_TABLE,
  resolveConfig,
} from "../../server/config/config.ts";
import {
  cidrContains,
  parseBind,
  parseCidr,
  parseDomain,
  parseIp,
  parseOrigin,
} from "../../server/config/address.ts";
import { shownSettings, showText } from "../../server/config/show.ts";
import { hostile, runs } from "./hostile_bytes.ts";
import { codePoint } from "./schema_values.ts";

const keys = [...KNOB_TABLE.keys()];
const key = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...keys) },
  fc.string(),
  fc.constantFrom("__proto__", "constructor", "limits.__proto__", "toString", "limits"),
);
const value = fc.oneof(
  fc.string(),
  fc.integer().map(String),
  fc.constantFrom(
    "0",
    "-1",
    "1e9",
    "9".repeat(400),
    "NaN",
    "true",
    "",
    ",",
    "127.0.0.1:0",
    "[::]:1",
    "(a|a)*b",
    "(",
    "{sub}",
    "1.2.3.4/33",
  ),
);

function input(change: Partial<ConfigInput>): ConfigInput {
  return {
    dataDir: "/data",
    file: null,
    env: {},
    flags: [],
    filesMax: 20_000,
    cwd: "/cwd",
    ...change,
  };
}

/** A configuration with every number in its bounds, or errors one can read. */
function decides(given: ConfigInput): void {
  const result = resolveConfig(given);
  if (result.ok) {
    // What is shown of it must be readable again, and mean the same.
    const text = showText("/data", shownSettings(result.effective));
    const again = resolveConfig(input({ file: { path: "shown", text } }));
    ok(again.ok, JSON.stringify(again));
    return deepEqual(again.config, result.config);
  }
  ok(result.errors.length > 0);
  for (const error of result.errors) {
    ok(error.length < 1000 && !error.includes("[object"), error);
  }
}

const tomlValue = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }).map((v) => JSON.stringify(v)),
  fc.constantFrom(
    "1979-05-27T07:32:00Z",
    "inf",
    "nan",
    "0x7fffffffffffffffffff",
    "9223372036854775807",
    "-9223372036854775809",
    "1_0",
    "'''x'''",
    "[1, [2]]",
    "{a = {b = 1}}",
  ),
  value.map((v) => JSON.stringify(v)),
);
const tomlLine = fc.oneof(
  fc.tuple(key, tomlValue).map(([k, v]) => `${k} = ${v}`),
  fc.constantFrom(...new Set(keys.map((k) => k.split(".")[0]!))).map((g) => `[${g}]`),
  fc.constantFrom("[[limits]]", "[__proto__]", "limits = 3", "[a.b.c]", "\0", "# é"),
  fc.string({ unit: codePoint }),
);
const toml = fc.array(tomlLine, { maxLength: 8 }).map((lines) => lines.join("\n"));

Deno.test("resolveConfig decides any TOML file: settings, or errors that can be read", () => {
  const shown = (() => {
    const result = resolveConfig(input({}));
    ok(result.ok);
    return new TextEncoder().encode(showText("/data", shownSettings(result.effective)));
  })();
  const mutated = hostile(fc.constant(shown)).map((b) => new TextDecoder().decode(b));
  fc.assert(
    fc.property(fc.oneof(toml, mutated), (text) => decides(input({ file: { path: "f", text } }))),
    runs(400),
  );
});

Deno.test("resolveConfig decides any flags and environment", () => {
  const flag = fc.record({ flag: fc.constant("--set"), key, text: value });
  const env = fc.dictionary(
    fc.oneof(fc.constantFrom(...keys).map(envName), fc.string().map((s) => `ROOST_${s}`)),
    value,
    { maxKeys: 4 },
  );
  fc.assert(
    fc.property(fc.array(flag, { maxLength: 4 }), env, (flags, env) => {
      decides(input({ flags, env }));
    }),
    runs(300),
  );
});

Deno.test("TOML of extreme shape is decided in time", () => {
  const began = performance.now();
  const files = [
    `a = ${"[".repeat(50_000)}`,
    `a = ${"{a=".repeat(20_000)}`,
    `${"a.".repeat(20_000)}a = 1`,
    `[${"a.".repeat(20_000)}a]`,
    `a = "${"\\u0041".repeat(50_000)}"`,
    `a = ${"9".repeat(100_000)}`,
    "[a]\n".repeat(20_000),
    "\n".repeat(500_000),
  ];
  for (const text of files) {
    const result = resolveConfig(input({ file: { path: "f", text } }));
    if (!result.ok) ok(result.errors.every((e) => e.length < 1000), text.slice(0, 20));
  }
  ok(performance.now() - began < 5000);
});

Deno.test("addresses: any text is parsed or refused", () => {
  const text = fc.oneof(
    fc.string({ unit: fc.constantFrom(..."0123456789abcdef:.[]/%x"), maxLength: 45 }),
    fc.string({ unit: codePoint }),
    fc.ipV4(),
    fc.ipV6(),
    fc.ipV6().map((ip) => `[${ip}]:80`),
    fc.domain(),
    fc.webUrl(),
  );
  fc.assert(
    fc.property(text, text, (a, b) => {
      const ip = parseIp(a);
      ok(ip === null || ip.length === 16);
      const cidr = parseCidr(a);
      if (cidr !== null) {
        ok(cidr.bits >= 0 && cidr.bits <= 128);
        cidrContains(cidr, b);
      }
      const bind = parseBind(a);
      if (bind !== null) ok(bind.port >= 0 && bind.port <= 65535 && bind.host !== "");
      const domain = parseDomain(a);
      if (domain !== null) ok(/^[a-z0-9.-]+$/.test(domain));
      const origin = parseOrigin(a);
      if (origin !== null) ok(/^https?:\/\/[^/]+$/.test(origin));
    }),
    runs(2000),
  );
});
