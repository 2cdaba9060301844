/** Metrics of several nodes as one text (Prometheus text format 0.0.4). */

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{?)/;
const HEAD = /^# (?:HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) /;

interface Family {
  readonly heads: string[];
  readonly samples: string[];
}

/**
 * Joins the texts of nodes: every sample has the label `node` first; what is said of a series is
 * said once. Samples of one series follow each other, as the format wants.
 */
export function mergeMetrics(texts: readonly (readonly [node: string, text: string])[]): string {
  const families = new Map<string, Family>();
  for (const [node, text] of texts) {
    let family: Family | null = null;
    for (const line of text.split("\n")) {
      const name = HEAD.exec(line)?.[1];
      if (name !== undefined) {
        family = families.get(name) ?? { heads: [], samples: [] };
        families.set(name, family);
        if (!family.heads.includes(line)) family.heads.push(line);
      } else if (line !== "" && !line.startsWith("#")) {
        const label = `{node="${node}"`;
        family?.samples.push(
          line.replace(SAMPLE, (_, of, open) => open === "" ? `${of}${label}}` : `${of}${label},`),
        );
      }
    }
  }
  return [...families.values()].map(({ heads, samples }) =>
    `${[...heads, ...samples].join("\n")}\n`
  )
    .join("\n");
}
