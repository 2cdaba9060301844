import assert from "node:assert/strict";
import { encodeBase64Url } from "byte-encodings/base64url";
import { assertAlike } from "./area_under_curve.ts";
import { ServerProcess, tempDir } from "../process/server.ts";
import { roost } from "../process/cli.ts";

/** Users of each kind whose tokens are guessed: chance alone moves the area by 0.017. */
const EACH = 600;

/** How long the refusal of a wrong token of `user` takes (ms). */
async function refusalMs(url: string, user: string): Promise<number> {
  const name = encodeBase64Url(new TextEncoder().encode(user));
  const secret = encodeBase64Url(crypto.getRandomValues(new Uint8Array(32)));
  const began = performance.now();
  const response = await fetch(`${url}/v1/devices`, {
    headers: { authorization: `Bearer rt1_${name}_${secret}` },
  });
  const text = await response.text();
  const tookMs = performance.now() - began;
  assert.equal(response.status, 401, text);
  return tookMs;
}

Deno.test("10.9: the time of a wrong token's refusal does not tell whose account is in memory", async () => {
  using dir = tempDir();
  const settings = [
    "limits.requestsPerAddressPerSecond=1000",
    "limits.requestsPerAddressBurst=5000",
    "auth.addressFailuresBurst=10000",
  ];
  const flags = settings.flatMap((setting) => ["--set", setting]);
  const server = await ServerProcess.start({ dataDir: dir.path, flags });
  const add = ["user", "add", "ann", "--password-stdin", "--data", dir.path];
  assert.equal((await roost(add, "correct horse battery\n")).code, 0);
  for (let i = 0; i < 50; i++) await refusalMs(server.url, i % 2 === 0 ? "ann" : `warm${i}`);
  // Each name is asked for once: afterwards it is in memory as well.
  await assertAlike(
    EACH,
    () => refusalMs(server.url, "ann"),
    (i) => refusalMs(server.url, `user${i}`),
  );
  await server.stop();
});
