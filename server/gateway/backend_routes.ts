/** Routes for those who have users of their own: accounts, tokens, contacts, messages of users. */
import type { AccountName } from "../../shard/name/ids.ts";
import { fail, type Failure, ok, type Result } from "../../shard/errors.ts";
import { type GatewayCall, type GatewayRoute, type In, payBatch, route } from "./route.ts";
import { parseAddress } from "../../shard/name/name.ts";
import type { GatewaySchemas } from "./schemas.ts";
import { deviceOf, type Done } from "./backend.ts";
import { type RosterChange, Rosters, type WantedContact } from "./backend/rosters.ts";
import type { StepInput, StepName, StepOutput } from "./backend/steps.ts";

const PREFIX = "/gateway/v1/backend";
/** What contacts cost of a service's rate, in names of a batch: each writes so often. */
const PAIR_NAMES = 4;

/** The rows. */
export function backendRoutes(schemas: GatewaySchemas): readonly GatewayRoute[] {
  const common = { scopes: ["users.manage"], status: 200 } as const;
  return [
    ...accountRows(schemas, common),
    route(schemas, "pairs", {
      ...common,
      id: "backendPairs",
      method: "POST",
      path: `${PREFIX}/pairs`,
      summary: "Makes users contacts of each other without asking them, or ends that",
      answer: "PairResults",
    }, pairs),
    route(schemas, "roster", {
      ...common,
      id: "backendRoster",
      method: "PUT",
      path: `${PREFIX}/users/{user}/contacts`,
      summary: "Gives a user exactly these contacts, who have the user as a contact as well",
      from: { user: "path" },
      answer: "RosterResults",
    }, roster),
    route(schemas, "sendAs", {
      ...common,
      id: "backendSend",
      method: "POST",
      path: `${PREFIX}/messages`,
      summary: "Sends a message as a user; durable when it is answered",
      from: { key: "idempotency-key" },
      answer: "SentAs",
    }, send),
  ];
}

type Common = Pick<GatewayRoute, "scopes" | "status">;

function accountRows(schemas: GatewaySchemas, common: Common): readonly GatewayRoute[] {
  return [
    route(schemas, "users", {
      ...common,
      id: "backendUsers",
      method: "POST",
      path: `${PREFIX}/users`,
      summary: "Makes accounts without a password, where they do not exist",
      answer: "UserResults",
    }, createUsers),
    route(schemas, "token", {
      ...common,
      id: "backendToken",
      method: "POST",
      path: `${PREFIX}/tokens`,
      summary:
        "Makes a token that signs a device of a user in, and the account where it is missing",
      answer: "UserToken",
    }, token),
    route(schemas, "device", {
      ...common,
      id: "backendSignOut",
      method: "DELETE",
      path: `${PREFIX}/users/{user}/devices`,
      summary: "Ends all devices and sessions of a user",
      from: { user: "path" },
      answer: "SignedOut",
    }, (call, { user }) => signOut(call, user, null)),
    route(schemas, "device", {
      ...common,
      id: "backendSignOutDevice",
      method: "DELETE",
      path: `${PREFIX}/users/{user}/devices/{device}`,
      summary: "Ends one device of a user",
      from: { user: "path", device: "path" },
      answer: "SignedOut",
    }, (call, { user, device }) => signOut(call, user, device ?? null)),
    route(schemas, "device", {
      ...common,
      id: "backendRemove",
      method: "DELETE",
      path: `${PREFIX}/users/{user}`,
      summary: "Deletes a user; the name stays closed",
      from: { user: "path" },
      answer: "Removed",
    }, remove),
  ];
}

/** The account of a name, or why it cannot be one. */
function named({ deps }: GatewayCall, text: string): Result<AccountName> {
  const parsed = parseAddress(text, deps.domain);
  if (parsed.ok) return ok(parsed.name);
  return fail("bad_request", `${JSON.stringify(text.slice(0, 100))} is no name: ${parsed.reason}`);
}

/** Does one step for the service, and records it. */
async function act<K extends StepName>(
  { deps, service }: GatewayCall,
  done: Done & { readonly user: AccountName },
  step: K,
  input: StepInput<K>,
): Promise<Result<StepOutput[K]>> {
  const { backend } = deps.gateway;
  const result = await backend.stepsOf(service.name)(done.user, step, input);
  backend.record(service.name, done, result);
  return result;
}

/** Does the parts of a batch; `of` is what the result of each says whose it is. */
async function batch<T, R extends object>(
  call: GatewayCall,
  parts: readonly T[],
  of: (part: T) => object,
  run: (part: T) => Promise<Result<R | null>>,
  endMs = call.deps.gateway.backend.endMs(),
): Promise<readonly object[]> {
  const { gateway } = call.deps;
  const active = () =>
    gateway.registry.active(call.service) &&
    gateway.registry.get(call.service.name)?.tokenHash === call.service.tokenHash;
  return await gateway.backend.all(
    parts,
    { active, endMs },
    async (part) => told(of(part), await run(part)),
    (part, why) => told(of(part), why),
  );
}

function told(of: object, result: Result<object | null>): object {
  if (result.ok) return { ...of, ok: true, ...result.value };
  return { ...of, ok: false, ...publicly(result) };
}

