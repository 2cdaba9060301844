/** Mutants of the links between cells, and of the clients and accounts that cells send each other. */
import { inTested, type Mutant } from "./mutant.ts";

const LINKS = "tests/scenario/cells_test.ts";
const PARTS = "tests/unit/cells_parts_test.ts";
const TLS = "tests/unit/peer_tls_test.ts";
const PRESENCE = "tests/scenario/cells_presence_test.ts";
const NAMES = "tests/scenario/cells_names_test.ts";
const ADMITTED = "tests/scenario/cells_admission_test.ts";
const RELAY = "tests/unit/relay_test.ts";

/** Who is linked, and over what. */
const PROOFS: readonly Mutant[] = [
  ...inTested(
    "server/peer/connection.ts",
    TLS,
    [
      "take a node for proven that does not know the secret",
      "if (proof.length !== PROOF_BYTES || !isProof(proof, this.#proof(theirs))) {",
      "if (proof.length !== PROOF_BYTES) {",
    ],
    [
      "take a proof that was made for another connection",
      'return prove(role, ours === "dialler" ? [own, theirs] : [theirs, own], this.#binding);',
      'return prove(role, ours === "dialler" ? [own, theirs] : [theirs, own], new Uint8Array());',
    ],
  ),
  ...inTested(
    "server/peer/handshake.ts",
    TLS,
    [
      "take a proof that was recorded",
      "for (const each of binding.length === 0 ? said : [...said, binding]) {",
      "for (const each of [binding]) {",
    ],
  ),
  ...inTested(
    "server/peer/channel.ts",
    TLS,
    [
      "link with another machine without TLS",
      'return tls === "always" || tls === "public" && !isPrivateIp(address);',
      'return tls === "always" && !isPrivateIp(address);',
    ],
  ),
  ...inTested(
    "server/peer/cells/hello.ts",
    PARTS,
    [
      "link with a cell that speaks no version of this one's",
      "if (agreedVersion(versions, ours) === null) {",
      "if (versions.newest < 0) {",
    ],
    [
      "link with a cell of another domain",
      "if (domain !== own.domain) {",
      'if (domain === "") {',
    ],
  ),
];

/** What a link costs the others, and what is lost with one. */
const QUEUES: readonly Mutant[] = [
  ...inTested(
    "server/peer/cells/cell_link.ts",
    "tests/unit/cell_link_test.ts",
    [
      "send each frame of a turn as a message",
      "bytes + this.#queue[count]!.bytes.length <= MESSAGE_BYTES",
      "bytes + this.#queue[count]!.bytes.length < 0 * MESSAGE_BYTES",
    ],
    [
      "keep a link whose other side takes nothing",
      "if (nowMs - this.#progressMs > stalledMs) {",
      "if (nowMs - this.#progressMs > Infinity) {",
    ],
  ),
  ...inTested(
    "server/peer/cells/batch.ts",
    PARTS,
    [
      "send batches as they are",
      "if (plain.length < COMPRESSED_BYTES_MIN) return plain;",
      "if (plain.length >= 0) return plain;",
    ],
    [
      "inflate a batch of any length",
      "return inflateRawSync(body, { maxOutputLength: BATCH_BYTES_MAX });",
      "return inflateRawSync(body);",
    ],
  ),
  ...inTested(
    "server/peer/cells/targets.ts",
    PARTS,
    [
      "try an address again as soon where its links do not last",
      "target.tries = openMs >= STEADY_MS ? 1 : target.tries + 1;",
      "target.tries = openMs >= 0 ? 1 : target.tries + 1;",
    ],
  ),
  ...inTested(
    "server/peer/cells/mesh.ts",
    LINKS,
    [
      "go on over a link that has dropped what nobody sends again",
      '    link.wire.close("too much waits for it");\n',
      "",
    ],
  ),
];

