/**
 * Passing a connection to another process.
 *
 * This process accepts a TCP connection, hands it to a worker process over a
 * Unix socket, and closes its own descriptor. The worker answers, and the
 * client notices nothing: the connection itself has not changed hands, only
 * who holds its descriptor. In this way a server is replaced without losing a
 * connection, or spread over processes by a rule of its own.
 */
import { spawn } from 'node:child_process';
import { unlinkSync } from 'node:fs';
import { EventLoop, Handler, TcpListener, TcpStream, UnixListener, UnixStream } from 'millrace';

const buffer = new Uint8Array(1024);
const Token = { TCP: 0, UNIX: 1, CLIENT: 2 } as const;

/** Accepts on the one side, hands over on the other; its own client reads the answer. */
class Front extends Handler {
  readonly tcp = TcpListener.bind('127.0.0.1:0');
  readonly client = TcpStream.connect(this.tcp.localAddress);
  readonly unix: UnixListener;
  #worker: UnixStream | null = null;

  constructor(unix: UnixListener) {
    super();
    this.unix = unix;
  }

  override readable(loop: EventLoop, token: number): void {
    if (token === Token.UNIX) {
      // The worker is there: now connections can be taken.
      this.#worker = this.unix.accept();
      loop.register(this.tcp, Token.TCP);
    } else if (token === Token.TCP) {
      this.#handOver(this.tcp.accept());
    } else {
      const size = this.client.read(buffer);
      if (size === 0) loop.shutdown();
      else if (size !== null) console.log(`Client: received "${textOf(size)}"`);
    }
  }

  #handOver(connection: TcpStream | null): void {
    if (connection === null || this.#worker === null) return;
    console.log('Front: accepted a connection, handing it over');
    this.#worker.sendFd(new TextEncoder().encode('a connection'), connection);
    connection.close();
    this.#worker.close();
  }
}

/** Receives one descriptor, answers on it, and ends. */
class Worker extends Handler {
  readonly front: UnixStream;

  constructor(front: UnixStream) {
    super();
    this.front = front;
  }

  override readable(loop: EventLoop): void {
    const message = this.front.recvFd(buffer);
    if (message === null) return;
    console.log(`Worker: received ${textOf(message.size)}`);
    message.source?.write(new TextEncoder().encode('Hello from the other process'));
    message.source?.close();
    loop.shutdown();
  }
}

function textOf(size: number): string {
  return new TextDecoder().decode(buffer.subarray(0, size));
}

const loop = new EventLoop();
const path = process.argv[2];
if (path === undefined) {
  const socketPath = `/tmp/millrace-front-${process.pid}`;
  const front = new Front(UnixListener.bind(socketPath));
  loop.register(front.unix, Token.UNIX);
  loop.register(front.client, Token.CLIENT);
  spawn(process.execPath, [process.argv[1] ?? '', socketPath], { stdio: 'inherit' });
  await loop.run(front);
  unlinkSync(socketPath);
  for (const source of [front.unix, front.tcp, front.client]) source.close();
} else {
  const worker = new Worker(UnixStream.connect(path));
  loop.register(worker.front, 0);
  await loop.run(worker);
  worker.front.close();
}
loop.close();
