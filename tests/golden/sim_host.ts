/** Transcripts on a simulated node, in virtual time. */
import { configOf } from "../../server/config/config.ts";
import type { Sink } from "../../server/edge/types.ts";
import { goawayFrame } from "../../server/v1/encode.ts";
import { fetchHeard, type Host, type Wire } from "./host.ts";
import type { Heard } from "./transcript.ts";
import { ADDRESS, breathe, openServer, type ServerFixture } from "./server_fixture.ts";

/** How far virtual time moves at once while promises may be under way, ms. */
const STEP_MS = 1;
/** Longest wait for something, ms of the simulation. */
const WAIT_MS = 5000;
/** What comes of a line comes within this, ms of the simulation. */
const SETTLE_MS = 200;
/** Rounds without real time passing, after which other threads get some. */
const ROUNDS_BEFORE_SLEEP = 1000;

/** The key that `golden-key.json` holds: transcripts have tokens signed with it. */
const ISSUER_KEY = JSON.stringify({
  kty: "oct",
  k: "YSBrZXkgdGhhdCBub2JvZHkgYnV0IHRyYW5zY3JpcHRzIGtub3dz",
});

/** Settings of every transcript, which it can change. */
const SETTINGS = { "server.domain": "example.com", "storage.shards": "4" };

/** Opens a server for a transcript. */
export async function openSimHost(settings: Readonly<Record<string, string>>): Promise<Host> {
  const config = configOf("/data", { ...SETTINGS, ...settings });
  return new SimHost(await openServer({ config, files: { "golden-key.json": ISSUER_KEY } }));
}

/** A simulated server as a host. */
export class SimHost implements Host {
  readonly #fixture: ServerFixture;

  constructor(fixture: ServerFixture) {
    this.#fixture = fixture;
  }

  open(heard: (heard: Heard) => void): Wire {
    return new SimWire(this.#fixture, heard);
  }

  request(...[request, gone, heard]: Parameters<Host["request"]>): void {
    const { app } = this.#fixture;
    void fetchHeard(async (r) => await app.fetch(r), "http://golden", request, gone, heard);
  }

  async act(words: readonly string[]) {
    const fixture = this.#fixture;
    const [what, name = ""] = words;
    switch (what) {
      case "invite": {
        let code = "";
        fixture.invite((made) => code = made);
        await this.until(() => code !== "");
        return { name: `invite:${name}`, value: code };
      }
      case "disable":
      case "enable":
        fixture.setDisabled(name, what === "disable");
        return null;
      case "drain":
        fixture.drain();
        return null;
      case "busy":
        fixture.busy = name === "on";
        return null;
      case "disk":
        fixture.disk.full = name === "full";
        return null;
      default:
        throw new Error(`nobody can do ${what}`);
    }
  }

  async pause(ms: number): Promise<void> {
    const untilMs = this.#fixture.time.nowMs + ms;
    const stepMs = Math.max(STEP_MS, ms / 200);
    while (this.#fixture.time.nowMs < untilMs) {
      this.#fixture.time.runFor(Math.min(stepMs, untilMs - this.#fixture.time.nowMs));
      await breathe();
    }
  }

  async until(met: () => boolean): Promise<boolean> {
    const untilMs = this.#fixture.time.nowMs + WAIT_MS;
    for (let round = 0; !met(); round++) {
      if (this.#fixture.time.nowMs >= untilMs) return false;
      this.#fixture.time.runFor(STEP_MS);
      await breathe();
      if (round > ROUNDS_BEFORE_SLEEP && round % 10 === 0) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }
    return true;
  }

  async settle(): Promise<void> {
    await this.pause(SETTLE_MS);
  }
}

/** A WebSocket without a network: what is sent arrives before the turn is done. */
class SimWire implements Wire {
  readonly #fixture: ServerFixture;
  readonly #handler: ReturnType<ServerFixture["connect"]>;
  /** Neither side has ended it. */
  #open = true;

  constructor(fixture: ServerFixture, heard: (heard: Heard) => void) {
    this.#fixture = fixture;
    const end = (goaway: string | null) => {
      if (!this.#open) return;
      this.#open = false;
      if (goaway !== null) heard({ kind: "frame", frame: JSON.parse(goaway) });
      heard({ kind: "end" });
      fixture.ports.timers.soon(() => this.#handler.closed());
    };
    const sink: Sink = {
      send: (text) => {
        if (this.#open) heard({ kind: "frame", frame: JSON.parse(text) });
      },
      bufferedBytes: () => 0,
      close: (reason, retryAfterMs) => end(goawayFrame(reason, retryAfterMs)),
      terminate: () => end(null),
    };
    this.#handler = fixture.connect({ sink, address: ADDRESS });
  }

  send(text: string): void {
    this.#fixture.ports.timers.soon(() => {
      if (this.#open) this.#handler.frame(text);
    });
  }

  end(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#fixture.ports.timers.soon(() => this.#handler.closed());
  }
}
