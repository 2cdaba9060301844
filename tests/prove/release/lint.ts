/** Deployment files of a release, checked by public validators from npm and Debian. */
import { output } from "../npm/install.ts";
import { tempDir } from "../../process/server.ts";

const DOCKERFILE_LINTER = "npm:dockerfile-utils@0.16.3";
const COMPOSE_LINTER = "npm:dclint@3.1.0";

/** The order of keys is ours; an image that is built here has a name as well. */
const COMPOSE_RULES = JSON.stringify({
  rules: {
    "no-build-and-image": 0,
    "require-quotes-in-ports": [2, { quoteType: "double" }],
    "service-keys-order": 0,
    "top-level-properties-order": 0,
  },
});

/** Validates each object against the schema of Kubernetes for its kind. */
const MANIFESTS = `
import { parseAllDocuments } from "npm:yaml@2.9.1";
import { StatefulSet } from "npm:kubernetes-models@5.1.0/apps/v1/StatefulSet";
import { Service } from "npm:kubernetes-models@5.1.0/v1/Service";
import { PodDisruptionBudget } from "npm:kubernetes-models@5.1.0/policy/v1/PodDisruptionBudget";
const kinds = { StatefulSet, Service, PodDisruptionBudget };
for (const path of Deno.args) {
  const documents = parseAllDocuments(Deno.readTextFileSync(path));
  if (documents.length === 0) throw new Error(path + " is empty");
  for (const document of documents) {
    const object = document.toJS();
    new kinds[object.kind](object).validate();
  }
}
`;

/** Checks all of them; throws with the first faults. */
export async function lintRelease(release: string): Promise<void> {
  using work = tempDir();
  const run = (module: string, ...args: string[]) => {
    const options = ["run", "-A", "--quiet", "--no-lock", "--no-config", "--no-prompt"];
    return output(work.path, [Deno.execPath(), ...options, module, ...args], { NO_COLOR: "1" });
  };
  await run(DOCKERFILE_LINTER, "lint", `${release}/Dockerfile`);
  Deno.writeTextFileSync(`${work.path}/rules.json`, COMPOSE_RULES);
  const compose = ["compose.yaml", "compose.cell.yaml"].map((name) => `${release}/${name}`);
  await run(COMPOSE_LINTER, "--config", `${work.path}/rules.json`, "--max-warnings=0", ...compose);
  Deno.writeTextFileSync(`${work.path}/manifests.js`, MANIFESTS);
  const manifests = ["one_node", "three_nodes"].map((name) => `${release}/kubernetes/${name}.yaml`);
  await run(`${work.path}/manifests.js`, ...manifests);
  // Debian's package has it; the program alone is enough.
  await output(work.path, ["apt-get", "download", "--quiet", "prometheus"]);
  const unpack = "dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/promtool";
  await output(work.path, ["sh", "-c", unpack]);
  const rules = `${release}/prometheus/roost.rules.yaml`;
  await output(work.path, ["./usr/bin/promtool", "check", "rules", rules]);
}
