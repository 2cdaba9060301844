import { createServer } from "node:http";
import { WebSocketServer } from "ws";
import { getRequestListener } from "@hono/node-server";
import type { Hono } from "hono";
import type { WireConnection, WireHandler } from "./json/wire.ts";
export function tmpDoor(app: Hono, bind: {host:string;port:number}, onConnection: (c: WireConnection)=>WireHandler): Promise<{port:number, close():Promise<void>, connections(): number}> {
  const server = createServer(getRequestListener(app.fetch, { overrideGlobalObjects: false }));
  const wss = new WebSocketServer({ noServer: true, maxPayload: 65536, perMessageDeflate: false });
  server.on("upgrade", (req, socket, head) => {
    wss.handleUpgrade(req, socket, head, (ws) => {
      const h = onConnection({ address: req.socket.remoteAddress ?? "", sink: {
        send: (t) => ws.send(t), bufferedBytes: () => ws.bufferedAmount,
        close: () => ws.close(1000), terminate: () => ws.terminate() } });
      ws.on("message", (d: Uint8Array, bin: boolean) => { if (bin) ws.close(1003); else h.frame(d.toString()); });
      ws.on("close", () => h.closed()); ws.on("error", () => h.closed());
    });
  });
  return new Promise((r) => server.listen(bind.port, bind.host, () => r({ port: (server.address() as {port:number}).port, connections: () => wss.clients.size, close: () => new Promise((d) => { server.close(() => d()); for (const c of wss.clients) c.terminate(); (server as any).closeAllConnections?.(); }) })));
}
