/** Orders certificates by the npm package acme-client, which is loaded with the first order. */
import { Agent } from "node:https";
import type { AcmeAccount, Challenge } from "./state.ts";
import { AcmeError, type AcmeIssuer, type AcmeOrder, faultOf } from "./issuer.ts";

/** How long one request may take (ms). */
const REQUEST_MS = 30_000;
/** How often, and how far apart (ms), it is looked whether the authority has checked a name. */
const LOOKS = { backoffAttempts: 12, backoffMin: 500, backoffMax: 10_000 };

type Acme = typeof import("acme-client");
type Client = InstanceType<Acme["Client"]>;
type Authorized = Awaited<ReturnType<Client["getAuthorizations"]>>[number]["challenges"][number];
type Order = Awaited<ReturnType<Client["createOrder"]>>;

/** The last refusal of the authority: the package passes on no more than its text. */
interface Refusal {
  type: string;
  detail: string;
  retryAfterMs: number;
}

function refusalOf(status: number, data: unknown, headers: Record<string, unknown>): Refusal {
  const { type = "", detail = `status ${status}` } = (data ?? {}) as Partial<Refusal>;
  const text = String(headers["retry-after"] ?? "");
  const untilMs = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return { type, detail, retryAfterMs: Math.max(0, untilMs || 0) };
}

/** Makes an issuer; `ca`: PEM of the root of the authority's own certificate, null for the known ones. */
export function systemAcmeIssuer(ca: string | null): AcmeIssuer {
  return async (order) => {
    const acme = (await import("acme-client")).default as Acme;
    // Tries again after `shard/retry.ts`, and after what the authority says.
    Object.assign(acme.axios.defaults, { acmeSettings: { retryMaxAttempts: 0 } });
    acme.axios.defaults.timeout = REQUEST_MS;
    acme.axios.defaults.headers.common["User-Agent"] = "roost";
    if (ca !== null) acme.axios.defaults.httpsAgent = new Agent({ ca });
    let refusal: Refusal | null = null;
    const watching = acme.axios.interceptors.response.use((response) => {
      const { data, headers, status } = response;
      if (status >= 400) refusal = refusalOf(status, data, { ...headers });
      return response;
    });
    try {
      return await issue(acme, order);
    } catch (cause) {
      throw errorOf(cause, refusal);
    } finally {
      acme.axios.interceptors.response.eject(watching);
    }
  };
}

function errorOf(cause: unknown, refusal: Refusal | null): AcmeError {
  if (cause instanceof AcmeError) return cause;
  if (refusal !== null) {
    return new AcmeError(faultOf(refusal.type), refusal.detail, refusal.retryAfterMs);
  }
  const { code, message } = cause as { readonly code?: unknown; readonly message?: unknown };
  const detail = [code, message].filter((part) => typeof part === "string").join(": ");
  return new AcmeError(code === undefined ? "refused" : "unreachable", detail || String(cause));
}

async function issue(acme: Acme, order: AcmeOrder) {
  const { goal } = order;
  const client = await clientOf(acme, order);
  const identifiers = goal.domains.map((value) => ({ type: "dns", value }));
  const made = await client.createOrder({ identifiers });
  await prove(client, made, order);
  const [commonName] = goal.domains;
  const [key, csr] = await acme.crypto.createCsr(
    { commonName: commonName!, altNames: [...goal.domains] },
    await acme.crypto.createPrivateEcdsaKey(),
  );
  const done = await client.finalizeOrder(made, csr);
  return { cert: await client.getCertificate(done), key: String(key) };
}

/** The client of the account, which is made where there is none. */
async function clientOf(acme: Acme, { account, agreed, goal, keep }: AcmeOrder): Promise<Client> {
  const { directory, email } = goal;
  const key = account?.key ?? String(await acme.crypto.createPrivateEcdsaKey());
  const own: AcmeAccount = { directory, email, key, url: null };
  const known = account?.email === email ? account.url : null;
  // A process that dies now has made no account that nobody has the key of.
  if (account === null) await keep(own);
  const client = new acme.Client({
    directoryUrl: directory,
    accountKey: key,
    ...(known === null ? {} : { accountUrl: known }),
    ...LOOKS,
  });
  if (known !== null) return client;
  agreed(await client.getTermsOfServiceUrl() || "none");
  // Of a key that it knows the authority returns the account.
  const contact = [`mailto:${email}`];
  await client.createAccount({ termsOfServiceAgreed: true, contact });
  if (account?.url != null) await client.updateAccount({ contact });
  await keep({ ...own, url: client.getAccountUrl() });
  return client;
}

/** Has the authority check each name. */
async function prove(client: Client, made: Order, order: AcmeOrder): Promise<void> {
  const open = (await client.getAuthorizations(made)).filter(({ status }) => status !== "valid");
  const challenges: Challenge[] = [];
  const asked: { readonly challenge: Authorized; readonly domain: string }[] = [];
  for (const authz of open) {
    const challenge = authz.challenges.find(({ type }) => type === "http-01");
    const { value } = authz.identifier;
    if (challenge === undefined) {
      throw new AcmeError("refused", `it offers no http-01 for ${value}`);
    }
    const keyAuthorization = await client.getChallengeKeyAuthorization(challenge);
    challenges.push({ token: challenge.token, keyAuthorization });
    asked.push({ challenge, domain: value });
  }
  await order.publish(challenges);
  for (const { challenge } of asked) await client.completeChallenge(challenge);
  for (const { challenge, domain } of asked) {
    await client.waitForValidStatus(challenge).catch(async (cause) => {
      throw await challengeError(client, made, domain, cause);
    });
  }
}

/** What the authority says of a name that it could not check. */
async function challengeError(
  client: Client,
  made: Order,
  domain: string,
  cause: unknown,
): Promise<unknown> {
  const authz = (await client.getAuthorizations(made)).find(({ identifier }) =>
    identifier.value === domain
  );
  for (const { error } of (authz?.challenges ?? []) as readonly { readonly error?: unknown }[]) {
    if (typeof error !== "object" || error === null) continue;
    const { detail = "", type = "" } = error as { detail?: string; type?: string };
    return new AcmeError(faultOf(type), `${domain}: ${detail}`);
  }
  return cause;
}
