/** The binary's end, and what returns: drained, killed, and what it leaves on the disk. */
import assert from "node:assert/strict";
import type { Client } from "../../../server/web/client.d.ts";
import { type BinaryFixture, type Check, PASSWORD, until } from "./binary_fixture.ts";
import { servedLibrary } from "./talk.ts";

/** Messages that are on their way when the server is killed. */
const MESSAGES = 2000;

async function pair(
  fixture: BinaryFixture,
  first: string,
  second: string,
): Promise<readonly Client[]> {
  const create = await servedLibrary(fixture);
  const { url } = fixture.server;
  const timing = { backoffBaseMs: 50, backoffCapMs: 500 };
  const clients = [first, second].map(() => create({ url, onlyTransport: "ws", timing }));
  for (const [i, user] of [first, second].entries()) {
    await clients[i]!.register({ user, password: PASSWORD });
    await clients[i]!.setMessagesFrom("anyone");
  }
  return clients;
}

const online = (client: Client) => client.state.status === "online";

const drained: Check = {
  name: "SIGTERM drains: clients are sent away, exit code 0, and return to the next start",
  async run(fixture) {
    const [kim, lea] = await pair(fixture, "kim", "lea") as [Client, Client];
    const shown: string[] = [];
    lea.on("message", ({ body }) => void shown.push(body));
    await kim.send("lea", "before");
    const began = performance.now();
    const sent = kim.send("lea", "at its end");
    await fixture.stop(fixture.server);
    const tookMs = Math.round(performance.now() - began);
    await until("the end", () => online(kim), (is) => !is);
    const waiting = kim.send("lea", "while it was away");
    await fixture.open();
    await Promise.all([sent, waiting]);
    await until("all three", () => shown.length, (count) => count === 3);
    assert.deepEqual(shown, ["before", "at its end", "while it was away"]);
    for (const client of [kim, lea]) client.close();
    return `drained in ${tookMs} ms, 3 messages once and in order`;
  },
};

const killed: Check = {
  name: "kill -9 in the middle of messages: all that was acked exists, once and in order",
  async run(fixture) {
    const [mia, ned] = await pair(fixture, "mia", "ned") as [Client, Client];
    const shown: string[] = [];
    ned.on("message", ({ body }) => void shown.push(body));
    let acked = 0;
    let ackedBefore = 0;
    const texts = Array.from({ length: MESSAGES }, (_, i) => `message ${i}`);
    let next = 0;
    const lane = async () => {
      while (next < texts.length) {
        await mia.send("ned", texts[next++]!);
        acked++;
      }
    };
    const lanes = Array.from({ length: 50 }, lane);
    await until("a third", () => acked, (count) => count > MESSAGES / 3);
    await fixture.kill(fixture.server);
    ackedBefore = acked;
    assert.ok(ackedBefore < MESSAGES, "it was killed too late to show anything");
    const began = performance.now();
    await fixture.open();
    const startMs = Math.round(performance.now() - began);
    await Promise.all(lanes);
    await until("all messages", () => shown.length, (count) => count >= MESSAGES);
    assert.deepEqual(shown, texts);
    for (const client of [mia, ned]) client.close();
    return `${ackedBefore} of ${MESSAGES} acked before, all shown once and in order; ` +
      `served again after ${startMs} ms`;
  },
};

/** What may be in the home in the end. */
const HOME = [".local/state/roost"];

const leftovers: Check = {
  name: "nothing else was written or is left running, and nothing was needed beside it",
  async run(fixture) {
    await fixture.stop(fixture.server);
    assert.deepEqual(fixture.processes() ?? [], []);
    const below = (path: string): readonly string[] =>
      [...Deno.readDirSync(path)].flatMap(({ name, isDirectory }) =>
        isDirectory ? below(`${path}/${name}`) : [`${path}/${name}`]
      );
    const files = below(fixture.home).map((path) => path.slice(fixture.home.length + 1));
    const strange = files.filter((path) => !HOME.some((known) => path.startsWith(`${known}/`)));
    assert.deepEqual(strange, []);
    const temp = below(fixture.env["TMPDIR"]!);
    assert.deepEqual(temp, []);
    return `${files.length} files in the home, ${temp.length} temporary ones`;
  },
};

/** All of it; the server is stopped in the end. */
export const LIFE_CHECKS: readonly Check[] = [drained, killed, leftovers];
