/** Debian packages (deb(5)): an `ar` archive of a version, the control files and the files. */
import { type Entry, joined, tar, textEntry, withDirectories } from "./tar.ts";

/** Makes a gzip file without a name and a time. */
export type Gzip = (bytes: Uint8Array) => Promise<Uint8Array>;

/** What a package is. */
export interface Package {
  readonly name: string;
  readonly version: string;
  /** As Debian names it: `amd64`. */
  readonly architecture: string;
  /** Fields of the control file besides name, version, architecture and size. */
  readonly fields: Readonly<Record<string, string>>;
  /** Scripts of the maintainer, by name: `postinst`. */
  readonly scripts: Readonly<Record<string, string>>;
  /** Files that an operator may change, which an update keeps. */
  readonly conffiles: readonly string[];
  readonly files: readonly Entry[];
  /** The MD5 sum of a file, which dpkg --verify compares. */
  md5(bytes: Uint8Array): string;
}

const encoder = new TextEncoder();

/** The control file. */
export function controlText(
  { name, version, architecture, fields, files }: Omit<Package, "md5">,
): string {
  const kib = files.reduce((sum, { bytes }) => sum + Math.ceil(bytes.length / 1024), 0);
  const all = {
    Package: name,
    Version: version,
    Architecture: architecture,
    "Installed-Size": String(kib),
    ...fields,
  };
  return Object.entries(all).map(([key, value]) => `${key}: ${value}\n`).join("");
}

/** One file of an `ar` archive, padded to an even length. */
function member(name: string, bytes: Uint8Array): Uint8Array {
  const size = String(bytes.length).padEnd(10);
  const head = `${name.padEnd(16)}${"0".padEnd(12)}${"0".padEnd(6).repeat(2)}${"100644".padEnd(8)}`;
  const pad = encoder.encode(bytes.length % 2 === 0 ? "" : "\n");
  return joined([encoder.encode(`${head}${size}\`\n`), bytes, pad]);
}

/** Paths as dpkg wants them. */
function rooted(entries: readonly Entry[]): readonly Entry[] {
  const root: Entry = { path: "./", mode: 0o755, bytes: new Uint8Array() };
  return [root, ...withDirectories(entries).map((each) => ({ ...each, path: `./${each.path}` }))];
}

/** The package as a file: the same bytes for the same content. */
export async function deb(of: Package, gzip: Gzip): Promise<Uint8Array<ArrayBuffer>> {
  const { files, conffiles, scripts } = of;
  const sums = files.map(({ path, bytes }) => `${of.md5(bytes)}  ${path}\n`).join("");
  const control = [
    textEntry("control", controlText(of)),
    textEntry("conffiles", conffiles.map((path) => `/${path}\n`).join("")),
    textEntry("md5sums", sums),
    ...Object.entries(scripts).map(([name, text]) => textEntry(name, text, 0o755)),
  ];
  return joined([
    encoder.encode("!<arch>\n"),
    member("debian-binary", encoder.encode("2.0\n")),
    member("control.tar.gz", await gzip(tar(rooted(control)))),
    member("data.tar.gz", await gzip(tar(rooted(files)))),
  ]);
}