/** What a service learns of a refusal. */
function publicly({ code, message, retryAfterMs }: Failure) {
  return { code, message, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
}

async function createUsers(call: GatewayCall, { users }: In<"users">): Promise<Result<unknown>> {
  const unpaid = payBatch(call, users.length);
  if (unpaid !== null) return unpaid;
  const normal = (text: string) => {
    const name = named(call, text);
    return { user: name.ok ? name.value : text };
  };
  const results = await batch(call, users, normal, async (text) => {
    const user = named(call, text);
    if (!user.ok) return user;
    return await act(call, { action: "create", user: user.value }, "create", {});
  });
  return ok({ results });
}

async function token(call: GatewayCall, input: In<"token">): Promise<Result<unknown>> {
  const user = named(call, input.user);
  if (!user.ok) return user;
  const { device = null, label = "", lifetimeSeconds, create } = input;
  const done = { action: "sign in", user: user.value, ...(device === null ? {} : { device }) };
  const lifetimeMs = lifetimeSeconds === undefined ? null : lifetimeSeconds * 1000;
  const minted = await act(call, done, "token", { device, label, lifetimeMs, create });
  return minted.ok ? ok({ user: user.value, ...minted.value }) : minted;
}

async function signOut(call: GatewayCall, text: string, device: string | null) {
  const user = named(call, text);
  if (!user.ok) return user;
  const done = { action: "sign out", user: user.value, ...(device === null ? {} : { device }) };
  const result = await act(call, done, "signOut", { device });
  return result.ok ? ok({ user: user.value, ...result.value }) : result;
}

async function remove(call: GatewayCall, input: In<"device">): Promise<Result<unknown>> {
  const user = named(call, input.user);
  if (!user.ok) return user;
  const result = await act(call, { action: "remove", user: user.value }, "remove", {});
  return result.ok ? ok({ user: user.value, ...result.value }) : result;
}

async function send(call: GatewayCall, input: In<"sendAs">): Promise<Result<unknown>> {
  const [user, to] = [named(call, input.from), named(call, input.to)];
  if (!user.ok) return user;
  if (!to.ok) return to;
  const { key, body, ext = "" } = input;
  const device = deviceOf(call.service.name);
  const done = { action: "send", user: user.value, contact: to.value };
  return await act(call, done, "send", { to: to.value, device, key, body, ext });
}

type Pair = In<"pairs">["pairs"][number];

/** The normal names of a pair, as far as they are names. */
function namesOf(call: GatewayCall, { users }: Pair): readonly string[] {
  return users.map((text) => {
    const name = named(call, text);
    return name.ok ? name.value : text;
  });
}

/** Why a list of pairs cannot be done at once; null where it can. */
function contradiction(call: GatewayCall, pairs: readonly Pair[]): Failure | null {
  const wanted = new Map<string, boolean>();
  for (const pair of pairs) {
    const names = JSON.stringify([...namesOf(call, pair)].sort());
    if ((wanted.get(names) ?? pair.contacts) !== pair.contacts) {
      return fail("bad_request", `pairs makes ${names} contacts, and ends that`);
    }
    wanted.set(names, pair.contacts);
  }
  return null;
}

async function pairs(call: GatewayCall, { pairs }: In<"pairs">): Promise<Result<unknown>> {
  const refusal = contradiction(call, pairs) ?? payBatch(call, pairs.length * PAIR_NAMES);
  if (refusal !== null) return refusal;
  const { gateway: { backend } } = call.deps;
  const rosters = new Rosters(backend.stepsOf(call.service.name));
  const of = (pair: Pair) => ({ users: namesOf(call, pair) });
  const results = await batch(call, pairs, of, async ({ users, contacts }) => {
    const [a, b] = [named(call, users[0]), named(call, users[1])];
    if (!a.ok) return a;
    if (!b.ok) return b;
    const result = contacts
      ? await rosters.join(a.value, b.value)
      : await rosters.part(a.value, b.value);
    const done = { action: contacts ? "join" : "part", user: a.value, contact: b.value };
    backend.record(call.service.name, done, result);
    return result;
  });
  return ok({ results });
}

/** The contacts that a request names, each once. */
function wantedOf(
  call: GatewayCall,
  user: AccountName,
  contacts: In<"roster">["contacts"],
): Result<readonly WantedContact[]> {
  const wanted = new Map<AccountName, WantedContact>();
  for (const { user: text, label, groups } of contacts) {
    const contact = named(call, text);
    if (!contact.ok) return contact;
    if (contact.value === user) return fail("bad_request", `${user} is no contact of itself`);
    if (wanted.has(contact.value)) {
      return fail("bad_request", `contacts has ${contact.value} twice`);
    }
    wanted.set(contact.value, { contact: contact.value, label, groups });
  }
  return ok([...wanted.values()]);
}

async function roster(call: GatewayCall, input: In<"roster">): Promise<Result<unknown>> {
  const user = named(call, input.user);
  if (!user.ok) return user;
  const wanted = wantedOf(call, user.value, input.contacts);
  if (!wanted.ok) return wanted;
  const { gateway: { backend } } = call.deps;
  const rosters = new Rosters(backend.stepsOf(call.service.name));
  const planned = await rosters.plan(user.value, wanted.value);
  if (!planned.ok) return planned;
  const unpaid = payBatch(call, planned.value.length * PAIR_NAMES);
  if (unpaid !== null) return unpaid;
  const of = ({ contact, change }: RosterChange) => ({ user: contact, change });
  // What ends makes room for what begins.
  const ends = planned.value.filter(({ change }) => change === "remove");
  const begins = planned.value.filter(({ change }) => change !== "remove");
  const results: object[] = [];
  const endMs = backend.endMs();
  for (const parts of [ends, begins]) {
    const some = await batch(call, parts, of, async (part) => {
      const result = await rosters.change(user.value, part);
      const action = `contact ${part.change}`;
      const done = { action, user: user.value, contact: part.contact };
      backend.record(call.service.name, done, result);
      return result;
    }, endMs);
    results.push(...some);
  }
  return ok({ user: user.value, results });
}
