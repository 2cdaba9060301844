/** Files of text lines, written and read as a stream. */

/** Where text goes. */
export interface TextSink {
  write(text: string): Promise<void>;
  /** Makes what was written durable. */
  close(): Promise<void>;
  /** Instead of `close`: what was written counts for nothing, and is gone. */
  discard(): Promise<void>;
}

/** Makes a file that must not be there, for this user only. */
export async function createFile(path: string): Promise<TextSink> {
  const file = await open(path);
  const encoder = new TextEncoder();
  return {
    async write(text) {
      const bytes = encoder.encode(text);
      for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
    },
    async close() {
      await file.sync();
      file.close();
    },
    async discard() {
      file.close();
      await Deno.remove(path);
    },
  };
}

async function open(path: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path, { createNew: true, write: true, mode: 0o600 });
  } catch (cause) {
    if (cause instanceof Deno.errors.AlreadyExists) {
      throw new Error(`Cannot write ${path}: it exists already`);
    }
    throw new Error(`Cannot write ${path}`, { cause });
  }
}

async function openToRead(path: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) {
      throw new Error(`Cannot read ${path}: there is no such file`);
    }
    throw new Error(`Cannot read ${path}`, { cause });
  }
}

/** Characters that a line may have: a file without ends of lines must not fill the memory. */
const LINE_CHARS_MAX = 4_000_000;

/**
 * The lines of a file without their ends; what follows the last end is a line if it is not empty.
 * Rejects where it cannot be read, is not UTF-8 or has a line of more than 4,000,000 characters.
 */
export async function* readLines(path: string): AsyncIterable<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let partial = "";
  for await (const bytes of chunksOf(path)) {
    const parts = (partial + decoded(path, decoder, bytes)).split("\n");
    partial = parts.pop()!;
    if (partial.length > LINE_CHARS_MAX) throw new Error(`Cannot read ${path}: a line is too long`);
    yield* parts;
  }
  partial += decoded(path, decoder, null);
  if (partial !== "") yield partial;
}

async function* chunksOf(path: string): AsyncIterable<Uint8Array> {
  using file = await openToRead(path);
  const buffer = new Uint8Array(65_536);
  for (;;) {
    const count = await file.read(buffer).catch((cause) => {
      // A directory can be opened.
      throw new Error(`Cannot read ${path}`, { cause });
    });
    if (count === null) return;
    yield buffer.subarray(0, count);
  }
}

/** `bytes` null: no more come. */
function decoded(path: string, decoder: TextDecoder, bytes: Uint8Array | null): string {
  try {
    return bytes === null ? decoder.decode() : decoder.decode(bytes, { stream: true });
  } catch (cause) {
    throw new Error(`Cannot read ${path}: it is not text in UTF-8`, { cause });
  }
}

/** A name taken for a file that is made later. */
export interface ClaimedFile {
  write(text: string): Promise<void>;
  /** Puts the file `from`, which then no longer exists, under the name. */
  take(from: string): Promise<void>;
  /** Gives the name back. */
  release(): Promise<void>;
}

/** Takes a name that no file has, for this user only. */
export async function claimFile(path: string): Promise<ClaimedFile> {
  (await open(path)).close();
  return {
    write: (text) => Deno.writeTextFile(path, text),
    async take(from) {
      try {
        await Deno.rename(from, path);
      } catch {
        // It may be on another disk.
        await Deno.copyFile(from, path);
        await Deno.remove(from);
      }
    },
    release: () => Deno.remove(path),
  };
}
