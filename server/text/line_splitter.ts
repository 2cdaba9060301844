/** Lines of text that arrives in pieces. */

/** Splits text into lines as it comes. */
export class Lines {
  #parts: string[] = [];

  /** Takes the next text; returns the lines that are whole now. */
  take(text: string): readonly string[] {
    const lines = text.split("\n");
    if (lines.length === 1) {
      this.#parts.push(text);
      return [];
    }
    const first = this.#parts.join("") + lines[0]!;
    this.#parts = [lines.at(-1)!];
    return [first, ...lines.slice(1, -1)];
  }
}

/** Calls `found` with each line of a stream that is not empty, until the stream ends. */
export async function takeLines(
  stream: ReadableStream<Uint8Array>,
  found: (line: string) => void,
): Promise<void> {
  const lines = new Lines();
  const utf8 = new TextDecoder();
  for await (const chunk of stream) {
    for (const line of lines.take(utf8.decode(chunk, { stream: true }))) {
      if (line !== "") found(line);
    }
  }
}
