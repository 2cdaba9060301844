/**
 * An example of a gateway's use: a small mail-like app. It shows the presence of senders beside
 * their mails, tells people of new mail by a message, and learns by a signed webhook what became of
 * it. It knows the server's address and a service's token, nothing else:
 *
 *   roost service add mail --scope send,presence.read,watch,outcomes
 *   deno run -A tests/examples/mail_app.ts http://127.0.0.1:8420 rs1_mail_…
 */
import { Buffer } from "node:buffer";
import { createHmac, timingSafeEqual } from "node:crypto";

/** A mail in somebody's box. */
export interface Mail {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly subject: string;
}

/** How far the message about a mail has come. */
export type Told = "sent" | "delivered" | "read" | "undelivered";

interface Notice {
  readonly to: string;
  /** Its number among the app's messages to this user. */
  readonly num: number;
  told: Told;
}

interface HookEvent extends Readonly<Record<string, unknown>> {
  /** 1, 2, 3 … for each webhook: a repetition has the same. */
  readonly n: number;
  readonly type: string;
}

/** How old a webhook may be (s): an old one may be a copy that somebody kept. */
const AGE_SECONDS_MAX = 300;

/** How often the app asks where it is refused for now. */
const TRIES_MAX = 10;

/** The app: its mails, its page, and its receiver of webhooks. */
export class MailApp {
  readonly #base: string;
  readonly #token: string;
  readonly #mails: Mail[] = [];
  readonly #presence = new Map<string, string>();
  /** By the mail's id, which is the message's key too. */
  readonly #notices = new Map<string, Notice>();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  #secret = "";
  #lastEvent = 0;

  private constructor(base: string, token: string) {
    this.#base = base;
    this.#token = token;
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      (request) => this.#serve(request),
    );
  }

  /** Starts it: it listens, and has its webhook set up. */
  static async start(base: string, token: string): Promise<MailApp> {
    const app = new MailApp(base, token);
    const url = `${app.url}/roost`;
    const topics = ["outcomes", "presence"];
    const { secret } = await app.#call("PUT", "/gateway/v1/webhooks/mail", { url, topics });
    app.#secret = String(secret);
    return app;
  }

  /** Its address. */
  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  async #call(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
    tries = 1,
  ): Promise<Readonly<Record<string, unknown>>> {
    const response = await fetch(this.#base + path, {
      method,
      headers: {
        authorization: `Bearer ${this.#token}`,
        "content-type": "application/json",
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const value = await response.json();
    if (response.ok) return value;
    if (value.retryAfterMs === undefined || tries === TRIES_MAX) {
      throw new Error(`${method} ${path}: ${value.code}: ${value.message}`);
    }
    await new Promise((done) => setTimeout(done, value.retryAfterMs));
    return this.#call(method, path, body, headers, tries + 1);
  }

  /** Asks people to let the app see their presence. */
  async askToSee(users: readonly string[]): Promise<void> {
    await this.#call("POST", "/gateway/v1/contacts", { users });
  }

  /**
   * A mail has come: it is kept, and its owner is notified. Again with the same mail, nothing more.
   */
  async receive(mail: Mail): Promise<void> {
    if (!this.#mails.some(({ id }) => id === mail.id)) this.#mails.push(mail);
    const body = `New mail from ${mail.from}: ${mail.subject}`;
    const key = { "idempotency-key": mail.id };
    const sent = await this.#call("POST", "/gateway/v1/messages", { to: mail.to, body }, key);
    const known = this.#notices.get(mail.id);
    const notice = { to: mail.to, num: Number(sent["num"]), told: known?.told ?? "sent" };
    this.#notices.set(mail.id, notice);
  }

  /**
   * The box of a user as text: who wrote, whether they are online, and what became of the notice.
   */
  async box(user: string): Promise<string> {
    const mails = this.#mails.filter(({ to }) => to === user);
    const users = [...new Set(mails.map(({ from }) => from))];
    if (users.length > 0) {
      const { presence } = await this.#call("POST", "/gateway/v1/presence/query", { users });
      for (const view of presence as readonly { user: string; show: string }[]) {
        this.#presence.set(view.user, view.show);
      }
    }
    return mails.map(({ id, from, subject }) => {
      const show = this.#presence.get(from) ?? "offline";
      return `${from} (${show}): ${subject} [${this.#notices.get(id)?.told ?? "sent"}]\n`;
    }).join("");
  }

  async #serve(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (pathname.startsWith("/box/")) return new Response(await this.box(pathname.slice(5)));
    if (pathname !== "/roost") return new Response(null, { status: 404 });
    const body = await request.text();
    if (!this.#isGenuine(request.headers, body)) return new Response(null, { status: 401 });
    const { events } = JSON.parse(body) as { readonly events: readonly HookEvent[] };
    for (const event of events) {
      // A batch may come twice: when its answer was lost.
      if (event.n <= this.#lastEvent) continue;
      this.#lastEvent = event.n;
      this.#learn(event);
    }
    return new Response(null, { status: 204 });
  }

  /** Whether the server has signed it, and lately (Standard Webhooks). */
  #isGenuine(headers: Headers, body: string): boolean {
    const id = headers.get("webhook-id") ?? "";
    const timestamp = headers.get("webhook-timestamp") ?? "";
    if (Math.abs(Date.now() / 1000 - Number(timestamp)) > AGE_SECONDS_MAX) return false;
    const key = Buffer.from(this.#secret.replace("whsec_", ""), "base64");
    const mac = createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest("base64");
    const wanted = Buffer.from(`v1,${mac}`);
    return (headers.get("webhook-signature") ?? "").split(" ").some((one) => {
      const given = Buffer.from(one);
      return given.length === wanted.length && timingSafeEqual(given, wanted);
    });
  }

  #learn(event: HookEvent): void {
    if (event.type === "presence") {
      this.#presence.set(String(event["user"]), String(event["show"]));
    } else if (event.type === "outcome") {
      const state = String(event["state"]);
      if (state === "undelivered") {
        const notice = this.#notices.get(String(event["key"]));
        if (notice !== undefined) notice.told = "undelivered";
      } else if (state === "delivered" || state === "read") this.#advance(event, state);
    }
  }

  /** Holds for every message to this user up to a number. */
  #advance(event: HookEvent, state: "delivered" | "read"): void {
    for (const notice of this.#notices.values()) {
      const covered = notice.to === event["to"] && notice.num <= Number(event["upTo"]);
      if (covered && notice.told !== "read" && notice.told !== "undelivered") notice.told = state;
    }
  }

  /** Stops listening. */
  async stop(): Promise<void> {
    await this.#server.shutdown();
  }
}

if (import.meta.main) {
  const [base, token] = Deno.args;
  if (base === undefined || token === undefined) throw new Error("give the address and the token");
  const app = await MailApp.start(base, token);
  await Deno.stdout.write(new TextEncoder().encode(`Boxes are at ${app.url}/box/NAME\n`));
}
