/** What users of a cell with a standby do in tests: alice writes texts to bob. */
import { Refused, rest } from "./client.ts";
import { until } from "./until.ts";

const account = (user: string) => ({ user, password: "correct horse battery" });

/** Returns the token of a new account; goes on where the lease was late on a busy machine. */
export async function register(url: string, user: string): Promise<string> {
  const body = account(user);
  const ask = async (path: string) => {
    return (await rest<{ readonly token: string }>(url, "POST", path, { body })).token;
  };
  const codeOf = (error: unknown) => error instanceof Refused ? error.code : null;
  let token: string | null = null;
  await until(`${user} is registered`, async () => {
    token = await ask("/v1/register").catch((error) => {
      if (codeOf(error) === "unavailable") return null;
      if (codeOf(error) === "conflict") return ask("/v1/auth/password");
      throw error;
    });
    return token !== null;
  });
  return token!;
}

/** Alice's texts to bob, which wait for him to accept. */
export async function write(url: string, token: string, body: string): Promise<void> {
  await rest(url, "POST", "/v1/messages", { token, key: body, body: { to: "bob", body } });
}

export async function textsOf(url: string, token: string): Promise<readonly unknown[]> {
  const path = "/v1/conversations/bob/messages";
  const page = await rest<{ events: readonly { body: unknown }[] }>(url, "GET", path, { token });
  return page.events.map(({ body }) => body);
}

/** Where a client that asks the other cell is sent, but to `not`, once somebody serves there. */
export async function movedTo(url: string, token: string, not = ""): Promise<string> {
  let server = "";
  await until("the cell", async () => {
    const headers = { "content-type": "application/json", authorization: `Bearer ${token}` };
    const response = await fetch(`${url}/v1/sessions`, { method: "POST", headers, body: "{}" });
    const { servers = [] }: { servers?: readonly string[] } = await response.json();
    for (server of response.status === 421 ? servers.filter((one) => one !== not) : []) {
      if (await fetch(`${server}/readyz`).then((r) => r.text(), () => "") === "ready") return true;
    }
    return false;
  });
  return server;
}
