/** A real OpenID Connect issuer (oidc-provider) in this process, and a browser's way through it. */
import type { AddressInfo } from "node:net";
import { createServer, type Server } from "node:http";
import { Provider } from "oidc-provider";

/** The issuer that runs. */
export interface RunningIssuer extends AsyncDisposable {
  readonly url: string;
  /** The name that it says a subject has, where that is not the subject itself. */
  readonly names: Map<string, string>;
  /** Whether it responds; it refuses everything while it does not. */
  away: boolean;
}

/** The client that servers under test are. */
export const CLIENT = {
  clientId: "roost",
  clientSecret: "a secret of the client, 32 bytes",
} as const;

/** Starts one on a free port of loopback; `redirects`: where it sends browsers back to. */
export async function startIssuer(
  redirects: readonly string[],
  options: { readonly port?: number; readonly inIdToken?: boolean } = {},
): Promise<RunningIssuer> {
  const names = new Map<string, string>();
  const state = { away: false };
  let handle: (...args: Parameters<ReturnType<Provider["callback"]>>) => void = () => {};
  const server: Server = createServer((request, response) => {
    if (!state.away) return void handle(request, response);
    response.writeHead(503).end();
  });
  await new Promise<void>((done) => server.listen(options.port ?? 0, "127.0.0.1", done));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const provider = new Provider(url, {
    clients: [{
      client_id: CLIENT.clientId,
      client_secret: CLIENT.clientSecret,
      redirect_uris: [...redirects],
    }],
    claims: { openid: ["sub"], profile: ["preferred_username"] },
    conformIdTokenClaims: options.inIdToken === false,
    pkce: { required: () => true },
    cookies: { keys: ["a key for the tests"] },
    ttl: { Interaction: 600, Session: 600, Grant: 600, AccessToken: 600, IdToken: 600 },
    findAccount: (_context: unknown, sub: string) => ({
      accountId: sub,
      claims: () => ({ sub, preferred_username: names.get(sub) ?? sub }),
    }),
  });
  handle = provider.callback();
  return {
    url,
    names,
    get away() {
      return state.away;
    },
    set away(away: boolean) {
      state.away = away;
    },
    [Symbol.asyncDispose]: () =>
      new Promise((done) => {
        server.closeAllConnections();
        server.close(() => done());
      }),
  };
}

/** Cookies by origin, as a browser keeps them; their paths are left out. */
export class Browser {
  readonly #jars = new Map<string, Map<string, string>>();

  /** Sends a request with the cookies of its origin, and follows no redirect. */
  async fetch(url: string, init: RequestInit = {}): Promise<Response> {
    const jar = this.jar(url);
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
    const headers = new Headers(init.headers);
    if (cookie !== "") headers.set("cookie", cookie);
    const response = await fetch(url, { ...init, headers, redirect: "manual" });
    for (const text of response.headers.getSetCookie()) {
      const [pair = ""] = text.split(";");
      const [name = "", ...value] = pair.split("=");
      if (/max-age=0|expires=thu, 01 jan 1970/i.test(text)) jar.delete(name.trim());
      else jar.set(name.trim(), value.join("="));
    }
    return response;
  }

  /** The cookies of an address. */
  jar(url: string): Map<string, string> {
    const { origin } = new URL(url);
    const known = this.#jars.get(origin) ?? new Map<string, string>();
    this.#jars.set(origin, known);
    return known;
  }

  /** Signs in as `login` at the issuer of `url`; where the browser is sent at last. */
  async signInAt(url: string, login: string, until: string): Promise<string> {
    let at = url;
    for (let steps = 0; steps < 20; steps++) {
      if (at.startsWith(until)) return at;
      const page = await this.fetch(at);
      const location = page.headers.get("location");
      if (location !== null) {
        await page.body?.cancel();
        at = new URL(location, at).href;
        continue;
      }
      const action = /action="([^"]+)"/.exec(await page.text())?.[1];
      if (action === undefined) throw new Error(`${at} responds ${page.status} without a form`);
      const prompt = /interaction/.test(at) && !this.#loggedIn ? "login" : "consent";
      this.#loggedIn = true;
      const body = new URLSearchParams(
        prompt === "login" ? { prompt, login, password: "any" } : { prompt },
      );
      const sent = await this.fetch(new URL(action, at).href, { method: "POST", body });
      await sent.body?.cancel();
      at = new URL(sent.headers.get("location") ?? at, at).href;
    }
    throw new Error(`${at} is not ${until}`);
  }

  #loggedIn = false;
}
