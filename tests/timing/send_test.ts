import assert from "node:assert/strict";
import { assertAlike } from "./area_under_curve.ts";
import { Client } from "../process/client.ts";
import { register } from "../process/pulse.ts";
import { ServerProcess, tempDir } from "../process/server.ts";

/** Names of each kind that are written to. */
const EACH = 200;
/** Users who write in turns: messages that wait at one sender are bounded. */
const SENDERS = 5;
const SETTINGS = [
  "limits.requestsPerAddressPerSecond=1000",
  "limits.requestsPerAddressBurst=5000",
  "limits.framesPerSecond=1000",
  "limits.framesBurst=5000",
  "limits.sendsPerSecond=1000",
  "limits.sendsBurst=5000",
  "limits.signalsPerSecond=1000",
  "limits.signalsBurst=5000",
];

/** Reads an account into memory, as everything does that is about its user. */
async function warm(url: string, user: string): Promise<void> {
  const message = `n,,n=${user},r=${crypto.randomUUID()}`;
  const response = await fetch(`${url}/v1/auth/scram`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ mechanism: "SCRAM-SHA-256", message }),
  });
  assert.equal(response.status, 200, await response.text());
}

/** Commands that are about a stranger by name, with what they take. */
const COMMANDS: Readonly<Record<string, (to: string) => Readonly<Record<string, unknown>>>> = {
  // Nothing is stored for it, so that its time has the least noise.
  signal: (to) => ({ to, type: "x", body: "x" }),
  send: (to) => ({ to, key: to, body: "x" }),
};

for (const [command, fieldsFor] of Object.entries(COMMANDS)) {
  Deno.test(`10.8: the time of a ${command} does not tell whether a stranger is in memory`, () =>
    measure(command, fieldsFor));
}

async function measure(
  command: string,
  fieldsFor: (to: string) => Readonly<Record<string, unknown>>,
) {
  using dir = tempDir();
  const flags = ["--registration", "open", ...SETTINGS.flatMap((s) => ["--set", s])];
  const server = await ServerProcess.start({ dataDir: dir.path, flags });
  const senders: Client[] = [];
  for (let i = 0; i < SENDERS; i++) {
    const token = await register(server.url, `sender${i}`);
    senders.push(await Client.connect(server.wsUrl, { auth: { token } }));
  }
  let sends = 0;
  const sendMs = async (to: string): Promise<number> => {
    const sender = senders[sends++ % SENDERS]!;
    const began = performance.now();
    await sender.command(command, fieldsFor(to));
    return performance.now() - began;
  };
  for (let i = 0; i < EACH; i++) await warm(server.url, `warm${i}`);
  for (let i = 0; i < 50; i++) await sendMs(`first${i}`);
  await assertAlike(EACH, (i) => sendMs(`warm${i}`), (i) => sendMs(`cold${i}`));
  for (const sender of senders) await sender.close();
  await server.stop();
}
