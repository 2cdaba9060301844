/** Sources of an application of Vite and React that has the npm package beside them. */

/** Versions that are installed for it. None is a dependency of the project. */
export const APP_PACKAGES: Readonly<Record<string, string>> = {
  "@types/react": "19.3.3",
  "@types/react-dom": "19.3.0",
  "@vitejs/plugin-react": "6.3.0",
  react: "19.3.1",
  "react-dom": "19.3.1",
  typescript: "7.0.2",
  vite: "8.4.0",
};

/** A page that runs a script. */
export const html = (script: string): string =>
  `<!doctype html><title>App</title><div id="root"></div>` +
  `<script type="module" src="/src/${script}"></script>\n`;

/** Two pages: that of the package's README, and that which counts. */
export const VITE_CONFIG = `
import react from "@vitejs/plugin-react";
export default {
  plugins: [react()],
  build: { rolldownOptions: { input: ["index.html", "counts.html"] } },
};
`;

/**
 * Counts how often components are rendered, in React's strict mode, which mounts each of them twice.
 * \`window.counts\` has the numbers, \`window.people\` the clients.
 */
export const COUNTS = `
import { StrictMode, useEffect } from "react";
import { createRoot } from "react-dom/client";
import { createClient } from "roost-client";
import * as hooks from "roost-client/react";

const url = import.meta.env.VITE_ROOST;
const counts = window.counts = {};
const shown = window.shown = {};
const used = {
  status: () => hooks.useStatus(),
  contacts: () => hooks.useContacts().map(({ name }) => name),
  presence: () => hooks.usePresence("eve"),
  stranger: () => hooks.usePresence("nobody"),
  requests: () => hooks.useRequests(),
  conversations: () => hooks.useConversations(),
  talk: () => hooks.useConversation("eve"),
  other: () => hooks.useConversation("fay"),
};
function Counted({ name }) {
  shown[name] = used[name]();
  useEffect(() => {
    counts[name] = (counts[name] ?? 0) + 1;
  });
  return null;
}

const people = window.people = {};
for (const user of ["dan", "eve", "fay"]) {
  people[user] = createClient({ url });
  await people[user].register({ user, password: "correct horse" });
}
const { dan, eve, fay } = people;
for (const contact of ["eve", "fay"]) {
  await dan.subscribe(contact);
  await people[contact].subscribe("dan");
  await dan.approve(contact);
  await people[contact].approve("dan");
}
createRoot(document.getElementById("root")).render(
  <StrictMode>
    <hooks.RoostProvider client={dan}>
      {Object.keys(used).map((name) => <Counted key={name} name={name} />)}
    </hooks.RoostProvider>
  </StrictMode>,
);
`;

/** What has to have the right types in a strict project, and what must not. */
export const TYPED = `
import { createClient, type Presence, RoostError } from "roost-client";
import { RoostProvider, useContacts, useConversation, usePresence } from "roost-client/react";

const client = createClient({ url: "http://127.0.0.1:8420", storage: localStorage });
export function Name({ name }: { name: string }) {
  const { show }: Presence = usePresence(name);
  const { events, send } = useConversation(name, { limit: 20 });
  const bodies = events.map((event) => event.k === "message" ? event.body : event.reason);
  const sent = () => send("Hello").catch((e) => e instanceof RoostError && e.code === "closed");
  return <button onClick={sent}>{show}{bodies.join()}{useContacts().length}</button>;
}
export const app = <RoostProvider client={client}><Name name="ann" /></RoostProvider>;
// @ts-expect-error there is no such event
client.on("mesage", () => {});
// @ts-expect-error a provider needs a client
export const wrong = <RoostProvider><Name name="ann" /></RoostProvider>;
`;

/** A strict project that checks the package's own declarations as well. */
export const TSCONFIG = JSON.stringify({
  compilerOptions: {
    target: "es2022",
    module: "esnext",
    moduleResolution: "bundler",
    jsx: "react-jsx",
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    noEmit: true,
    lib: ["es2023", "dom", "dom.iterable"],
    types: [],
  },
  files: ["src/typed.tsx"],
});
