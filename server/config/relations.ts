/** What settings owe each other: faults stop the start, warnings are printed with it. */
import { OTHERS_PART } from "../../shard/limits.ts";
import { acmeFaults, acmeWarnings, speaksTls } from "./acme.ts";
import { outsideFaults, outsideWarnings } from "./sign_in.ts";
import { pushFaults } from "./push.ts";
import { standbyFaults } from "./standby.ts";
import { STORE_LIMITS } from "../node/ports.ts";
import type { Config, RegistrationMode, Settings } from "./config.ts";
import { type Bind, formatBind, isLoopback, isUnspecified } from "./address.ts";

/** What a frame holds besides the body and the extension of a message: names, keys, punctuation. */
export const FRAME_OVERHEAD_BYTES = 2048;
// Where the system does not tell how many files may be open, the smallest common limit is assumed.
const FILES_ASSUMED = 1024;
// Listeners, the store's files, standard streams and logs (40); webhooks, admin connections, and
// clients that are being refused.
const FILES_RESERVED_MIN = 128;
// Events are sent several to a frame: an outbox that holds fewer frames than this always overflows.
const OUTBOX_FRAMES_MIN = 2;

/** Connections that fit under a limit of open files: 5 % and at least 128 stay in reserve. */
export function connectionsUsable(filesMax: number | null): number {
  const files = filesMax ?? FILES_ASSUMED;
  return Math.max(1, Math.min(Math.floor(files * 0.95), files - FILES_RESERVED_MIN));
}

/** Registration where nobody has said: open only where nobody else can reach the server. */
export function deriveMode(
  { cells, server }: Pick<Settings, "cells" | "server">,
): { readonly mode: RegistrationMode; readonly reason: string } {
  if (cells.witness) return { mode: "closed", reason: "cells.witness" };
  if (!isLoopback(server.bind.host)) return { mode: "invite", reason: "bind is not loopback" };
  if (server.trustedProxies.length > 0) {
    return { mode: "invite", reason: "trustedProxies let others in" };
  }
  if (server.publicUrl !== null && !isLoopback(hostOf(server.publicUrl))) {
    return { mode: "invite", reason: "publicUrl is not loopback" };
  }
  return { mode: "open", reason: "bind is loopback" };
}

function hostOf(origin: string): string {
  return new URL(origin).hostname.replace(/^\[|\]$/g, "");
}

/**
 * Bytes of a write with an account's head: its devices, marks and tail, pages, and keys to delete.
 * Less what the number of a write takes, so that settings that were valid before stay so.
 */
const HEAD_OTHER_BYTES = 320 * 1024 - 256;

/** Bytes of a conversation, and of a contact without label and groups, with names of 16 characters. */
const CONVERSATION_BYTES = 88;
const CONTACT_BYTES = 40;

function accountFaults({ limits }: Config): string[] {
  const { sendingCharsMax, waitingTotalCharsMax } = limits;
  // A character takes three bytes at most.
  const most = Math.floor((STORE_LIMITS.writeBytesMax - HEAD_OTHER_BYTES) / 3);
  if (sendingCharsMax + waitingTotalCharsMax <= most) return [];
  return [
    `limits.sendingCharsMax is ${sendingCharsMax} and limits.waitingTotalCharsMax is ` +
    `${waitingTotalCharsMax}, but what an account sends fits into one write of the store up to ` +
    `${most} together: lower one of the two`,
  ];
}

/** Counts that no account reaches. */
function accountWarnings({ limits, storage }: Config): string[] {
  const { accountBytesMax } = storage;
  const found: string[] = [];
  const conversations = Math.floor(accountBytesMax * OTHERS_PART / CONVERSATION_BYTES);
  if (limits.conversationsMax > conversations) {
    found.push(
      `limits.conversationsMax is ${limits.conversationsMax} but others can begin about ` +
        `${conversations} in storage.accountBytesMax ${accountBytesMax}`,
    );
  }
  const contacts = Math.floor(accountBytesMax / CONTACT_BYTES);
  if (limits.rosterMax > contacts) {
    found.push(
      `limits.rosterMax is ${limits.rosterMax} but about ${contacts} contacts without labels fit ` +
        `into storage.accountBytesMax ${accountBytesMax}`,
    );
  }
  return found;
}

