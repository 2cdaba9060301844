/** Loaded before the program (`deno run --preload`): tells its permissions on stderr at SIGUSR2. */
const NAMES = ["net", "read", "write", "env", "sys", "run", "ffi", "import"] as const;

Deno.addSignalListener("SIGUSR2", () => {
  const granted = NAMES.filter((name) => Deno.permissions.querySync({ name }).state === "granted");
  let started = true;
  try {
    new Deno.Command(Deno.execPath(), { args: ["--version"] }).outputSync();
  } catch {
    started = false;
  }
  const text = `permissions ${JSON.stringify({ granted, started })}\n`;
  Deno.stderr.writeSync(new TextEncoder().encode(text));
});
