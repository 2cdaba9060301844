/** The backend of an application with users of its own, at the binary's gateway. */
import assert from "node:assert/strict";
import { type Check, until } from "./binary_fixture.ts";
import { Client, rest } from "../../process/client.ts";

type Fields = Readonly<Record<string, unknown>>;

const backend: Check = {
  name: "a backend: accounts, tokens, contacts without requests, a message of a user, deletion",
  async run(fixture) {
    const { url, wsUrl } = fixture.server;
    const add = ["service", "add", "app", "--scope", "users.manage"];
    const token = (await fixture.must([...add, ...fixture.data])).trim();
    const call = (method: string, path: string, body?: Fields, key?: string) =>
      rest<Fields>(url, method, `/gateway/v1/backend/${path}`, {
        token,
        ...(body === undefined ? {} : { body }),
        ...(key === undefined ? {} : { key }),
      });
    const tokens = await Promise.all(
      ["wim", "zoe"].map((user) => call("POST", "tokens", { user })),
    );
    await call("PUT", "users/wim/contacts", { contacts: [{ user: "zoe", label: "Lou" }] });
    const seen: string[] = [];
    const [wim, zoe] = await Promise.all(
      tokens.map(({ token }, i) =>
        Client.connect(wsUrl, { auth: { token } }, (event) => {
          if (i === 0 && event["user"] === "zoe") seen.push(String(event["show"]));
        })
      ),
    );
    try {
      await until("zoe's presence", () => seen.at(-1), (show) => show === "online");
      const message = { from: "zoe", to: "wim", body: "From the backend" };
      const sent = await call("POST", "messages", message, "one");
      assert.deepEqual(await call("POST", "messages", message, "one"), sent);
      const { events } = await until(
        "the message",
        () => wim!.command<{ events: Fields[] }>("history", { with: "zoe" }),
        (page) => page.events.length > 0,
      );
      assert.deepEqual(events.map(({ body }) => body), ["From the backend"]);
      assert.equal((await call("DELETE", "users/zoe"))["removed"], true);
      await zoe!.closed;
      await fixture.must(["service", "revoke", "app", "--yes", ...fixture.data]);
      await assert.rejects(call("DELETE", "users/wim"), /unauthorized/);
      return "2 users, 1 message";
    } finally {
      await wim!.close();
      await zoe!.close();
    }
  },
};

/** All of it. */
export const BACKEND_CHECKS: readonly Check[] = [backend];
