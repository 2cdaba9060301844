import assert from "node:assert/strict";
import { postFrom } from "./post_from.ts";
import { ServerProcess, tempDir } from "./server.ts";

const USER = { user: "ann", password: "correct horse battery" };
const HOME = "127.0.0.2";

Deno.test("10.9: wrong guesses from elsewhere lock nobody out where they registered, restart or not", async () => {
  using dir = tempDir();
  const flags = ["--registration", "open"];
  const signIn = ({ url }: ServerProcess, from: string, password = USER.password) =>
    postFrom(url, from, "/v1/auth/password", { ...USER, password });
  const guess = async (server: ServerProcess) => {
    for (let i = 1; i <= 12; i++) {
      const { status } = await signIn(server, `127.0.1.${i}`, "not the right one");
      assert.equal(status, i <= 10 ? 401 : 429, `guess ${i}`);
    }
  };
  const server = await ServerProcess.start({ dataDir: dir.path, flags });
  assert.equal((await postFrom(server.url, HOME, "/v1/register", USER)).status, 201);
  await guess(server);
  assert.equal((await signIn(server, HOME)).status, 200, "where ann registered");
  assert.equal((await signIn(server, "127.0.0.3")).status, 429, "elsewhere");
  await server.kill();
  const again = await ServerProcess.start({ dataDir: dir.path, flags });
  await guess(again);
  assert.equal((await signIn(again, HOME)).status, 200, "after a kill");
  assert.equal((await signIn(again, "127.0.0.3")).status, 429);
  await again.stop();
});