/** What cells say of themselves, and where frames and clients go by it. */
const GOSSIP: readonly Mutant[] = [
  ...inTested(
    "server/peer/cells/directory.ts",
    PARTS,
    [
      "take what a node has said before for new",
      'if (before !== undefined && !isLater(saying, before.saying)) return "known";',
      "",
    ],
    [
      "take an older table of a cell",
      "shard.epoch > before.shards[i]!.epoch ? shard : before.shards[i]!",
      "shard.epoch >= 0 ? shard : before.shards[i]!",
    ],
    [
      "send clients to nodes that are not linked",
      "[linked, nodes].map(urlsOf)",
      "[nodes].map(urlsOf)",
    ],
    [
      "send clients to a cell of which no address is known",
      "return urls ?? null;",
      "return urls ?? [];",
    ],
    [
      "remember nodes that have said nothing for long",
      "if (nowMs - saidMs > FORGOTTEN_MS && !isLinked(saying)) nodes.delete(id);",
      "void [nowMs, saidMs, isLinked, FORGOTTEN_MS, id, saying];",
    ],
  ),
  ...inTested(
    "server/node/abroad.ts",
    NAMES,
    [
      "send a client to its home without saying where that is",
      "if (servers !== null) return { ...result, servers };",
      "if (servers !== null) return result;",
    ],
    [
      "send a client to a home of which no server is known",
      "if (servers !== null) return { ...result, servers };",
      "if (result.ok === false) return { ...result, servers: servers ?? [] };",
    ],
  ),
  ...inTested(
    "shard/handlers/name_home.ts",
    NAMES,
    [
      "refuse a client that signs in at another cell as unknown",
      '  return { ...fail("moved", `Sign in at cell ${cell}, where this account is at home`), cell };',
      "  return null;",
    ],
  ),
  ...inTested(
    "server/v1/relay.ts",
    RELAY,
    [
      "pass any number of clients on to a cell",
      "if ((this.#open.get(cell) ?? 0) < perCellMax) return null;",
      "if (perCellMax > 0) return null;",
    ],
    [
      "let one network have all that is passed on to a cell",
      "if (own >= Math.max(NETWORK_MIN, perCellMax * NETWORK_PART)) {",
      "if (own >= Math.max(NETWORK_MIN, perCellMax / 0)) {",
    ],
    [
      "try an address of a cell first that does not respond",
      "return [...servers.filter((s) => !isAvoided(s)), ...servers.filter(isAvoided)];",
      "void isAvoided;\n    return servers;",
    ],
  ),
  ...inTested(
    "server/http/relay_proof.ts",
    RELAY,
    [
      "take an address for a client's that no cell has proved",
      "return given.length === own.length && timingSafeEqual(given, own) ? address : null;",
      "return given.length === own.length ? address : null;",
    ],
  ),
];

/** Presence between cells. */
const SHOWN: readonly Mutant[] = inTested(
  "server/node/abroad.ts",
  PRESENCE,
  [
    "tell a cell each change twice",
    "if (message !== null) this.#say(cell, packet.watched, message);",
    "if (message !== null) {\n        this.#say(cell, packet.watched, message);\n" +
    "        this.#say(cell, packet.watched, message);\n      }",
  ],
  [
    "show what was so before a cell was away for as long as it is",
    'if (!stopped()) this.#tell({ kind: "cell_unknown", cell });',
    "",
  ],
  [
    "say at once that nobody knows what users of a cell do that is away",
    "timers.after(presenceUnknownMs, unknown)",
    "timers.after(0 * presenceUnknownMs, unknown)",
  ],
);

/** How many accounts move. */
const ADMISSION: readonly Mutant[] = [
  ...inTested(
    "server/node/abroad.ts",
    ADMITTED,
    [
      "take in accounts that move here at any rate",
      "noAccounts === undefined ? arrivals?.take() ?? 0 : NEVER_MS;",
      "noAccounts === undefined ? 0 * (arrivals?.take() ?? 0) : NEVER_MS;",
    ],
    [
      "have accounts move to a witness",
      "noAccounts === undefined ? arrivals?.take() ?? 0 : NEVER_MS;",
      "noAccounts === undefined ? arrivals?.take() ?? 0 : 0 * NEVER_MS;",
    ],
  ),
  ...inTested(
    "server/node/node.ts",
    ADMITTED,
    [
      "make accounts at a witness",
      "if (noAccounts !== undefined && MAKES_ACCOUNTS.has(op)) {",
      'if (noAccounts === "" && MAKES_ACCOUNTS.has(op)) {',
    ],
  ),
  ...inTested(
    "shard/step/proxies.ts",
    ADMITTED,
    [
      "ask a home for all its users again at once",
      "if (left-- === 0) return;",
      "if (left-- === Infinity) return;",
    ],
  ),
  ...inTested(
    "server/node/arrival_rate.ts",
    "tests/unit/arrival_rate_test.ts",
    [
      "take in any number of accounts that move here",
      "if (this.#nextMs > nowMs + earlyMs) {",
      "if (this.#nextMs > Infinity * earlyMs) {",
    ],
    [
      "take in as many accounts while overloaded",
      "this.overloaded() ? this.#perSecond / 2 :",
      "this.overloaded() ? this.#perSecond :",
    ],
    [
      "take in few accounts for ever",
      ": this.#perSecond * GROWTH;",
      ": this.#perSecond * (GROWTH / GROWTH);",
    ],
  ),
  ...inTested(
    "server/node/evacuation.ts",
    "tests/unit/evacuation_test.ts",
    [
      "evacuate as fast as can be",
      "const gained = (nowMs - this.#steppedMs) / 1000 * order.perSecond;",
      "const gained = order.perSecond;",
    ],
    [
      "begin moves at the same rate though the other cell takes in fewer",
      "refused * 4 <= this.#moving.size",
      "refused * 0 <= this.#moving.size",
    ],
    [
      "forget at a restart how far an evacuation was",
      "const progress = { ...progressOf(own), moving: this.#moving.size };",
      "const progress = { ...progressOf(own), after: null, moving: this.#moving.size };",
    ],
  ),
];

/** See the head of this file. */
export const LINKED: readonly Mutant[] = [
  ...[...PROOFS, ...QUEUES, ...GOSSIP, ...SHOWN, ...ADMISSION],
];
