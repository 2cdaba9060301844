/** Whole lines of a byte stream; a last line without its end is not one. */
export class TextLineStream {
  readonly #reader: ReadableStreamDefaultReader<string>;
  #lines: string[] = [];
  #partial = "";

  constructor(bytes: ReadableStream<Uint8Array<ArrayBuffer>>) {
    this.#reader = bytes.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** The next line; null at the end. */
  async next(): Promise<string | null> {
    while (this.#lines.length === 0) {
      const { done, value } = await this.#reader.read();
      if (done) return null;
      const parts = (this.#partial + value).split("\n");
      this.#partial = parts.pop()!;
      this.#lines = parts.reverse();
    }
    return this.#lines.pop()!;
  }
}
