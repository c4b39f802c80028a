/**
 * A statistics sink: counters that many add to, by Unix datagrams.
 *
 * `name 3` adds to a counter, `name ?` asks for its sum. Unix datagrams are
 * neither lost nor reordered: where the sink's queue is full, the reporter is
 * told, and waits until there is room. So no increment is missing, and an
 * answer counts everything that its asker had sent before.
 *
 *     node dist/examples/13-unix-datagrams.js
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventLoop, Handler, Interest, type UnixAddress, UnixDatagram } from 'millrace';

const REPORTERS = ['api', 'jobs', 'web'];
const INCREMENTS = 1000;
/** Anything else is not counted. */
const REPORT = /^(\w{1,64}) (\d{1,9}|\?)$/;

const buffer = new Uint8Array(256);
const textOf = (size: number) => new TextDecoder().decode(buffer.subarray(0, size));
const bytesOf = (text: string) => new TextEncoder().encode(text);

class Sink extends Handler {
  readonly socket = UnixDatagram.bind(path);
  readonly sums = new Map<string, number>();

  override readable(): void {
    const datagram = this.socket.recvFrom(buffer);
    if (datagram === null) return;
    const [, name, amount] = REPORT.exec(textOf(datagram.size)) ?? [];
    if (name === undefined) return;
    const sum = this.sums.get(name) ?? 0;
    if (amount !== '?') this.sums.set(name, sum + Number(amount));
    else if (datagram.address.path !== null) this.#answer(`${name} ${sum}`, datagram.address);
  }

  /** One that has left, or has no room for its answer, goes without: the others do not wait. */
  #answer(text: string, to: UnixAddress): void {
    try {
      this.socket.sendTo(bytesOf(text), to);
    } catch (error) {
      if (!(error instanceof Error && 'syscall' in error)) throw error;
    }
  }
}

/** Sends increments of two counters, asks for one sum, and ends with the answer. */
async function report(name: string): Promise<void> {
  using own = new EventLoop();
  // A socket without a name could send as well, but nobody could answer it.
  using socket = UnixDatagram.bind(join(directory, name));
  // WRITABLE tells of room at the other end only where that is known: when connected.
  socket.connect(path);
  own.register(socket, own.nextToken(), Interest.WRITABLE);
  let sent = 0;
  await own.run({
    writable: (_loop, token) => {
      for (; sent < INCREMENTS; sent++) {
        if (socket.send(bytesOf(`${sent % 2 === 0 ? name : 'all'} 3`)) === null) return;
      }
      if (socket.send(bytesOf(`${name} ?`)) === null) return;
      own.reregister(socket, token, Interest.READABLE);
    },
    readable: () => {
      const size = socket.recv(buffer);
      if (size === null) return;
      console.log(`Answer: ${textOf(size)}`);
      own.shutdown();
    },
  });
}

const directory = mkdtempSync(join(tmpdir(), 'millrace-'));
process.once('exit', () => rmSync(directory, { recursive: true }));
const path = join(directory, 'sink');
console.log(`Counting at ${path}`);
const loop = new EventLoop();
const sink = new Sink();
loop.register(sink.socket, loop.nextToken());
const counting = loop.run(sink);
await Promise.all(REPORTERS.map(report));
loop.shutdown();
await counting;
for (const name of [...REPORTERS, 'all']) console.log(`${name}: ${sink.sums.get(name)}`);
sink.socket.close();
loop.close();
