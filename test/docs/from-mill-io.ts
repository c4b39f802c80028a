/**
 * The program of docs/how-to/from-mill-io.md: a server that digests. The digest
 * of each line is made on another thread and sent back, everybody is told now
 * and then how many there are, and an operator gives orders from a third thread.
 *
 *     node dist/test/docs/from-mill-io.js
 */
import { createInterface } from 'node:readline';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { EventLoop, Handler, Sender, TaskPriority } from 'millrace';
import { LineDecoder, type NetworkHandler, type ServerContext, TcpServer } from 'millrace/net';

const TASKS = new URL('./from-mill-io-tasks.js', import.meta.url);
const COUNT_EVERY_MS = 100;

class Digester implements NetworkHandler {
  readonly #loop: EventLoop<Order, Chore>;

  constructor(loop: EventLoop<Order, Chore>) {
    this.#loop = loop;
  }

  onConnect(context: ServerContext, id: number): void {
    const lines = new LineDecoder({ maxLineBytes: 4096 }, (line) => {
      void this.#digest(context, id, line);
    });
    context.connection(id)!.data = lines;
  }

  onData(context: ServerContext, id: number, data: Uint8Array): void {
    (context.connection(id)!.data as LineDecoder).push(data);
  }

  onError(_: ServerContext, id: number | null, error: Error): void {
    console.error(`Connection ${id}: ${error.message}`);
  }

  async #digest(context: ServerContext, id: number, line: string): Promise<void> {
    const { compute } = this.#loop;
    const options = { priority: TaskPriority.High };
    try {
      const digest = await compute.run<string>(TASKS, 'digest', [line], options);
      // False if the client has gone meanwhile, or takes too little of what it asks for.
      if (!context.sendTo(id, `${digest}\n`)) context.closeConnection(id);
    } catch {
      // Too many digests wait, or the loop was closed: in either case there is no answer.
      context.closeConnection(id);
    }
  }
}

type Chore = 'count';

type Order = { act: 'say'; text: string } | { act: 'close'; id: number } | { act: 'stop' };

class Office extends Handler<Order, Chore> {
  readonly #server: TcpServer;

  constructor(server: TcpServer) {
    super();
    this.#server = server;
  }

  override timeout(): void {
    this.#server.broadcast(`${this.#server.connectionCount} here\n`);
  }

  override notify(loop: EventLoop<Order, Chore>, order: Order): void {
    if (order.act === 'say') this.#server.broadcast(`${order.text}\n`);
    else if (order.act === 'close') this.#server.closeConnection(order.id);
    else void this.#server.stop().then(() => loop.shutdown());
  }
}

/** On a thread of its own: what is typed becomes orders to the loop. */
async function operate(): Promise<void> {
  const sender = Sender.from<Order>(workerData);
  for await (const line of createInterface({ input: process.stdin })) {
    const [, id] = /^close (\d+)$/.exec(line) ?? [];
    if (id === undefined) await sender.sendAsync({ act: 'say', text: line });
    else await sender.sendAsync({ act: 'close', id: Number(id) });
  }
  await sender.sendAsync({ act: 'stop' });
}

async function serve(): Promise<void> {
  const loop = new EventLoop<Order, Chore>();
  const config = { address: '127.0.0.1:0', maxConnections: 1000, highWaterMarkBytes: 65536 };
  const server = new TcpServer(loop, config, new Digester(loop));
  server.listen();
  loop.interval('count', COUNT_EVERY_MS);
  const operator = new Worker(new URL(import.meta.url), {
    workerData: loop.channel().transfer(),
    stdin: true,
  });
  process.stdin.pipe(operator.stdin!);
  const { port } = server.localAddress as { port: number };
  console.log(`Listening on 127.0.0.1:${port}`);
  await loop.run(new Office(server));
  loop.close();
}

await (isMainThread ? serve() : operate());
