/**
 * The program of docs/how-to/hand-a-connection-to-another-thread.md: one
 * thread accepts, others serve. Each answer tells which of them gave it.
 *
 *     node dist/test/docs/hand-over.js
 */
import { fileURLToPath } from 'node:url';
import { isMainThread, threadId, Worker, workerData } from 'node:worker_threads';
import {
  EventLoop,
  Handler,
  Sender,
  Slab,
  type SourceHandle,
  TcpListener,
  TcpStream,
  type Token,
} from 'millrace';

const SHARDS = 2;
const CONNECTIONS_MAX = 1024;

/** A connection to serve; null: that was all. */
type Work = SourceHandle | null;

/** Accepts, and gives away. */
class Front extends Handler<Sender<Work>> {
  readonly #listener = TcpListener.bind('127.0.0.1:0');
  readonly #shards: Sender<Work>[] = [];
  #next = 0;

  /** A shard is up. */
  override notify(loop: EventLoop, shard: Sender<Work>): void {
    this.#shards.push(shard);
    if (this.#shards.length < SHARDS) return;
    loop.register(this.#listener, 0);
    console.log(`Listening on port ${this.#listener.localAddress.port}`);
  }

  override readable(): void {
    const connection = this.#listener.accept();
    if (connection !== null) this.#handOver(connection);
  }

  override signal(loop: EventLoop): void {
    for (const shard of this.#shards) shard.send(null);
    this.#listener.close();
    loop.shutdown();
  }

  #handOver(connection: TcpStream): void {
    const shard = this.#shards[this.#next++ % SHARDS];
    const handle = connection.transfer();
    // Refused: its channel is full, or the shard has ended. The connection is ours again.
    if (!shard.send(handle)) TcpStream.from(handle).close();
  }
}

/** Serves what it is given. */
class Shard extends Handler<Work> {
  readonly #connections = new Slab<TcpStream>(CONNECTIONS_MAX);
  readonly #buffer = Buffer.alloc(4096);

  override notify(loop: EventLoop<Work>, work: Work): void {
    if (work === null) {
      for (const connection of this.#connections.values()) connection.close();
      loop.shutdown();
      return;
    }
    const connection = TcpStream.from(work);
    const token = this.#connections.insert(connection);
    if (token === null) connection.close();
    else loop.register(connection, token);
  }

  override readable(_: EventLoop<Work>, token: Token): void {
    const connection = this.#connections.get(token);
    const size = connection?.read(this.#buffer) ?? 0;
    if (size > 0) {
      connection?.writev([Buffer.from(`${threadId}: `), this.#buffer.subarray(0, size)]);
    } else {
      this.#connections.remove(token)?.close();
    }
  }
}

if (isMainThread) {
  const loop = new EventLoop<Sender<Work>>();
  const home = loop.channel().transfer();
  for (let shard = 0; shard < SHARDS; shard++) {
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: home });
    worker.on('error', (error) => {
      throw error;
    });
  }
  loop.registerSignal('SIGTERM');
  await loop.run(new Front());
  loop.close();
} else {
  const loop = new EventLoop<Work>();
  Sender.from<Sender<Work>>(workerData).send(loop.channel());
  await loop.run(new Shard());
  loop.close();
}
