/** What a release consists of: the targets, and which file is where in archives and packages. */
import { type CommandEntry } from "../../cli/command_table.ts";
import { completionScript } from "../../cli/completion.ts";
import { manPage } from "../../cli/man_page.ts";
import type { Gzip, Package } from "./deb.ts";
import { type Entry, textEntry } from "./tar.ts";

/** A platform that binaries are made for. */
export interface Target {
  /** As Docker and the names of files have it. */
  readonly name: string;
  /** As `deno compile --target` has it. */
  readonly triple: string;
  /** As Debian has it; null: no package. */
  readonly debian: string | null;
  readonly binary: string;
  /** Permissions that are compiled in. */
  readonly permissions: readonly string[];
}

/**
 * On Linux the start reads the limit of open files in /proc, which Deno shows only to programs with all
 * permissions, and loads functions of the C library; see `giveUp` for what becomes of it.
 */
const LINUX = { binary: "roost", permissions: ["-A"] } as const;
/** Elsewhere nothing native is loaded: programs are started for `--workers` and `roost load`. */
const OTHER = {
  debian: null,
  permissions: ["net", "read", "write", "env", "sys", "run"].map((name) => `--allow-${name}`),
} as const;

/** All of them. */
export const TARGETS: readonly Target[] = [
  { ...LINUX, name: "linux-amd64", triple: "x86_64-unknown-linux-gnu", debian: "amd64" },
  { ...LINUX, name: "linux-arm64", triple: "aarch64-unknown-linux-gnu", debian: "arm64" },
  { ...OTHER, name: "darwin-amd64", triple: "x86_64-apple-darwin", binary: "roost" },
  { ...OTHER, name: "darwin-arm64", triple: "aarch64-apple-darwin", binary: "roost" },
  { ...OTHER, name: "windows-amd64", triple: "x86_64-pc-windows-msvc", binary: "roost.exe" },
];

/**
 * The arguments of `deno` that compile for a target: those of the task `compile`, so that both make
 * the same program, but for the permissions, which are those of the platform.
 */
export function compileArgs(
  task: string,
  { triple, permissions }: Target,
  output: string,
): readonly string[] {
  const [, args] = task.split(/\bdeno (?=compile )/);
  if (args === undefined) throw new Error(`The task does not compile: ${task}`);
  const words = args.split(" ").flatMap((word) => word === "-A" ? permissions : word);
  const at = words.indexOf("--output");
  if (at < 0) throw new Error(`The task names no output: ${task}`);
  return [words[0]!, "--target", triple, ...words.slice(1, at + 1), output, ...words.slice(at + 2)];
}

/** Texts that are the same on every platform. */
export interface Texts {
  readonly version: string;
  readonly license: string;
  readonly readme: string;
  readonly changelog: string;
  readonly program: CommandEntry;
  /** Files of this folder, by path: `debian/postinst`. */
  readonly own: (path: string) => string;
}

/** Where the help of shells is installed, below a directory for each of them. */
const COMPLETIONS = {
  bash: ["bash-completion/completions", "roost"],
  zsh: ["zsh/vendor-completions", "_roost"],
  fish: ["fish/vendor_completions.d", "roost.fish"],
} as const;
const SHELL_NAMES = ["bash", "zsh", "fish"] as const;

/** The files of the archive for a target. */
export function archiveFiles(target: Target, binary: Uint8Array, texts: Texts): readonly Entry[] {
  const { version, license, readme, program } = texts;
  const root = `roost-${version}-${target.name}`;
  return [
    { path: `${root}/${target.binary}`, mode: 0o755, bytes: binary },
    textEntry(`${root}/LICENSE`, license),
    textEntry(`${root}/README.md`, readme),
    textEntry(`${root}/roost.1`, manPage(program, version)),
    ...SHELL_NAMES.map((shell) =>
      textEntry(
        `${root}/completions/${COMPLETIONS[shell][1]}`,
        completionScript(shell, program),
      )
    ),
  ];
}

/** The copyright file, in the format of Debian (DEP-5). */
function copyrightText(license: string): string {
  const [, holder = "", ...rest] = license.split(/\n\n+/);
  const text = rest.join("\n\n").trimEnd().split("\n")
    .map((line) => line.trim() === "" ? " ." : ` ${line}`).join("\n");
  return `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: Roost

Files: *
Copyright: ${holder.replace(/^Copyright \(c\) /, "").trim()}
License: MIT
${text}
`;
}

const CONTROL = {
  Maintainer: "The Roost maintainers <roost@localhost>",
  Depends: "adduser, init-system-helpers (>= 1.54), libc6 (>= 2.31), libgcc-s1",
  Recommends: "ca-certificates, systemd",
  Section: "net",
  Priority: "optional",
  Description: `presence and instant-messaging server
 Roost is one program that needs no database and no other service. Clients
 speak JSON over WebSocket, long-poll or server-sent events; it has a web chat
 and a dashboard for operators. Acknowledged messages survive crashes.`,
} as const;

/** The Debian package for a target that has one. */
export async function debianPackage(
  target: Target,
  binary: Uint8Array,
  texts: Texts,
  gzip: Gzip,
): Promise<Omit<Package, "md5">> {
  if (target.debian === null) throw new Error(`There is no Debian package for ${target.name}`);
  const { version, license, changelog, program, own } = texts;
  const packed = async (path: string, text: string): Promise<Entry> => {
    const { mode, bytes } = textEntry(path, text);
    return { path, mode, bytes: await gzip(bytes) };
  };
  const share = "usr/share";
  const scripts = ["postinst", "prerm", "postrm"];
  return {
    name: "roost",
    version,
    architecture: target.debian,
    fields: CONTROL,
    scripts: Object.fromEntries(scripts.map((name) => [name, own(`debian/${name}`)])),
    conffiles: ["etc/roost/roost.toml"],
    files: [
      { path: "usr/bin/roost", mode: 0o755, bytes: binary },
      textEntry("etc/roost/roost.toml", own("debian/roost.toml")),
      textEntry("usr/lib/systemd/system/roost.service", own("debian/roost.service")),
      await packed(`${share}/man/man1/roost.1.gz`, manPage(program, version)),
      ...SHELL_NAMES.map((shell) =>
        textEntry(
          `${share}/${COMPLETIONS[shell].join("/")}`,
          completionScript(shell, program),
        )
      ),
      textEntry(`${share}/doc/roost/copyright`, copyrightText(license)),
      await packed(`${share}/doc/roost/changelog.gz`, changelog),
    ],
  };
}

/** Files of this folder that a release has as they are: path here, path there. */
export const DEPLOYED: Readonly<Record<string, string>> = {
  "docker/Dockerfile": "Dockerfile",
  "docker/dockerignore": ".dockerignore",
  "docker/compose.yaml": "compose.yaml",
  "docker/compose.cell.yaml": "compose.cell.yaml",
  "kubernetes/one_node.yaml": "kubernetes/one_node.yaml",
  "kubernetes/three_nodes.yaml": "kubernetes/three_nodes.yaml",
  "prometheus/roost.rules.yaml": "prometheus/roost.rules.yaml",
};
