/** Listeners and connections that were given to a thread, whichever kind they are of. */
import {
  type EventLoop,
  Interest,
  RingBuf,
  type SourceHandle,
  TcpListener,
  type TcpStream,
  UnixListener,
} from '../../src/index.js';

type Registrar = Pick<EventLoop, 'reregister'>;

export function listenerOf(handle: SourceHandle): TcpListener | UnixListener {
  return handle.kind === 'TcpListener' ? TcpListener.from(handle) : UnixListener.from(handle);
}

/** A connection whose bytes go back to where they came from. */
export class Echo {
  readonly stream: TcpStream;
  readonly #pending = new RingBuf(4096, { capacityMaxBytes: 65536 });
  #ended = false;
  #interest: number = Interest.READABLE;

  constructor(stream: TcpStream) {
    this.stream = stream;
  }

  /** False at the end, when all was written back. */
  serve(loop: Registrar, token: number): boolean {
    const { stream } = this;
    const pending = this.#pending;
    if (!this.#ended && pending.room > 0) {
      const size = stream.read(pending.writable());
      if (size === 0) this.#ended = true;
      else pending.commit(size ?? 0);
    }
    const [first] = pending.readable();
    if (first.length > 0) pending.consume(stream.write(first) ?? 0);
    if (this.#ended && pending.length === 0) return false;
    this.#listen(loop, token);
    return true;
  }

  #listen(loop: Registrar, token: number): void {
    const pending = this.#pending;
    const reading = !this.#ended && pending.room > 0 ? Interest.READABLE : Interest.NONE;
    const writing = pending.length > 0 ? Interest.WRITABLE : Interest.NONE;
    if (this.#interest === (reading | writing)) return;
    this.#interest = reading | writing;
    loop.reregister(this.stream, token, this.#interest);
  }
}
