/**
 * The AsyncAPI 3.1 document of the WebSocket, made from the schemas that check the client's frames and
 * from those that the server's frames are held to. Actions are the server's.
 */
import { z } from "zod";
import { ANSWER_EXAMPLES, FRAME_EXAMPLES, GREETING_EXAMPLES } from "./examples.ts";
import type { CommandTable } from "./command.ts";
import { LICENSE } from "./openapi.ts";
import { type Protocol, PROTOCOL_VERSION } from "./protocol.ts";
import { okFrame, SERVER_FRAMES, type ServerFrameName } from "./server_frames.ts";
import type { CommandName } from "./schemas.ts";

type Json = { [key: string]: unknown };
type Greeting = keyof Protocol["schemas"]["greeting"];

const CHANNEL = "websocket";
const ANSWERED: Readonly<Record<Greeting, readonly string[]>> = {
  hello: ["welcome", "challenge", "error"],
  register: ["welcome", "error"],
  auth: ["welcome", "error"],
};
const GREETINGS: Readonly<Record<Greeting, string>> = {
  hello: "signs in, and opens a session",
  register: "makes an account, and signs its first device in",
  auth: "ends a SCRAM exchange",
};
const SENT: Readonly<Record<ServerFrameName, string>> = {
  welcome: "the session is open",
  challenge: "SCRAM's challenge, which `auth` answers",
  error: "a refusal, of a command where it has its id",
  events: "events, in their order",
  goaway: "the server ends the connection",
};

/** Builds the document; `publicUrl` as in `RestDeps`. */
export function asyncApiDocument(protocol: Protocol, publicUrl: string | null): Json {
  const messages = allMessages(protocol);
  const url = new URL(publicUrl ?? "http://localhost");
  return {
    asyncapi: "3.1.0",
    id: "urn:roost:protocol:v1",
    info: {
      title: "Roost protocol v1",
      version: `${PROTOCOL_VERSION}.0.0`,
      license: { name: LICENSE.name },
      description:
        "The frames of the WebSocket. Each is one JSON object in a text message; ignore " +
        "fields, events and frames that you do not know. `/openapi.json` has the same commands " +
        "as requests.",
    },
    defaultContentType: "application/json",
    servers: {
      roost: {
        host: url.host,
        protocol: url.protocol === "https:" ? "wss" : "ws",
        pathname: url.pathname.replace(/\/$/, ""),
        ...(publicUrl === null ? { description: "Where this document was read from" } : {}),
      },
    },
    channels: {
      [CHANNEL]: {
        address: "/v1/ws",
        messages: Object.fromEntries(
          Object.keys(messages).map((name) => [name, { $ref: `#/components/messages/${name}` }]),
        ),
      },
    },
    operations: { ...clientOperations(protocol), ...serverOperations() },
    components: { messages },
  };
}

function channelMessage(name: string): Json {
  return { $ref: `#/channels/${CHANNEL}/messages/${name}` };
}

function okName(command: string): string {
  return `${command}Ok`;
}

function received(name: string, summary: string, answers: readonly string[]): Json {
  const channel = { $ref: `#/channels/${CHANNEL}` };
  return {
    action: "receive",
    summary,
    channel,
    messages: [channelMessage(name)],
    reply: { channel, messages: answers.map(channelMessage) },
  };
}

function clientOperations({ commands, schemas }: Protocol): Json {
  const operations: Json = {};
  for (const name of Object.keys(schemas.greeting) as Greeting[]) {
    operations[name] = received(name, GREETINGS[name], ANSWERED[name]);
  }
  for (const { name, summary } of Object.values<CommandTable[CommandName]>(commands)) {
    operations[commandName(name)] = received(commandName(name), summary, [okName(name), "error"]);
  }
  return operations;
}

/** A command has the name of its frame, but where a frame of the server has that. */
function commandName(name: CommandName): string {
  return name in SERVER_FRAMES ? `${name}Command` : name;
}

function serverOperations(): Json {
  const channel = { $ref: `#/channels/${CHANNEL}` };
  const pushed = ["events", "goaway"] as const;
  return Object.fromEntries(pushed.map((name) => [`${name}Pushed`, {
    action: "send",
    summary: SENT[name],
    channel,
    messages: [channelMessage(name)],
  }]));
}

/** JSON Schema of draft 7, which AsyncAPI has by default. */
function schemaOf(schema: z.ZodType): Json {
  const { $schema: _, ...json } = z.toJSONSchema(schema, { io: "input", target: "draft-7" });
  return json;
}

function message(name: string, summary: string, payload: Json, example: unknown): Json {
  return {
    name,
    title: name,
    summary,
    payload,
    ...(example === undefined ? {} : { examples: [{ payload: example }] }),
  };
}

function allMessages({ commands, schemas }: Protocol): Json {
  const messages: Json = {};
  for (const name of Object.keys(schemas.greeting) as Greeting[]) {
    const schema = schemaOf(schemas.greeting[name]);
    messages[name] = message(name, GREETINGS[name], schema, GREETING_EXAMPLES[name]);
  }
  for (const name of Object.keys(SERVER_FRAMES) as ServerFrameName[]) {
    messages[name] = message(name, SENT[name], schemaOf(SERVER_FRAMES[name]), exampleOf(name));
  }
  const correlationId = { location: "$message.payload#/id" };
  for (const { name, summary } of Object.values<CommandTable[CommandName]>(commands)) {
    const title = commandName(name);
    const frame = commandFrame(name, schemaOf(schemas.commands[name]));
    messages[title] = { ...message(title, summary, frame, FRAME_EXAMPLES[name]), correlationId };
    const reply = okName(name);
    const ok = message(reply, `what ${name} returns`, schemaOf(okFrame(name)), undefined);
    messages[reply] = { ...ok, correlationId };
  }
  return messages;
}

function commandFrame(name: CommandName, input: Json): Json {
  const { properties, required } = input as { properties?: Json; required?: readonly string[] };
  return {
    type: "object",
    properties: {
      t: { type: "string", const: name },
      id: { type: "integer", minimum: 0, maximum: Number.MAX_SAFE_INTEGER },
      ...properties,
    },
    required: ["t", "id", ...required ?? []],
  };
}

function exampleOf(name: ServerFrameName): unknown {
  const events = [ANSWER_EXAMPLES.Message, ANSWER_EXAMPLES.SoftEvent];
  switch (name) {
    case "welcome":
      return { t: name, ...ANSWER_EXAMPLES.Welcome as object };
    case "error":
      return { t: name, id: 1, ...ANSWER_EXAMPLES.Error as object };
    case "events":
      return { t: name, soft: 3, ev: events };
    case "goaway":
      return { t: name, reason: "shutdown", retryAfterMs: 2000 };
    case "challenge":
      return {
        t: name,
        message: "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY,s=QSXCR+Q6sek8bf92,i=100000",
      };
  }
}
