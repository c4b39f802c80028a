/**
 * Chat over TCP, line by line: what one says, all others hear.
 *
 * A message is queued once for all who do not take it at once. Who reads too
 * slowly is skipped from the high mark on, and told how much was missed when
 * the queue has drained: nobody waits for anybody, and memory has a bound.
 *
 *     node dist/examples/21-chat.js [address]
 *     nc 127.0.0.1 7000        (/nick NAME, /who, /quit)
 */
import { EventLoop, Handler, type SocketAddress } from 'millrace';
import {
  type Connection,
  encodeLine,
  LineDecoder,
  type NetworkHandler,
  type ServerContext,
  TcpServer,
} from 'millrace/net';

const DEFAULT_ADDRESS = '127.0.0.1:7000';
const LINE_BYTES_MAX = 512;
const HIGH_WATER_MARK_BYTES = 64 * 1024;
const NAME = /^[\w-]{1,20}$/;

interface Member {
  name: string;
  readonly decoder: LineDecoder;
  /** Lines that were not queued, since too many were. */
  missed: number;
}

/** A member whose queue is above the mark. */
interface Full {
  readonly member: Member;
  readonly connection: Connection;
  /** Taken so far, to be sent. */
  readonly bytes: number;
}

class Chat implements NetworkHandler {
  readonly #members = new Map<number, Member>();

  onConnect(context: ServerContext, id: number): void {
    const decoder = new LineDecoder({ maxLineBytes: LINE_BYTES_MAX }, (line) => {
      // What moves cursors and changes colours is not passed on to other terminals.
      this.#said(context, id, line.replace(/\p{Cc}/gu, ''));
    });
    const name = `guest-${id}`;
    this.#members.set(id, { name, decoder, missed: 0 });
    this.#tell(context, id, `* you are ${name}; /nick NAME, /who, /quit`);
    this.#tellOthers(context, id, `* ${name} has joined`);
  }

  /** A line that is too long throws, and that ends the connection. */
  onData(_context: ServerContext, id: number, data: Uint8Array): void {
    this.#members.get(id)?.decoder.push(data);
  }

  onDrained(context: ServerContext, id: number): void {
    const member = this.#members.get(id);
    if (member === undefined || member.missed === 0) return;
    const { missed } = member;
    member.missed = 0;
    this.#tell(context, id, `* you have missed ${missed} lines`);
  }

  onDisconnect(context: ServerContext, id: number): void {
    const name = this.#members.get(id)?.name;
    this.#members.delete(id);
    this.#tellOthers(context, id, `* ${name} has left`);
  }

  /** Connections that are reset, or send lines without end: they have left. */
  onError(): void {}

  #said(context: ServerContext, id: number, line: string): void {
    const [command, ...words] = line.split(' ');
    if (command === '/nick') this.#rename(context, id, words.join(' '));
    else if (command === '/who') this.#tell(context, id, `* ${this.#names().join(', ')}`);
    else if (command === '/quit') this.#quit(context, id);
    else if (line !== '') this.#tellOthers(context, id, `${this.#members.get(id)?.name}: ${line}`);
  }

  #rename(context: ServerContext, id: number, name: string): void {
    const member = this.#members.get(id);
    if (member === undefined) return;
    if (!NAME.test(name) || this.#names().includes(name)) {
      this.#tell(context, id, `* ${name} is taken, or no name: letters, digits, - and _`);
      return;
    }
    const line = `* ${member.name} is now ${name}`;
    member.name = name;
    this.#tell(context, id, line);
    this.#tellOthers(context, id, line);
  }

  #quit(context: ServerContext, id: number): void {
    // Nothing more of what has come with it.
    this.#members.get(id)?.decoder.reset();
    context.closeConnection(id);
  }

  #names(): string[] {
    return Array.from(this.#members.values(), ({ name }) => name);
  }

  #tell(context: ServerContext, id: number, line: string): void {
    const member = this.#members.get(id);
    if (!context.sendTo(id, encodeLine(line)) && member !== undefined) member.missed += 1;
  }

  #tellOthers(context: ServerContext, id: number, line: string): void {
    const full = this.#full(context, id);
    context.broadcast(encodeLine(line), { except: id });
    for (const { member, connection, bytes } of full) {
      // The system may have made room meanwhile: then it was taken all the same.
      if (bytesTaken(connection) === bytes) member.missed += 1;
    }
  }

  /** All but one that may be refused what is sent next, and what they have taken so far. */
  #full(context: ServerContext, id: number): Full[] {
    const full: Full[] = [];
    for (const [other, member] of this.#members) {
      const connection = context.connection(other);
      if (other === id || connection === undefined) continue;
      if (connection.queuedBytes <= HIGH_WATER_MARK_BYTES) continue;
      full.push({ member, connection, bytes: bytesTaken(connection) });
    }
    return full;
  }
}

/** What was to be sent and not refused, from the beginning. */
function bytesTaken({ bytesWritten, queuedBytes }: Connection): number {
  return bytesWritten + queuedBytes;
}

class Main extends Handler {
  readonly #server: TcpServer;

  constructor(server: TcpServer) {
    super();
    this.#server = server;
  }

  override signal(loop: EventLoop): void {
    void this.#server.stop({ timeoutMs: 1000 }).then(() => loop.shutdown());
  }
}

const loop = new EventLoop();
const address = process.argv[2] ?? DEFAULT_ADDRESS;
const marks = { highWaterMarkBytes: HIGH_WATER_MARK_BYTES };
const server = new TcpServer(loop, { address, ...marks }, new Chat());
server.listen();
const { address: host, port } = server.localAddress as SocketAddress;
console.log(`Listening on ${host}:${port}`);
loop.registerSignal('SIGINT');
loop.registerSignal('SIGTERM');
await loop.run(new Main(server));
loop.close();
