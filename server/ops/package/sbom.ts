/** The software bill of materials: CycloneDX 1.5 of what `deno.lock` says (https://cyclonedx.org). */
import { decodeBase64 } from "byte-encodings/base64";
import { encodeHex } from "byte-encodings/hex";

/** What is read of `deno.lock`. */
export interface Lock {
  readonly specifiers: Readonly<Record<string, string>>;
  readonly npm: Readonly<
    Record<string, {
      readonly integrity: string;
      readonly dependencies?: readonly string[];
      readonly optionalDependencies?: readonly string[];
    }>
  >;
}

/** What else the program is made of. */
export interface Made {
  readonly version: string;
  /** Packages of the import map that the program imports: the rest is of tests and tools. */
  readonly imported: ReadonlySet<string>;
  /** Versions of the runtime that is part of the binary, by name. */
  readonly runtime: Readonly<Record<string, string>>;
}

interface Name {
  readonly name: string;
  readonly version: string;
}

/** `@hono/node-server@2.1.8_hono@4.13.19` → its name and version, without those of its peers. */
function nameOf(key: string): Name {
  const at = key.indexOf("@", 1);
  return { name: key.slice(0, at), version: key.slice(at + 1).split("_")[0]! };
}

/** The package URL of a package of npm (purl). */
function purl({ name, version }: Name): string {
  return `pkg:npm/${name.replace("@", "%40")}@${version}`;
}

/** What a package needs, and what it takes where the platform has it. */
function needs(npm: Lock["npm"], key: string): readonly string[] {
  const { dependencies = [], optionalDependencies = [] } = npm[key]!;
  return [...dependencies, ...optionalDependencies].map((named) => keyOf(npm, named));
}

/** The key of what a list of dependencies names: with a version where there are several. */
function keyOf(npm: Lock["npm"], named: string): string {
  if (named in npm) return named;
  const found = Object.keys(npm).filter((key) => key.startsWith(`${named}@`));
  if (found.length !== 1) throw new Error(`deno.lock has ${found.length} packages ${named}`);
  return found[0]!;
}

/** Keys of the packages that the lock gives to an import. */
function importedKeys({ specifiers, npm }: Lock, imported: ReadonlySet<string>): readonly string[] {
  return Object.entries(specifiers).map(([spec, version]) => {
    const { name } = nameOf(spec.replace(/^npm:/, ""));
    return { name, key: `${name}@${version}` };
  }).filter(({ name, key }) => imported.has(name) && key in npm).map(({ key }) => key);
}

/** These and all that they need. */
function withNeeded(npm: Lock["npm"], keys: readonly string[]): ReadonlySet<string> {
  const all = new Set(keys);
  for (const key of all) {
    for (const needed of needs(npm, key)) all.add(needed);
  }
  return all;
}

/** An integrity of npm (`sha512-…`, base64) as a hash of CycloneDX. */
function hashOf(integrity: string) {
  const [, bits, base64] = /^sha(\d+)-(.+)$/.exec(integrity) ?? [];
  if (base64 === undefined) throw new Error(`Cannot read the integrity ${integrity}`);
  return { alg: `SHA-${bits}`, content: encodeHex(decodeBase64(base64)) };
}

/** The document; the same text for the same lock. */
export function sbom(lock: Lock, { version, imported, runtime }: Made): string {
  const { npm } = lock;
  const direct = importedKeys(lock, imported);
  const used = [...withNeeded(npm, direct)].sort();
  const root = `pkg:generic/roost@${version}`;
  const refs = (keys: readonly string[]) => keys.map((key) => purl(nameOf(key))).sort();
  const runtimes = Object.entries(runtime).map(([name, version]) => ({
    type: "framework",
    "bom-ref": `pkg:generic/${name}@${version}`,
    name,
    version,
  }));
  const document = {
    $schema: "http://cyclonedx.org/schema/bom-1.5.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.5",
    version: 1,
    metadata: { component: { type: "application", "bom-ref": root, name: "roost", version } },
    components: [
      ...runtimes,
      ...used.map((key) => ({
        type: "library",
        "bom-ref": purl(nameOf(key)),
        ...nameOf(key),
        purl: purl(nameOf(key)),
        hashes: [hashOf(npm[key]!.integrity)],
      })),
    ],
    dependencies: [
      { ref: root, dependsOn: [...runtimes.map((each) => each["bom-ref"]), ...refs(direct)] },
      ...used.map((key) => ({
        ref: purl(nameOf(key)),
        dependsOn: refs(needs(npm, key)),
      })),
    ],
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}