function limitFaults({ limits, auth }: Config, filesMax: number | null): string[] {
  const faults: string[] = [];
  const usable = connectionsUsable(filesMax);
  if (filesMax !== null && limits.connectionsMax > usable) {
    faults.push(
      `limits.connectionsMax is ${limits.connectionsMax} but the process may open ${filesMax} ` +
        `files: lower it to ${usable} or raise the limit with ulimit -n`,
    );
  }
  const frameMin = limits.messageBytesMax + limits.extBytesMax + FRAME_OVERHEAD_BYTES;
  if (limits.frameBytesMax < frameMin) {
    faults.push(
      `limits.frameBytesMax is ${limits.frameBytesMax} but a message of messageBytesMax with an ` +
        `extension of extBytesMax takes ${frameMin}: raise it to ${frameMin} or lower those`,
    );
  }
  const signalMin = limits.signalBytesMax + FRAME_OVERHEAD_BYTES;
  if (limits.frameBytesMax < signalMin) {
    faults.push(
      `limits.frameBytesMax is ${limits.frameBytesMax} but a signal of signalBytesMax takes ` +
        `${signalMin}: raise it to ${signalMin} or lower signalBytesMax`,
    );
  }
  const outboxMin = OUTBOX_FRAMES_MIN * limits.frameBytesMax;
  if (limits.outboxBytesMax < outboxMin) {
    faults.push(
      `limits.outboxBytesMax is ${limits.outboxBytesMax} but must hold ${OUTBOX_FRAMES_MIN} ` +
        `frames of frameBytesMax: raise it to ${outboxMin} or lower frameBytesMax`,
    );
  }
  if (limits.sessionsPerAccountMax > limits.devicesPerAccountMax) {
    faults.push(
      `limits.sessionsPerAccountMax is ${limits.sessionsPerAccountMax} but each session is one ` +
        `device and devicesPerAccountMax is ${limits.devicesPerAccountMax}: lower it to that`,
    );
  }
  if (auth.passwordQueueMax < auth.passwordConcurrency) {
    faults.push(
      `auth.passwordQueueMax is ${auth.passwordQueueMax}, less than passwordConcurrency: ` +
        `raise it to ${auth.passwordConcurrency}`,
    );
  }
  return faults;
}

const RATES = [
  ["limits.framesPerSecond", "limits.framesBurst"],
  ["limits.sendsPerSecond", "limits.sendsBurst"],
  ["limits.receivedPerSecond", "limits.receivedBurst"],
  ["limits.presencePerSecond", "limits.presenceBurst"],
  ["limits.signalsPerSecond", "limits.signalsBurst"],
  ["limits.searchedKibPerSecond", "limits.searchedKibBurst"],
  ["limits.requestsPerAddressPerSecond", "limits.requestsPerAddressBurst"],
] as const;

type LimitName<K> = K extends `limits.${infer N}` ? N & keyof Config["limits"] : never;

/** A second's worth must be able to come at once, or the rate can never be reached. */
function rateFaults({ limits }: Config): string[] {
  const at = (key: (typeof RATES)[number][number]) =>
    limits[key.slice("limits.".length) as LimitName<typeof key>];
  return RATES.filter(([rate, burst]) => at(burst) < at(rate)).map(([rate, burst]) =>
    `${burst} is ${at(burst)}, less than ${rate}: raise it to ${at(rate)} or more`
  );
}

function tlsFaults({ server }: Config): string[] {
  if (server.tlsCert !== null && server.tlsKey === null) {
    return ["server.tlsCert is set but server.tlsKey is not: name the file of its private key"];
  }
  if (server.tlsKey !== null && server.tlsCert === null) {
    return ["server.tlsKey is set but server.tlsCert is not: name the file of the certificate"];
  }
  return [];
}

function storeFaults({ store }: Config): string[] {
  if (store.url !== null && store.urlFile !== null) {
    return ["store.url and store.urlFile are both set: keep one"];
  }
  if (store.requireSynchronous && store.url === null && store.urlFile === null) {
    return [
      "store.requireSynchronous is set without store.url: the directory's own store has no standby",
    ];
  }
  return [];
}

