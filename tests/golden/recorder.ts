/** Makes a transcript of a draft: does what the draft says, and writes down what is heard. */
import { parseToken } from "../../server/auth/token.ts";
import type { Heard, Line, Transcript } from "./transcript.ts";
import { heardText } from "./transcript.ts";
import type { Host } from "./host.ts";
import type { Json, JsonObject } from "./placeholders.ts";
import { TranscriptRun } from "./transcript_run.ts";

/** Fields whose texts are random, and the kind of placeholder that stands for them. */
const RANDOM: Readonly<Record<string, string>> = {
  token: "token",
  session: "session",
  exchange: "exchange",
};
/** Fields whose numbers are times or waits that nothing else repeats. */
const LOOSE: Readonly<Record<string, string>> = {
  serverTime: "time",
  edited: "time",
  createdAt: "time",
  lastSeen: "time",
  retryAfterMs: "wait",
};

/** Names for what is random in one recording. */
class Names {
  /** Value → placeholder without brackets. */
  readonly #known = new Map<string | number, string>();
  readonly #counts = new Map<string, number>();
  /** Label → account, as far as it is known. */
  readonly #owners = new Map<string, string>();
  readonly #bind: (key: string, value: string | number) => void;
  /** Everything that the draft itself has said: it is not random. */
  said = "";
  #limitsSeen = false;

  constructor(bind: (key: string, value: string | number) => void) {
    this.#bind = bind;
  }

  own(label: string, bearer: string | null): void {
    const user = bearer === null ? null : parseToken(bearer);
    if (user !== null) this.#owners.set(label, user);
  }

  /** A name for a value: the one it has, or a new one after the label. */
  #name(kind: string, label: string, value: string | number): string {
    const known = this.#known.get(value);
    if (known !== undefined) return known;
    const base = `${kind}:${label}`;
    const count = (this.#counts.get(base) ?? 0) + 1;
    this.#counts.set(base, count);
    const key = count === 1 ? base : `${base}.${count}`;
    this.#known.set(value, key);
    this.#bind(key, value);
    return key;
  }

