/** The AsyncAPI document, and that what it says of the server's frames is what servers have sent. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { z } from "zod";
import { asyncApiDocument } from "../../server/v1/asyncapi.ts";
import { okFrame, SERVER_FRAMES } from "../../server/v1/server_frames.ts";
import type { CommandName } from "../../server/v1/schemas.ts";
import { FRAME_EXAMPLES } from "../../server/v1/examples.ts";
import { PROTOCOL } from "./json_fakes.ts";

type Fields = Readonly<Record<string, unknown>>;

const GOLDEN = new URL("../golden/v1/", import.meta.url);
/** Placeholders that stand for numbers. */
const NUMBERS = /"<(?:number|time|at|expires|wait|retry)\b[^>]*>"/g;

/** Frames of all golden transcripts: those of servers, with the command that an `ok` is for. */
function* goldenFrames(): Generator<{ readonly frame: Fields; readonly command: string }> {
  for (const { name } of Deno.readDirSync(GOLDEN)) {
    const sent = new Map<string, string>();
    for (const line of Deno.readTextFileSync(new URL(name, GOLDEN)).split("\n")) {
      const [, who, way, text] = /^(\w+) ([→←]) (\{"t".*\})$/.exec(line) ?? [];
      if (text === undefined) continue;
      let frame: Fields;
      try {
        frame = JSON.parse(text.replaceAll(NUMBERS, "1"));
      } catch {
        continue;
      }
      const key = `${who} ${frame["id"]}`;
      if (way === "→") sent.set(key, String(frame["t"]));
      else yield { frame, command: sent.get(key) ?? "" };
    }
  }
}

/** What takes an authenticator's signature is tested with Chromium's, for no transcript has one. */
const OF_AUTHENTICATORS = ["passkey_add", "passkey_name", "passkey_remove"];

Deno.test("what servers have sent in golden transcripts is what the document says, and nothing more", () => {
  const seen = new Map<string, number>();
  for (const { frame, command } of goldenFrames()) {
    const t = String(frame["t"]);
    const schema: z.ZodType = t === "ok"
      ? okFrame(command as CommandName)
      : SERVER_FRAMES[t as keyof typeof SERVER_FRAMES];
    const parsed = schema.safeParse(frame);
    ok(parsed.success, `${JSON.stringify(frame)}: ${parsed.error}`);
    // What a schema does not know is not in what it returns.
    deepEqual(parsed.data, frame);
    const name = t === "ok" ? command : t;
    seen.set(name, (seen.get(name) ?? 0) + 1);
  }
  for (const name of Object.keys(SERVER_FRAMES)) ok(seen.has(name), `no ${name}`);
  for (const name of Object.keys(FRAME_EXAMPLES)) {
    ok(seen.has(name) || OF_AUTHENTICATORS.includes(name), `no ok of ${name}`);
  }
});

interface Document {
  readonly channels: Readonly<Record<string, { readonly messages: Fields }>>;
  readonly operations: Readonly<Record<string, { readonly action: string }>>;
  readonly components: { readonly messages: Fields };
}

Deno.test("every frame of clients is an operation with its reply, and every reference leads to something", () => {
  const document = asyncApiDocument(PROTOCOL, "https://chat.example.org/roost");
  const { channels, operations, components } = document as unknown as Document;
  const names = Object.keys(PROTOCOL.schemas.greeting).concat(Object.keys(PROTOCOL.commands));
  const received = Object.values(operations).filter(({ action }) => action === "receive");
  equal(received.length, names.length);
  deepEqual(Object.keys(channels["websocket"]!.messages), Object.keys(components.messages));
  const refs = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)];
  for (const [, ref] of refs) {
    const found = ref!.split("/").reduce<unknown>((at, part) => (at as Fields)?.[part], document);
    ok(found !== undefined, `#/${ref}`);
  }
  const { roost } = (document as unknown as { servers: { roost: Fields } }).servers;
  deepEqual([roost["protocol"], roost["host"], roost["pathname"]], [
    "wss",
    "chat.example.org",
    "/roost",
  ]);
});

Deno.test("every example of the document is one of its frames", () => {
  const { components } = asyncApiDocument(PROTOCOL, null) as unknown as Document;
  let examples = 0;
  for (const [name, message] of Object.entries(components.messages)) {
    const { payload, examples: shown = [] } = message as {
      readonly payload: Parameters<typeof z.fromJSONSchema>[0];
      readonly examples?: readonly { readonly payload: unknown }[];
    };
    const schema = z.fromJSONSchema(payload, { defaultTarget: "draft-7" });
    for (const { payload } of shown) {
      const parsed = schema.safeParse(payload);
      ok(parsed.success, `${name}: ${parsed.error}`);
      examples++;
    }
  }
  ok(examples > 20, `${examples} examples`);
});