function workerFaults({ cell, store }: Config): string[] {
  if (cell.workers === 1) return [];
  if (cell.listen !== null || store.url !== null || store.urlFile !== null) {
    return [
      `cell.workers is ${cell.workers} but workers share the directory's own store: with store.url ` +
      "start one process for each node, each with a directory of its own",
    ];
  }
  return [];
}

function cellFaults({ cell, store }: Config): string[] {
  if (cell.listen === null) {
    const unset = cell.secretFile === null && cell.advertise === null && cell.publicUrl === null &&
      cell.tls === "public";
    return unset
      ? []
      : ["cell settings are set without cell.listen: say where this node listens for the others"];
  }
  const faults: string[] = [];
  if (store.url === null && store.urlFile === null) {
    faults.push(
      "cell.listen is set without store.url: the nodes of a cell share one store in PostgreSQL",
    );
  }
  if (cell.advertise === null && isUnspecified(cell.listen.host)) {
    faults.push(
      `cell.listen is ${formatBind(cell.listen)}, where no other node can connect to: name the ` +
        "address of this node in cell.advertise",
    );
  }
  if (cell.secretFile === null) {
    faults.push("cell.listen is set without cell.secretFile: make one with `roost secret create`");
  }
  return faults;
}

function cellsFaults({ cell, cells }: Config): string[] {
  const { name, listen, advertise, secretFile } = cells;
  if (name === null) {
    const unset = listen === null && advertise === null && secretFile === null &&
      cells.join.length === 0 && !cells.witness && !cells.relay;
    return unset ? [] : ["cells settings are set without cells.name: give this cell a name"];
  }
  const faults: string[] = [];
  if (listen === null) {
    faults.push("cells.name is set without cells.listen: say where nodes of other cells connect");
  } else if (advertise === null && isUnspecified(listen.host)) {
    faults.push(
      `cells.listen is ${formatBind(listen)}, where no other cell can connect to: name the ` +
        "address of this node in cells.advertise",
    );
  } else if (cell.listen !== null && listen.port !== 0 && sameBind(cell.listen, listen)) {
    faults.push(`cells.listen is ${formatBind(listen)}, as cell.listen is: take another port`);
  }
  if (secretFile === null) {
    faults.push("cells.name is set without cells.secretFile: make one with `roost secret create`");
  }
  return faults;
}

function sameBind(a: Bind, b: Bind): boolean {
  return formatBind(a) === formatBind(b);
}

function jwtFaults({ jwt }: Config): string[] {
  const given = jwt.audience.length > 0 || jwt.algorithms.length > 0 || jwt.keyFiles.length > 0 ||
    jwt.jwksFile !== null || jwt.createAccounts || jwt.subjectClaim !== null;
  if (jwt.issuer === null) {
    return given ? ["jwt.issuer is empty but other jwt settings are set: name the issuer"] : [];
  }
  const faults: string[] = [];
  if (jwt.audience.length === 0) {
    faults.push("jwt.issuer is set but jwt.audience is empty: say what its aud claim must contain");
  }
  if (jwt.algorithms.length === 0) {
    faults.push('jwt.issuer is set but jwt.algorithms is empty: list them, such as ["RS256"]');
  }
  if ((jwt.keyFiles.length > 0) === (jwt.jwksFile !== null)) {
    faults.push("jwt.issuer needs exactly one of jwt.keyFiles and jwt.jwksFile");
  }
  if ((jwt.subjectClaim === null) !== (jwt.subjectPattern === null)) {
    faults.push("jwt.subjectClaim and jwt.subjectPattern go together: set both or neither");
  }
  // One key must never be usable both as a public key and as a shared secret (RFC 8725 section
  // 2.1).
  const shared = jwt.algorithms.filter((name) => name.startsWith("HS")).length;
  if (shared > 0 && shared < jwt.algorithms.length) {
    faults.push("jwt.algorithms mixes HS with public-key algorithms: keep one kind");
  }
  return faults;
}

