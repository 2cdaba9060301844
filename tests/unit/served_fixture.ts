/** A store that is served over a socket, and clients of it. */
import { dialFramed, type FramedSocket, listenFramed } from "../../server/system/framed_socket.ts";
import { memoryLog } from "../sim/sim_ports.ts";
import type { NodeId } from "../../shard/name/ids.ts";
import type { ObserveDamage } from "../../server/store/checked_rows.ts";
import { openKvStore } from "../../server/store/kv_store.ts";
import { runCallback } from "../../server/system/callback.ts";
import { ServedStore } from "../../server/store/served_store.ts";
import { STORE_FRAME_BYTES_MAX } from "../../server/store/store_frames.ts";
import type { Store } from "../../server/node/ports.ts";
import { StoreServer } from "../../server/store/store_server.ts";

/** The process that has the store, and those that use it, in one process. */
export class ServedFixture {
  readonly sockets: FramedSocket[] = [];

  private constructor(
    readonly path: string,
    readonly store: Store,
    readonly server: StoreServer,
    readonly stopListening: () => void,
  ) {}

  static async open(dir: string): Promise<ServedFixture> {
    const store = await openKvStore(`${dir}/kv.sqlite3`);
    const server = new StoreServer(store, memoryLog().log);
    const path = `${dir}/store.sock`;
    const accept = (socket: FramedSocket) => server.accept(socket);
    const listener = await listenFramed(path, STORE_FRAME_BYTES_MAX, accept);
    return new ServedFixture(path, store, server, () => listener.close());
  }

  client(node = "node000000000001", observe: ObserveDamage = () => {}): ServedStore {
    return new ServedStore({
      dial: (events) => {
        const socket = dialFramed(this.path, STORE_FRAME_BYTES_MAX, events);
        this.sockets.push(socket);
        return socket;
      },
      node: node as NodeId,
      observe,
      call: runCallback,
      later: queueMicrotask,
    });
  }

  /** Ends the process that has the store, after what is under way. */
  async close(): Promise<void> {
    this.stopListening();
    this.server.close();
    await new Promise<void>((done) => this.store.close(done));
  }
}
