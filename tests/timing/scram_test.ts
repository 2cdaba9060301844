import assert from "node:assert/strict";
import { assertAlike } from "./area_under_curve.ts";
import { ServerProcess, tempDir } from "../process/server.ts";
import { roost } from "../process/cli.ts";

/** Users of each kind that are asked for: so many that chance alone moves the area by 0.017. */
const EACH = 600;

/** How long the first step of SCRAM takes (ms). */
async function firstStepMs(url: string, user: string): Promise<number> {
  const message = `n,,n=${user},r=${crypto.randomUUID()}`;
  const began = performance.now();
  const response = await fetch(`${url}/v1/auth/scram`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ mechanism: "SCRAM-SHA-256", message }),
  });
  const text = await response.text();
  const tookMs = performance.now() - began;
  assert.equal(response.status, 200, text);
  return tookMs;
}

Deno.test("the time of a SCRAM exchange does not tell whose account is in memory (10.8)", async () => {
  using dir = tempDir();
  const flags = [
    "--set",
    "limits.requestsPerAddressPerSecond=1000",
    "--set",
    "limits.requestsPerAddressBurst=5000",
  ];
  const server = await ServerProcess.start({ dataDir: dir.path, flags });
  const add = ["user", "add", "ann", "--password-stdin", "--data", dir.path];
  assert.equal((await roost(add, "correct horse battery\n")).code, 0);
  for (let i = 0; i < 50; i++) await firstStepMs(server.url, i % 2 === 0 ? "ann" : `warm${i}`);
  // Each name is asked for once: afterwards it is in memory as well.
  await assertAlike(
    EACH,
    () => firstStepMs(server.url, "ann"),
    (i) => firstStepMs(server.url, `user${i}`),
  );
  await server.stop();
});
