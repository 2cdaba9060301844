import assert from "node:assert/strict";
import { type PasskeyPages, siteOf } from "../../server/auth/passkey_site.ts";

function site(at: string, change: Partial<PasskeyPages> = {}) {
  const pages = { domain: "example.org", publicUrl: null, origins: () => [], ...change };
  const result = siteOf(at, pages);
  return result.ok ? `${result.value.origin} ${result.value.rpId}` : result.code;
}

Deno.test("13: siteOf: the domain of the accounts, where the page is at it or below", () => {
  const publicUrl = "https://chat.example.org/a/roost";
  assert.equal(site(publicUrl, { publicUrl }), "https://chat.example.org example.org");
  assert.equal(site("https://example.org"), "https://example.org example.org");
  const origins = () => ["https://us.example.org", "https://app.other.net", "*"];
  assert.equal(
    site("https://us.example.org", { publicUrl, origins }),
    "https://us.example.org example.org",
  );
  assert.equal(
    site("https://app.other.net", { publicUrl, origins }),
    "https://app.other.net app.other.net",
  );
  assert.equal(site("https://evil.example.org", { publicUrl, origins }), "forbidden");
  assert.equal(site("https://evil.net", { publicUrl, origins }), "forbidden");
  assert.equal(site("https://example.org", { publicUrl }), "forbidden", "not where the pages are");
});

Deno.test("13: siteOf: the refusal of a page that is not named has a reason for programs", () => {
  const pages = { domain: "example.org", publicUrl: null, origins: () => [] };
  const refused = siteOf("https://evil.net", pages);
  assert.match(refused.ok ? "" : refused.message, /\(page\)/);
});

Deno.test("13: siteOf: the host where the accounts have another domain, and localhost", () => {
  const publicUrl = "https://chat.example.net";
  assert.equal(site(publicUrl, { publicUrl }), "https://chat.example.net chat.example.net");
  assert.equal(site("http://localhost:3000"), "http://localhost:3000 localhost");
  assert.equal(site("http://localhost:3000", { publicUrl }), "forbidden");
  const local = { publicUrl: "http://127.0.0.1:8420" };
  assert.equal(site("http://localhost:8420", local), "http://localhost:8420 localhost");
});
