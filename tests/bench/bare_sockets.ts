/**
 * The platform's own limit: a program that only writes ready-made frames to WebSockets. Run as a
 * child: `bare_sockets.ts serve SOCKETS FRAMES_PER_SECOND BYTES SECONDS` prints its port, then its
 * CPU µs a frame; `bare_sockets.ts read PORT SOCKETS` connects and discards.
 */
import { createServer } from "node:http";
import { connect, type Socket } from "node:net";
import { WebSocketServer } from "ws";

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

function cpuMs(): number {
  const fields = Deno.readTextFileSync("/proc/self/stat").split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

function serve(sockets: number, rate: number, bytes: number, seconds: number): void {
  const body = new TextEncoder().encode("x".repeat(bytes));
  const frame = new Uint8Array([0x81, 126, bytes >> 8, bytes & 255, ...body]);
  const open: Socket[] = [];
  const server = createServer();
  const wss = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  server.on("upgrade", (request, socket, head) => {
    wss.handleUpgrade(request, socket, head, () => {
      open.push(socket as Socket);
      if (open.length === sockets) setTimeout(pump, 500);
    });
  });
  function pump() {
    const began = performance.now();
    const cpu = cpuMs();
    let sent = 0;
    const turn = () => {
      const elapsed = (performance.now() - began) / 1000;
      const due = Math.min(elapsed, seconds) * rate;
      while (sent < due) open[sent++ % sockets]!.write(frame);
      if (elapsed < seconds) return void setTimeout(turn, 1);
      print(`${(cpuMs() - cpu) * 1000 / sent} ${sent / elapsed}`);
      Deno.exit(0);
    };
    turn();
  }
  server.listen(0, "127.0.0.1", () => print(String((server.address() as { port: number }).port)));
}

function read(port: number, sockets: number): void {
  for (let i = 0; i < sockets; i++) {
    const socket = connect(port, "127.0.0.1");
    socket.write(
      "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    );
    socket.on("data", () => {});
    // The server exits when it has measured enough.
    socket.on("error", () => {});
    socket.on("close", () => Deno.exit(0));
  }
}

const [mode, ...numbers] = Deno.args;
const [a = 0, b = 0, c = 0, d = 0] = numbers.map(Number);
if (mode === "serve") serve(a, b, c, d);
else read(a, b);
