/**
 * Transcripts: dialogues with a server, one frame per line. See README.md for the notation.
 */
import type { Json } from "./placeholders.ts";

/** A request over HTTP. */
export interface RequestLine {
  readonly method: string;
  readonly path: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Text of the body; null for none. */
  readonly body: string | null;
}

/** What the server said, as it was recorded. */
export type Heard =
  | { readonly kind: "frame"; readonly frame: Json }
  /** The connection, or the stream, was ended by the server. */
  | { readonly kind: "end" }
  | {
    readonly kind: "answer";
    readonly status: number;
    readonly headers: readonly (readonly [name: string, value: string])[];
    /** null: none, or one that is not looked at. */
    readonly body: Json;
  }
  /** A server-sent event. */
  | {
    readonly kind: "event";
    readonly event: string;
    readonly id: string;
    readonly data: Json;
  };

/** What the transcript does. */
export type Step =
  /** Begins a WebSocket under the label, or ends it: politely, or as a lost network does. */
  | { readonly kind: "open" | "close" | "lost" }
  | { readonly kind: "say"; readonly text: string }
  | { readonly kind: "ask"; readonly request: RequestLine }
  | { readonly kind: "hear"; readonly heard: Heard };

/** One line that does something; `number` counts the file's lines from 1. */
export type Line =
  & { readonly number: number; readonly text: string }
  & (
    | { readonly kind: "step"; readonly label: string; readonly step: Step }
    /** Time passes. */
    | { readonly kind: "pause"; readonly ms: number }
    /** Something that no client does: `words[0]` names it. */
    | { readonly kind: "do"; readonly words: readonly string[] }
  );

/** A transcript. */
export interface Transcript {
  readonly settings: Readonly<Record<string, string>>;
  readonly lines: readonly Line[];
}

const REQUEST = /^(GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH) (\S+)/;
const HEADER = /^([a-z][a-z-]*)=(?:("(?:[^"\\]|\\.)*")|(\S+))(?: |$)/;

function parseHeaders(text: string): { headers: [string, string][]; rest: string } {
  const headers: [string, string][] = [];
  let rest = text.trimStart();
  for (let m = HEADER.exec(rest); m !== null; m = HEADER.exec(rest)) {
    headers.push([m[1]!, m[2] === undefined ? m[3]! : JSON.parse(m[2])]);
    rest = rest.slice(m[0].length).trimStart();
  }
  return { headers, rest };
}

function parseSaid(text: string): Step {
  if (text === "open" || text === "close" || text === "lost") return { kind: text };
  const m = REQUEST.exec(text);
  if (m === null) return { kind: "say", text };
  const { headers, rest } = parseHeaders(text.slice(m[0].length));
  const body = rest === "" ? null : rest;
  return { kind: "ask", request: { method: m[1]!, path: m[2]!, headers, body } };
}

function parseHeard(text: string): Heard {
  if (text === "end") return { kind: "end" };
  const event = /^event (\S+) id=(\S+) (.*)$/.exec(text);
  if (event !== null) {
    return { kind: "event", event: event[1]!, id: event[2]!, data: JSON.parse(event[3]!) };
  }
  const answer = /^(\d{3})(?: |$)/.exec(text);
  if (answer === null) return { kind: "frame", frame: JSON.parse(text) };
  const { headers, rest } = parseHeaders(text.slice(answer[0].length));
  const body: Json = rest === "" ? null : JSON.parse(rest);
  return { kind: "answer", status: Number(answer[1]), headers, body };
}

function parseLine(text: string, number: number): Line {
  const pause = /^· (\d+)$/.exec(text);
  if (pause !== null) return { kind: "pause", ms: Number(pause[1]), number, text };
  if (text.startsWith("! ")) return { kind: "do", words: text.slice(2).split(" "), number, text };
  const m = /^([a-z][a-z0-9-]*) (→|←) (.*)$/.exec(text);
  if (m === null) throw new Error(`line ${number} is none of a transcript: ${text}`);
  const [, label, arrow, rest] = m as unknown as [string, string, string, string];
  try {
    const step: Step = arrow === "→" ? parseSaid(rest) : { kind: "hear", heard: parseHeard(rest) };
    return { kind: "step", label, step, number, text };
  } catch (cause) {
    throw new Error(`line ${number} has no JSON: ${text}`, { cause });
  }
}

/** Reads a transcript's text. Throws where a line is none. */
export function parseTranscript(text: string): Transcript {
  const settings: Record<string, string> = {};
  const lines: Line[] = [];
  for (const [i, line] of text.split("\n").entries()) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const setting = /^@ ([A-Za-z.]+)=(.*)$/.exec(line);
    if (setting !== null) settings[setting[1]!] = setting[2]!;
    else lines.push(parseLine(line, i + 1));
  }
  return { settings, lines };
}

function headersText(headers: readonly (readonly [string, string])[]): string {
  const written = (value: string) => /[\s"]/.test(value) ? JSON.stringify(value) : value;
  return headers.map(([name, value]) => ` ${name}=${written(value)}`).join("");
}

/** What the server said, as a line has it after the arrow. */
export function heardText(heard: Heard): string {
  switch (heard.kind) {
    case "frame":
      return JSON.stringify(heard.frame);
    case "end":
      return "end";
    case "event":
      return `event ${heard.event} id=${heard.id} ${JSON.stringify(heard.data)}`;
    case "answer": {
      const body = heard.body === null ? "" : ` ${JSON.stringify(heard.body)}`;
      return `${heard.status}${headersText(heard.headers)}${body}`;
    }
  }
}
