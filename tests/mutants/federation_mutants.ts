/** Mutants of what cells decide together, and of the links between them. */
import { inTested, type Mutant } from "./mutant.ts";

const MEMBERS = "tests/scenario/cells_members_test.ts";
const NAMES = "tests/scenario/cells_names_test.ts";
const LINKS = "tests/scenario/cells_test.ts";
const NODES = "tests/scenario/cells_nodes_test.ts";
const REGRANTS = "tests/scenario/cells_regrant_test.ts";
const PRESENCE = "tests/scenario/cells_presence_test.ts";
const RESHARDS = "tests/scenario/cells_reshard_test.ts";

/** See the head of this file. */
export const FEDERATION: readonly Mutant[] = [
  ...inTested(
    "shard/step/proxies.ts",
    RESHARDS,
    [
      "forget that edges wait for a home that is about to be asked",
      "(p.proxied.asking || this.#again.has(name))",
      "p.proxied.asking",
    ],
    [
      "seek no home any more that a shard sought which is replaced",
      "    this.unknownHomes.inherit(from.unknownHomes, (name) => this.#turn.owns(name));\n",
      "    void from;\n",
    ],
  ),
  ...inTested(
    "shard/step/proxies.ts",
    "tests/scenario/cells_bugs_test.ts",
    [
      "show a user of another cell of whom nothing is known yet",
      "if (!of.may || proxied.epoch === 0) {",
      "if (!of.may) {",
    ],
  ),
  ...inTested(
    "shard/step/proxies.ts",
    REGRANTS,
    [
      "take a withdrawal of another cell for its last word",
      "this.#refused(p, watcher, lastSeen, true);",
      "this.#refused(p, watcher, lastSeen, false);",
    ],
    [
      "take a refusal for the last word though a watcher has asked since",
      "this.#refused(p, watcher, lastSeen, askedSince);",
      "this.#refused(p, watcher, lastSeen, false);",
    ],
    [
      "leave edges that have forgotten whom they may see again",
      "if (revoked && presence !== null) this.#askByWatcher(p, watcher, of.id);",
      "",
    ],
    [
      "take a withdrawal by a stand-in for the watcher's own will",
      'const packet = { kind: "revoke", ...about, theirs: true } as const;',
      'const packet = { kind: "revoke", ...about } as const;',
    ],
  ),
  ...inTested(
    "server/edge/watchers.ts",
    REGRANTS,
    [
      "forget who has withdrawn a right that may have been granted again",
      "    if (isKept) this.#refuseFor([watcher], user);\n",
      "",
    ],
  ),
  ...inTested(
    "server/node/abroad.ts",
    REGRANTS,
    [
      "lose what another cell has granted while it was away",
      "return this.#askRefused(lo, hi);",
      "return;",
    ],
  ),
  ...inTested(
    "shard/federation/members.ts",
    MEMBERS,
    [
      "propose members over those that were accepted",
      "return (accepted) => accepted ?? proposed;",
      "return () => proposed;",
    ],
    [
      "have a cell that was taken out join again by itself",
      "out: was && !is || !is && out",
      "out",
    ],
  ),
  ...inTested(
    "server/peer/cells/membership.ts",
    MEMBERS,
    [
      "change members while names are not known to all",
      "const why = change.force ? null : unsettled(state.current, change.leaving);",
      "const why: string | null = null;",
    ],
    [
      "give a change up where another proposer was quicker",
      "timers.after(waitMs, () => this.#change === change && this.#goOn());",
      "void waitMs;",
    ],
  ),
  ...inTested(
    "server/peer/cells/sharing.ts",
    MEMBERS,
    [
      "take names for known that some cell has not acknowledged",
      "if (unknown !== 0) open++;",
      "if (unknown === null) open++;",
    ],
    [
      "have a cell that joins without names wait like one that has some",
      "(shared) => shared.version < known.version ? known : null,",
      "(shared) => shared.version < known.version && shared.version > 0 ? known : null,",
    ],
    [
      "tell new members again what they have acknowledged",
      "missed === null || missed.names.has(name) ? fresh : [];",
      "missed === null || missed.names.size >= 0 || missed.names.has(name) ? fresh : [];",
    ],
  ),
  ...inTested(
    "shard/handlers/name_home.ts",
    NAMES,
    [
      "do not decide what a voter has accepted before names are shared",
      'register.accepted === null ? ok({ left: 0 }) : { wait: "home" };',
      "ok({ left: 0 });",
    ],
    [
      "owe homes to cells that have left",
      "register.telling.filter((cell) => cells.peers.includes(cell));",
      "register.telling.filter(() => true);",
    ],
    [
      "take a name that was released for that of a cell without a name",
      "known === null || known.value === NO_HOME ? null : known.value",
      "known === null ? null : known.value",
    ],
    [
      "tell who attaches a session at another cell that the token is wrong",
      '  "session.attach",\n]);\n/** What',
      "]);\n/** What",
    ],
  ),
  ...inTested(
    "shard/step/names.ts",
    NAMES,
    [
      "decide names that are reserved for another cell for this one",
      "waiting.homeOf(name) ?? self;",
      "waiting.homeOf(name) === null ? self : self;",
    ],
    [
      "keep a removed account whose name was given up",
      'if (account.state !== "closed" || !this.#turn.writable) return;',
      "if (account.createdAt >= 0) return;",
    ],
    [
      "decide that a name that was released stays without a home",
      "home === null || home === NO_HOME ? wanted : home",
      "home ?? wanted",
    ],
  ),
  ...inTested(
    "shard/handlers/account_ops.ts",
    NAMES,
    [
      "release a name without a decision of the other cells",
      'if (keepsHome(turn, account)) return { wait: "home" };',
      "",
    ],
  ),
  ...inTested(
    "shard/step/unknown_homes.ts",
    "tests/unit/unknown_homes_test.ts",
    [
      "ask for the home of a watched name once only",
      "if (sought.atMs > now.mono) continue;",
      "if (sought.tries > 0) continue;",
    ],
  ),
  ...inTested(
    "shard/step/names.ts",
    NAMES,
    [
      "pass a packet on however many cells have passed it on",
      "if (hops >= HOPS_MAX) return;",
      "if (hops > 99) return;",
    ],
  ),
  ...inTested(
    "server/node/abroad.ts",
    NODES,
    [
      "leave other cells interested as before where one of several links has broken",
      "this.#opened((frame) => this.#cells.tell(cell, frame));",
      "",
    ],
    [
      "leave a node that is linked later with what it knew of a shard's former owner",
      "opened: (_cell, send) => this.#opened(send),",
      "opened: () => {},",
    ],
  ),
  ...inTested(
    "shard/step/proxies.ts",
    NODES,
    [
      "show users of other cells offline while their homes are asked",
      "if (!of.may && (decided || !this.#cells.isLinked(proxied.home))) {",
      "if (!of.may && (decided || watcher.length > 0)) {",
    ],
  ),
  ...inTested(
    "shard/step/passed_rewatches.ts",
    "tests/unit/passed_rewatches_test.ts",
    [
      "forget rewatches that a cut has lost",
      "lost || atMs > sinceMs",
      "atMs > sinceMs",
    ],
    [
      "repeat rewatches for ever",
      "const again = this.#kept(cell).map",
      "const again = (this.#passed.get(cell) ?? []).map",
    ],
  ),
  ...inTested("shard/step/home_rounds.ts", "tests/scenario/cells_where_test.ts", [
    "decide a home at the counter of the one before",
    "const known = [promised, round.above, accepted?.ballot, chosen?.ballot];",
    "const known = [promised, round.above];",
  ]),
  ...inTested("shard/step/names.ts", "tests/scenario/cells_where_test.ts", [
    "ask for a home with each packet",
    "if (mono - question.askedMs < WHERE_AGAIN_MS) return;",
    "",
  ]),
  ...inTested(
    "shard/step/names.ts",
    PRESENCE,
    [
      "let interests overtake what a home says while the account is loaded",
      'if (packet.kind === "proxy" && this.#ways.proxies.takeNow(packet)) return;',
      "",
    ],
  ),
  ...inTested(
    "shard/step/proxies.ts",
    PRESENCE,
    [
      "show what a user shows after its move to whom it could watch before",
      "if (proxied.inherited) proxied.allow(of, null);",
      "proxied.allow(of, null);",
    ],
    [
      "take a late reply for that to the last question",
      "if (of?.asked !== asked) return;",
      "if (of === undefined) return;",
    ],
  ),
  ...inTested(
    "shard/step/incoming.ts",
    PRESENCE,
    [
      "take a late word of another cell for its last",
      'if (last !== undefined && isLater(last, message)) return message.kind === "interest";',
      "void isLater;",
    ],
  ),
  ...inTested(
    "server/peer/cells/mesh.ts",
    LINKS,
    [
      "keep the newest of two links, also where the wrong side has dialled",
      "if (stale || isPreferred(own, before.link.wire) && !isPreferred(own, wire)) {",
      "if (stale) {",
    ],
    [
      "send frames to any node of another cell",
      "if (direct !== undefined) return direct;",
      "void direct;",
    ],
  ),
  ...inTested(
    "server/peer/cells/hello.ts",
    LINKS,
    [
      "link with a second cell of the same name",
      "if (linked.every((node) => node.mark === mark)) return null;",
      'if (linked.length >= 0 || mark === "") return null;',
    ],
  ),
  ...inTested(
    "server/peer/cells/cell_link.ts",
    LINKS,
    [
      "let any number of bytes wait for a stuck cell",
      " || this.#queueBytes + bytes.length > queueBytesMax",
      "",
    ],
  ),
];
