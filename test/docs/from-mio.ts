/**
 * The program of docs/how-to/from-mio.md: a server that shouts. A line comes
 * back in capitals, whoever is silent for a while is sent away, and what other
 * parts of the program say through the channel goes to everybody.
 *
 *     node dist/test/docs/from-mio.js
 */
import {
  EventLoop,
  type EventSet,
  Handler,
  Interest,
  PollOpt,
  RingBuf,
  Slab,
  TcpListener,
  type TcpStream,
  type Timeout,
  type Token,
} from 'millrace';

const SERVER: Token = 0;
const FIRST_CLIENT: Token = 1;
const CLIENTS_MAX = 128;
const IDLE_MS = 500;
const EDGE_ONCE = PollOpt.EDGE | PollOpt.ONESHOT;
const NEWLINE = 10;

interface Client {
  stream: TcpStream;
  incoming: RingBuf;
  outgoing: RingBuf;
  idle: Timeout | null;
}

class Shout extends Handler<string, Token> {
  readonly #listener: TcpListener;
  readonly #clients = new Slab<Client>(CLIENTS_MAX, { firstKey: FIRST_CLIENT });

  constructor(listener: TcpListener) {
    super();
    this.#listener = listener;
  }

  override ready(loop: EventLoop<string, Token>, token: Token, events: EventSet): void {
    if (token === SERVER) {
      this.#accept(loop);
      return;
    }
    const client = this.#clients.get(token);
    if (client === undefined) return;
    if (this.#serve(client, events)) this.#rearm(loop, token, client);
    else this.#remove(loop, token);
  }

  override notify(loop: EventLoop<string, Token>, message: string): void {
    for (const [token, client] of this.#clients) {
      if (this.#say(client, message)) this.#rearm(loop, token, client);
      else this.#remove(loop, token);
    }
  }

  override timeout(loop: EventLoop<string, Token>, token: Token): void {
    this.#remove(loop, token);
  }

  #accept(loop: EventLoop<string, Token>): void {
    for (let stream = this.#listener.accept(); stream !== null; stream = this.#listener.accept()) {
      const client: Client = {
        stream,
        incoming: new RingBuf(0, { capacityMaxBytes: 4096 }),
        outgoing: new RingBuf(0, { capacityMaxBytes: 65536 }),
        idle: null,
      };
      const token = this.#clients.insert(client);
      if (token === null) {
        stream.close();
        continue;
      }
      loop.register(stream, token, Interest.READABLE, EDGE_ONCE);
      this.#watch(loop, token, client);
    }
    loop.reregister(this.#listener, SERVER, Interest.READABLE, EDGE_ONCE);
  }

  /** False when there is no more to be done for the client. */
  #serve(client: Client, events: EventSet): boolean {
    try {
      return events.isWritable ? this.#write(client) : this.#read(client);
    } catch (error) {
      // A reset by the peer ends its own connection; a mistake of ours is not hidden.
      if (error instanceof Error && 'syscall' in error) return false;
      throw error;
    }
  }

  /** False when the client has ended, or says a line that is too long. */
  #read(client: Client): boolean {
    const { stream, incoming } = client;
    const size = stream.read(incoming.writable());
    if (size === 0) return false;
    incoming.commit(size ?? 0);
    for (let end = incoming.indexOf(NEWLINE); end >= 0; end = incoming.indexOf(NEWLINE)) {
      const line = Buffer.alloc(end + 1);
      incoming.read(line);
      if (!this.#say(client, line.toString().toUpperCase())) return false;
    }
    return incoming.room > 0;
  }

  /** False when the client is too slow for all that it is told. */
  #say({ outgoing }: Client, text: string): boolean {
    const bytes = Buffer.from(text);
    return bytes.length <= outgoing.room && outgoing.write(bytes) === bytes.length;
  }

  #write({ stream, outgoing }: Client): boolean {
    const [first] = outgoing.readable();
    outgoing.consume(stream.write(first) ?? 0);
    return true;
  }

  #rearm(loop: EventLoop<string, Token>, token: Token, client: Client): void {
    const interest = client.outgoing.length > 0 ? Interest.WRITABLE : Interest.READABLE;
    loop.reregister(client.stream, token, interest, EDGE_ONCE);
    this.#watch(loop, token, client);
  }

  #watch(loop: EventLoop<string, Token>, token: Token, client: Client): void {
    if (client.idle !== null) loop.clearTimeout(client.idle);
    client.idle = loop.timeout(token, IDLE_MS);
  }

  #remove(loop: EventLoop<string, Token>, token: Token): void {
    const client = this.#clients.remove(token);
    if (client === undefined) return;
    if (client.idle !== null) loop.clearTimeout(client.idle);
    client.stream.close();
  }
}

const loop = new EventLoop<string, Token>({ notifyCapacity: 64 });
const listener = TcpListener.bind('127.0.0.1:0');
loop.register(listener, SERVER, Interest.READABLE, EDGE_ONCE);
const sender = loop.channel();
process.stdin.on('data', (text) => sender.send(String(text)));
process.stdin.on('end', () => loop.shutdown());
console.log(`Listening on 127.0.0.1:${listener.localAddress.port}`);
await loop.run(new Shout(listener));
loop.close();