  #cursor(label: string, cursor: string): string {
    const [box, seq] = cursor.split(":") as [string, string];
    return `<${this.#name("box", label, box)}>:${seq}`;
  }

  /** Times of mailbox events are named by their place: `<at:ann.5>`. */
  #at(label: string, seq: Json): string {
    return `<at:${this.#owners.get(label) ?? label}.${seq}>`;
  }

  #field(label: string, name: string, value: Json, object: JsonObject): Json {
    if (typeof value === "string") return this.#text(label, name, value, object);
    if (typeof value !== "number") return this.json(label, value);
    const loose = LOOSE[name];
    if (loose !== undefined) return `<${loose}>`;
    if (name === "expiresAt") return `<${this.#name("expires", label, value)}>`;
    if (name === "at") return this.#at(label, object["seq"]!);
    if (name === "lastAt") return value === 0 ? 0 : this.#at(label, object["lastSeq"]!);
    if (name !== "soft") return value;
    return object["t"] === "events" ? "<number>" : `<${this.#soft(label, value)}>`;
  }

  #soft(label: string, value: number): string {
    const key = `number:${label}.${value}`;
    this.#bind(key, value);
    return key;
  }

  #text(label: string, name: string, value: string, object: JsonObject): string {
    const kind = RANDOM[name];
    if (kind !== undefined) return `<${this.#name(kind, label, value)}>`;
    if (name === "cursor") return this.#cursor(label, value);
    if (name === "scram") return `v=<signature:${label}>`;
    if (name === "device" && !this.said.includes(`"${value}"`) && value.length === 16) {
      return `<${this.#name("device", label, value)}>`;
    }
    if (name !== "message") return value;
    const challenge = /^r=([^,]+),s=([^,]+),i=\d+$/.exec(value);
    if (challenge === null) return object["code"] === undefined ? value : "<text>";
    const nonce = /,r=([^",]+)"/.exec(this.said.slice(this.said.lastIndexOf(",r=")))![1]!;
    const fresh = this.#name("nonce", label, challenge[1]!.slice(nonce.length));
    return `r=${nonce}<${fresh}>,s=<${this.#name("salt", label, challenge[2]!)}>,i=<count>`;
  }

  /** The first time, all that there are; their values are the operator's affair. */
  #limits(limits: JsonObject): JsonObject {
    const names = this.#limitsSeen ? [] : Object.keys(limits);
    this.#limitsSeen = true;
    return Object.fromEntries(names.map((name) => [name, "<number>"]));
  }

  /** A value with placeholders for what is random. */
  json(label: string, value: Json): Json {
    if (value === null || typeof value !== "object") return value;
    if (Array.isArray(value)) return value.map((item) => this.json(label, item));
    const object = value as JsonObject;
    if (typeof object["user"] === "string" && object["expiresAt"] !== undefined) {
      this.#owners.set(label, object["user"]);
    }
    return Object.fromEntries(
      Object.entries(object).map(([name, inner]) =>
        name === "limits"
          ? [name, this.#limits(inner as JsonObject)]
          : [name, this.#field(label, name, inner, object)]
      ),
    );
  }

  heard(label: string, heard: Heard): Heard {
    switch (heard.kind) {
      case "end":
        return heard;
      case "frame":
        return { ...heard, frame: this.json(label, heard.frame) };
      case "event":
        return {
          ...heard,
          id: heard.id === "-" ? "-" : this.#cursor(label, heard.id),
          data: this.json(label, heard.data),
        };
      case "answer": {
        const headers = heard.headers.map(([name, value]) =>
          [name, name === "retry-after" ? "<count>" : value] as const
        );
        return { ...heard, headers, body: this.json(label, heard.body) };
      }
    }
  }
}

/** Whether what a line does is answered soon, so that the next one can wait for it. */
function answers(line: Line): line is Line & { readonly kind: "step" } {
  if (line.kind !== "step") return false;
  const { step } = line;
  return step.kind === "say" || (step.kind === "ask" && !step.request.path.includes("/events"));
}

/** Plays a draft and gives the lines of the transcript, without the draft's comments. */
export async function record(
  draft: Transcript,
  host: Host,
): Promise<readonly { readonly after: Line; readonly heard: readonly string[] }[]> {
  let heard: string[] = [];
  const names: Names = new Names((key, value) => run.bindings.set(key, value));
  const run: TranscriptRun = new TranscriptRun(host, (label, what) => {
    heard.push(`${label} ← ${heardText(names.heard(label, what))}`);
  });
  const out: { after: Line; heard: string[] }[] = [];
  for (const line of draft.lines) {
    if (line.kind === "step" && line.step.kind === "hear") {
      throw new Error(`line ${line.number}: a draft says only what is done`);
    }
    names.said += `${line.text}\n`;
    heard = [];
    if (line.kind === "step" && line.step.kind === "ask") {
      const bearer = line.step.request.headers.find(([name]) => name === "bearer")?.[1];
      const token = bearer === undefined ? undefined : run.bindings.get(bearer.slice(1, -1));
      names.own(line.label, token === undefined ? null : String(token));
    }
    await run.perform(line);
    if (answers(line)) await host.until(() => heard.some((h) => h.startsWith(`${line.label} `)));
    await host.settle();
    out.push({ after: line, heard });
  }
  return out;
}

/** The text of the transcript: the draft with what was heard after each line. */
export function transcriptText(
  draft: string,
  recorded: Awaited<ReturnType<typeof record>>,
): string {
  const heardAfter = new Map(recorded.map(({ after, heard }) => [after.number, heard]));
  return draft.trimEnd().split("\n")
    .flatMap((line, i) => [line, ...heardAfter.get(i + 1) ?? []]).join("\n") + "\n";
}
