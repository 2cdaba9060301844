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
      throw new Error(`Cannot write ${path}: it is there already`);
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

/** The lines of a file without their ends; what follows the last end is a line if it is not empty. */
export async function* readLines(path: string): AsyncIterable<string> {
  using file = await openToRead(path);
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const buffer = new Uint8Array(65_536);
  let partial = "";
  for (;;) {
    const count = await file.read(buffer);
    if (count === null) break;
    const parts = (partial + decoder.decode(buffer.subarray(0, count), { stream: true }))
      .split("\n");
    partial = parts.pop()!;
    yield* parts;
  }
  partial += decoder.decode();
  if (partial !== "") yield partial;
}

/** A name taken for a file that is made later. */
export interface ClaimedFile {
  write(text: string): Promise<void>;
  /** Puts the file `from`, which is then no more, under the name. */
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