function adminFaults({ admin, server }: Config): string[] {
  const { listen } = admin;
  if (listen === null) return [];
  const faults: string[] = [];
  if (!isLoopback(listen.host) && !admin.allowRemote) {
    faults.push(
      `admin.listen ${formatBind(listen)} is open to others, and the admin token allows ` +
        "everything: listen on 127.0.0.1, or set admin.allowRemote to true if that is meant",
    );
  }
  if (listen.port !== 0 && formatBind(listen) === formatBind(server.bind)) {
    faults.push(`admin.listen is ${formatBind(listen)}, as server.bind is: take another port`);
  }
  return faults;
}

function timeoutFaults({ timeouts }: Config): string[] {
  if (timeouts.drainMs >= timeouts.requestTimeoutMs) return [];
  return [
    `timeouts.drainMs is ${timeouts.drainMs} but accepted requests may take requestTimeoutMs: ` +
    `raise it to ${timeouts.requestTimeoutMs} or lower requestTimeoutMs`,
  ];
}

/** Accepted users come before new connections, and those before new sign-ins. */
function admissionFaults({ admission }: Config): string[] {
  const faults: string[] = [];
  if (admission.connectionLagMs < admission.signInLagMs) {
    faults.push(
      `admission.connectionLagMs is ${admission.connectionLagMs}, less than signInLagMs: ` +
        `raise it to ${admission.signInLagMs} or more`,
    );
  }
  if (admission.writeLagMs < admission.connectionLagMs) {
    faults.push(
      `admission.writeLagMs is ${admission.writeLagMs}, less than connectionLagMs: ` +
        `raise it to ${admission.connectionLagMs} or more`,
    );
  }
  return faults;
}

/** Waits grow from the least to the longest. */
function gatewayFaults({ gateway }: Config): string[] {
  if (gateway.webhookRetryMaxMs >= gateway.webhookRetryMinMs) return [];
  return [
    `gateway.webhookRetryMaxMs is ${gateway.webhookRetryMaxMs}, less than webhookRetryMinMs: ` +
    `raise it to ${gateway.webhookRetryMinMs} or more`,
  ];
}

/** Every relation that does not hold, each with what to change. */
export function relationFaults(config: Config, filesMax: number | null): readonly string[] {
  return [
    ...tlsFaults(config),
    ...acmeFaults(config),
    ...storeFaults(config),
    ...cellFaults(config),
    ...cellsFaults(config),
    ...standbyFaults(config),
    ...workerFaults(config),
    ...adminFaults(config),
    ...jwtFaults(config),
    ...outsideFaults(config),
    ...pushFaults(config),
    ...limitFaults(config, filesMax),
    ...accountFaults(config),
    ...rateFaults(config),
    ...timeoutFaults(config),
    ...admissionFaults(config),
    ...gatewayFaults(config),
  ];
}

/** What works but is probably not meant. */
export function warnings(config: Config): readonly string[] {
  const { server, registration, admin } = config;
  const found = accountWarnings(config);
  const reachable = !isLoopback(server.bind.host);
  if (reachable && !speaksTls(config) && server.trustedProxies.length === 0) {
    found.push(
      `${formatBind(server.bind)} is open to others without TLS, so passwords and tokens travel ` +
        "readable: set server.tlsCert and server.tlsKey, or put a TLS proxy in front and list it " +
        "in server.trustedProxies",
    );
  }
  if (reachable && server.domain === "localhost") {
    found.push(
      "server.domain is still localhost, and accounts keep the domain they are created under: " +
        "set it before others join",
    );
  }
  if (reachable && registration.mode === "open") {
    found.push(
      "registration.mode is open, so anybody who reaches the server can create accounts: " +
        "set it to invite if that is not meant",
    );
  }
  if (admin.listen !== null && !isLoopback(admin.listen.host) && !speaksTls(config)) {
    found.push(
      `admin.listen ${
        formatBind(admin.listen)
      } is open to others without TLS, so the admin token ` +
        "travels readable: set server.tlsCert and server.tlsKey, which it then uses too",
    );
  }
  if (speaksTls(config) && server.publicUrl?.startsWith("http:") === true) {
    found.push("server.publicUrl begins with http: although TLS is on: write https:");
  }
  return [...found, ...acmeWarnings(config), ...outsideWarnings(config)];
}
