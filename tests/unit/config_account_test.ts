/** Settings that bound one account (issue 10.7). */
import assert from "node:assert/strict";
import { resolveConfig } from "../../server/config/config.ts";

function resolved(settings: Readonly<Record<string, string>>) {
  const flags = Object.entries(settings).map(([key, text]) => ({ flag: key, key, text }));
  return resolveConfig({ dataDir: "/d", file: null, env: {}, flags, filesMax: null, cwd: "/" });
}

Deno.test("10.7: the start warns of counts that no account reaches, and not by default", () => {
  const warnings = (settings: Readonly<Record<string, string>>) => {
    const result = resolved(settings);
    assert.ok(result.ok);
    return result.warnings;
  };
  assert.deepEqual(warnings({}), []);
  const [conversations, contacts, ...rest] = warnings({
    "limits.conversationsMax": "10000",
    "limits.rosterMax": "2000",
    "storage.accountBytesMax": "50000",
  });
  assert.match(conversations!, /conversationsMax is 10000 but others can begin about 426 in/);
  assert.match(contacts!, /rosterMax is 2000 but about 1250 contacts without labels fit/);
  assert.deepEqual(rest, []);
});

Deno.test("10.7: what an account sends has to fit into one write of the store", () => {
  const most = { "limits.sendingCharsMax": "131072", "storage.accountBytesMax": "256000000" };
  assert.ok(resolved(most).ok);
  const result = resolved({ ...most, "limits.waitingTotalCharsMax": "65536" });
  assert.ok(!result.ok);
  assert.match(
    result.errors.join(),
    /sendingCharsMax is 131072 and .* is 65536, but .* up to 163840 together: lower one/,
  );
});
