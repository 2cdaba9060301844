/** What a server process counts about itself, as its `/metrics` say. */

/** Longest wait for a reading, ms. */
const WAIT_MS = 15_000;

/** One reading. */
export class Metrics {
  readonly #values = new Map<string, number>();

  private constructor(text: string) {
    for (const line of text.split("\n")) {
      const m = /^(\w+(?:\{.*\})?) (\S+)$/.exec(line);
      if (m !== null) this.#values.set(m[1]!, Number(m[2]));
    }
  }

  /** Reads them from a server; asks again while it is too busy to take the connection. */
  static async of(url: string): Promise<Metrics> {
    for (;;) {
      const text = await read(url).catch(() => null);
      if (text !== null) return new Metrics(text);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** The first reading that fits; throws where none does within 15 s. */
  static async when(url: string, fits: (metrics: Metrics) => boolean): Promise<Metrics> {
    const began = performance.now();
    for (;;) {
      const metrics = await Metrics.of(url);
      if (fits(metrics)) return metrics;
      if (performance.now() - began > WAIT_MS) throw new Error(`Metrics: never as wanted: ${fits}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** A value by its name and labels as they are printed; throws where there is none. */
  get(name: string): number {
    const value = this.#values.get(name);
    if (value === undefined) throw new Error(`Metrics: there is no ${name}`);
    return value;
  }

  /** The sum over all labels of a name; 0 where it has none. */
  sum(name: string): number {
    let sum = 0;
    for (const [key, value] of this.#values) {
      if (key === name || key.startsWith(`${name}{`)) sum += value;
    }
    return sum;
  }

  /** Everything that has risen since `before`, by name. */
  since(before: Metrics): Record<string, number> {
    const risen: Record<string, number> = {};
    for (const [key, value] of this.#values) {
      const rise = value - (before.#values.get(key) ?? 0);
      if (rise > 0) risen[key] = rise;
    }
    return risen;
  }
}

/** The text; null where it was refused, throws where the connection was. */
async function read(url: string): Promise<string | null> {
  // On a connection of its own: none of the server's is to stay open for it.
  const response = await fetch(`${url}/metrics`, { headers: { connection: "close" } });
  const text = await response.text();
  return response.ok ? text : null;
}
