/**
 * Chat over a Unix socket: what one member says, all others hear.
 *
 * A connection is a member from its first byte to its end. A member that does
 * not read what it is told is dropped when the system takes no more for it:
 * one slow reader must not make the others wait, nor cost memory without end.
 *
 *     node dist/examples/07-unix-chat.js [path]
 *     socat - UNIX-CONNECT:/tmp/millrace-chat
 */
import { unlinkSync } from 'node:fs';
import { EventLoop, Handler, UnixListener, type UnixStream } from 'millrace';

const DEFAULT_PATH = '/tmp/millrace-chat';
const LISTENER = 0;

class Chat extends Handler {
  readonly #listener: UnixListener;
  readonly #members = new Map<number, UnixStream>();
  readonly #buffer = new Uint8Array(4096);

  constructor(listener: UnixListener) {
    super();
    this.#listener = listener;
  }

  override readable(loop: EventLoop, token: number): void {
    if (token === LISTENER) this.#admit(loop);
    else this.#hear(token);
  }

  override signal(loop: EventLoop): void {
    for (const token of this.#members.keys()) this.#drop(token);
    this.#listener.close();
    loop.shutdown();
  }

  #admit(loop: EventLoop): void {
    const stream = this.#listener.accept();
    if (stream === null) return;
    const token = loop.nextToken();
    this.#members.set(token, stream);
    loop.register(stream, token);
    console.log(`${this.#members.size} in the room`);
  }

  #hear(token: number): void {
    const size = this.#attempt(token, (member) => member.read(this.#buffer));
    if (size === null) return;
    if (size === 0) {
      this.#drop(token);
      return;
    }
    const said = this.#buffer.subarray(0, size);
    for (const other of this.#members.keys()) {
      if (other === token) continue;
      const taken = this.#attempt(other, (member) => member.write(said));
      if (taken !== size) this.#drop(other);
    }
  }

  /** A member that is gone is dropped, and is no error of the room. */
  #attempt(token: number, action: (member: UnixStream) => number | null): number | null {
    try {
      const member = this.#members.get(token);
      return member === undefined ? null : action(member);
    } catch {
      this.#drop(token);
      return null;
    }
  }

  #drop(token: number): void {
    if (this.#members.get(token)?.closed !== false) return;
    this.#members.get(token)?.close();
    this.#members.delete(token);
    console.log(`${this.#members.size} in the room`);
  }
}

const path = process.argv[2] ?? DEFAULT_PATH;
const loop = new EventLoop();
const listener = UnixListener.bind(path);
loop.register(listener, LISTENER);
loop.registerSignal('SIGINT');
loop.registerSignal('SIGTERM');
console.log(`Listening on ${path}`);
await loop.run(new Chat(listener));
loop.close();
unlinkSync(path);
