/** The client library as a package of npm: the module that the server serves, and React hooks. */
import { bundle } from "../../web/bundle.ts";
import { type Entry, textEntry } from "./tar.ts";

/** Its name. */
export const NPM_NAME = "roost-client";

/** What `package.json` says. */
function manifest(version: string) {
  const entry = (path: string) => ({ types: `./${path}.d.ts`, default: `./${path}.js` });
  return {
    name: NPM_NAME,
    version,
    description: "Client library of the presence and messaging server Roost, with React hooks",
    keywords: ["presence", "chat", "messaging", "websocket", "react"],
    license: "MIT",
    type: "module",
    sideEffects: false,
    // Node 20 has no WebSocket of its own: the library polls there.
    engines: { node: ">=20" },
    exports: {
      ".": entry("client"),
      "./react": entry("react/hooks"),
      "./package.json": "./package.json",
    },
    // For tools that do not read `exports`.
    main: "./client.js",
    types: "./client.d.ts",
    peerDependencies: { react: ">=18" },
    peerDependenciesMeta: { react: { optional: true } },
  };
}

/** Where the package is made from. */
export interface NpmSources {
  readonly version: string;
  readonly license: string;
  readonly readme: string;
  /** Returns a file of `server/web` by its path there. */
  readonly web: (path: string) => string;
}

/** The files of the package, below `package/` as npm has them in its archives. */
export function npmFiles({ version, license, readme, web }: NpmSources): readonly Entry[] {
  const files: Readonly<Record<string, string>> = {
    "package.json": `${JSON.stringify(manifest(version), null, 2)}\n`,
    LICENSE: license,
    "README.md": readme,
    "client.js": bundle("client.js", web),
    "client.d.ts": web("client.d.ts"),
    "client/changes.js": web("client/changes.js"),
    "react/hooks.js": web("react/hooks.js"),
    "react/hooks.d.ts": web("react/hooks.d.ts"),
    "react/talk.js": web("react/talk.js"),
    "react/view.js": web("react/view.js"),
  };
  return Object.entries(files).map(([path, text]) => textEntry(`package/${path}`, text));
}
