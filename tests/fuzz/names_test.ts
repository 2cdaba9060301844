import { equal, ok } from "node:assert/strict";
import fc from "fast-check";
import {
  formatCursor,
  newId,
  parseCursor,
  parseDeviceId,
  parseSessionId,
  pointOf,
} from "../../shard/name/ids.ts";
import {
  checkName,
  NAME_BYTES_MAX,
  parseAddress,
  parseName,
  PASSWORD_BYTES_MAX,
  preparePassword,
} from "../../shard/name/name.ts";
import { runs } from "./hostile_bytes.ts";
import { codePoint } from "./schema_values.ts";

/** Any UTF-16, lone surrogates included. */
const utf16 = fc.string({
  unit: fc.oneof(
    codePoint,
    fc.integer({ min: 0xd800, max: 0xdfff }).map((c) => String.fromCharCode(c)),
  ),
  maxLength: 40,
});
/** Characters that PRECIS, bidi and addresses treat in ways of their own. */
const special = fc.string({
  unit: fc.constantFrom(
    ..."aB.@/:·ͅ\u0375\u05d0\u05f3\u0660\u06f0\u200c\u200d\u094d",
    ..."\u0301\u0307İΣßﬁＡｶﾞ\u1100\u3007\u30fb",
  ),
  maxLength: 12,
});
const anyText = fc.oneof(utf16, special, fc.string());

const utf8Bytes = (text: string) => new TextEncoder().encode(text).length;

Deno.test("parseName gives stable names without anything an address could confuse", () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const name = parseName(text);
      if (name === null) {
        const checked = checkName(text);
        return void ok(!checked.ok && checked.reason.length > 0 && checked.reason.isWellFormed());
      }
      equal(parseName(name), name);
      ok(name.isWellFormed() && utf8Bytes(name) <= NAME_BYTES_MAX);
      ok(!/[\s@/"&':<>\p{C}]/u.test(name.replaceAll(/[\u200c\u200d]/g, "")), name);
      const bare = parseAddress(name, "example.com");
      const full = parseAddress(`${name}@EXAMPLE.com.`, "example.com");
      ok(bare.ok && full.ok && bare.name === name && full.name === name);
    }),
    runs(3000),
  );
});

Deno.test("parseAddress answers every text with a name or one of two refusals", () => {
  fc.assert(
    fc.property(anyText, anyText, (user, domain) => {
      for (const text of [user, `${user}@${domain}`, `@${domain}`, `${user}@`]) {
        const found = parseAddress(text, "example.com");
        if (found.ok) equal(parseName(found.name), found.name);
        else ok(found.kind === "invalid" || found.kind === "foreign");
      }
    }),
    runs(1000),
  );
});

Deno.test("names of any length are decided in time that their bound sets", () => {
  const began = performance.now();
  for (const unit of ["a", "İ", "ﬁ", "\u0301", "\u200d", "ل", "·", "@", "\u{1d400}", "\ud800"]) {
    const long = unit.repeat(400_000 / unit.length);
    equal(parseName(long), null);
    equal(parseAddress(`a@${long}`, "example.com").ok, false);
    equal(preparePassword(long), null);
    equal(parseCursor(long), null);
    equal(parseDeviceId(long), null);
  }
  ok(performance.now() - began < 2000);
});

Deno.test("preparePassword is idempotent, bounded and well-formed", () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const prepared = preparePassword(text);
      if (prepared === null) return;
      equal(preparePassword(prepared), prepared);
      ok(prepared !== "" && prepared.isWellFormed() && utf8Bytes(prepared) <= PASSWORD_BYTES_MAX);
    }),
    runs(2000),
  );
});

Deno.test("pointOf stays in the hash space for every text", () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const point = pointOf(text);
      ok(Number.isInteger(point) && point >= 0 && point < 2 ** 32);
      equal(pointOf(text), point);
    }),
    runs(500),
  );
});

const random12 = fc.uint8Array({ minLength: 12, maxLength: 12 });

Deno.test("ids that newId makes are parsed again, with any seq as a cursor", () => {
  fc.assert(
    fc.property(random12, fc.nat({ max: 999_999_999_999_999 }), (bytes, seq) => {
      const id = newId<never>(bytes) as string;
      equal(parseSessionId(id), id);
      equal(parseDeviceId(id), id);
      const cursor = parseCursor(`${id}:${seq}`);
      ok(cursor !== null && cursor.mailboxId === id && cursor.seq === seq);
      equal(formatCursor(cursor), `${id}:${seq}`);
    }),
    runs(500),
  );
});

const near = fc.oneof(
  anyText,
  fc.tuple(fc.string({ maxLength: 18 }), fc.string({ maxLength: 18 })).map(([a, b]) => `${a}:${b}`),
  fc.string({ unit: fc.constantFrom(..."AZaz09-_:\n\r \u2028"), maxLength: 34 }),
);

Deno.test("parseCursor, parseDeviceId and parseSessionId take only what they would write", () => {
  fc.assert(
    fc.property(near, (text) => {
      const cursor = parseCursor(text);
      if (cursor !== null) equal(formatCursor(cursor), text);
      const device = parseDeviceId(text);
      if (device !== null) ok(/^[!-~]+$/.test(device) && device.length <= 64);
      const session = parseSessionId(text);
      if (session !== null) equal(session.length, 16);
    }),
    runs(1500),
  );
});
