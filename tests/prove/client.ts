/**
 * The client library over a network with faults: connections are cut, half closed, stalled, slow,
 * and overtaken by later ones. Everybody must be shown every message once and in order. The same
 * run with copies of the library that are broken on purpose must find what each does wrong, or the
 * check proves nothing.
 */
import type { createClient } from "../../server/web/client.js";
import { clientLibrary } from "../../server/web/assets.ts";
import { chat, CHAT_FLAGS, type ChatOptions, type ChatResult } from "./client_chat.ts";
import type { Proof, ProofOptions, Verdict } from "./proof.ts";
import { Prng } from "../sim/prng.ts";
import { ServerProcess, tempDir } from "../process/server.ts";

const MESSAGES = 10_000;
/** Of a run with a broken library. */
const BROKEN_MESSAGES = 2000;
const PEOPLE = ["ann", "bob", "cid"] as const;
const TRANSPORTS = ["ws", "poll", "both"] as const;

/** A fault in the library, and what has to be found of it. */
interface Broken {
  readonly name: string;
  readonly from: string;
  readonly to: string;
  readonly transport: ChatOptions["transport"];
  readonly finds: RegExp;
}

const BROKEN: readonly Broken[] = [
  {
    name: "it does not say where it was",
    from: "...(after === null ? {} : { after }),",
    to: "",
    transport: "ws",
    finds: /was shown event \d+ where \d+ was due|[1-9]\d* lost/,
  },
  {
    name: "it repeats messages with another key",
    from: "link.command(op);",
    to:
      'if (op.t === "send") op.fields = { ...op.fields, key: String(Math.random()) };\nlink.command(op);',
    transport: "ws",
    finds: /[1-9]\d* doubled/,
  },
  {
    name: "it sends several messages to one person at once",
    from: '"send", fields, { lane: laneOf(to), slot, at });',
    to: '"send", fields, { slot, at });',
    transport: "poll",
    finds: / 0 lost, 0 doubled, the first fault/,
  },
];

async function attempt(
  { seed }: ProofOptions,
  options: Pick<ChatOptions, "transport" | "messages" | "withinMs" | "createClient">,
): Promise<ChatResult> {
  using dir = tempDir();
  const server = await ServerProcess.start({ dataDir: dir.path, flags: CHAT_FLAGS });
  try {
    return await chat({
      server: server.url,
      people: PEOPLE,
      restarts: 3,
      meanMs: 150,
      stallMs: 1500,
      prng: new Prng(seed).fork(options.transport),
      ...options,
    });
  } finally {
    await server.stop();
  }
}

async function brokenLibrary({ name, from, to }: Broken): Promise<typeof createClient> {
  const source = new TextDecoder().decode(clientLibrary()["/client.js"]!.bytes);
  if (source.split(from).length !== 2) throw new Error(`"${name}" no longer fits the source`);
  using dir = tempDir();
  const path = `${dir.path}/client.js`;
  Deno.writeTextFileSync(path, source.replace(from, to));
  const module: { readonly createClient: typeof createClient } = await import(`file://${path}`);
  return module.createClient;
}

/** The client library over a fault proxy. */
export const clientProof: Proof = {
  name: "client",
  claim: "10,000 messages over connections that break: nothing lost, doubled or misordered, " +
    "on WebSocket, on long-poll, and on both in turn",
  seconds: 150,
  async run(options): Promise<Verdict> {
    const figures: Record<string, string> = {};
    let pass = true;
    for (const transport of TRANSPORTS) {
      const messages = Math.ceil(MESSAGES * options.scale);
      const result = await attempt(options, { transport, messages, withinMs: 600_000 });
      for (const fault of result.faults.slice(0, 10)) options.say(`FAULT ${fault}`);
      pass &&= result.faults.length === 0;
      const told = Object.entries(result.figures).map(([name, value]) => `${name} ${value}`);
      options.say(`${transport}: ${result.faults.length} faults; ${told.join(", ")}`);
      const { messages: sent, seconds, links, connections } = result.figures;
      figures[transport] = `${sent} messages in ${seconds} s over ${connections} connections, ` +
        `${links} links; ${result.faults.length} lost, doubled or misordered`;
    }
    for (const broken of BROKEN) {
      const { faults } = await attempt(options, {
        transport: broken.transport,
        messages: BROKEN_MESSAGES,
        withinMs: 60_000,
        createClient: await brokenLibrary(broken),
      });
      const found = faults.find((fault) => broken.finds.test(fault));
      pass &&= found !== undefined;
      figures[`where ${broken.name}`] = found ?? `NOT FOUND (${faults[0] ?? "no fault"})`;
    }
    return { pass, figures };
  },
};
