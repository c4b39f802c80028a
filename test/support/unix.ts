/** Unix sockets and pipes for tests: paths that are free, pairs, and what carries bytes. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  FdSource,
  Interest,
  PipeReader,
  pipe,
  type Source,
  UnixListener,
  UnixStream,
} from '../../src/index.js';
import { awaitReady, type Own } from './sockets.js';

/** Paths in a directory of their own, which `close()` removes with all in it. */
export class Paths {
  readonly #directory = mkdtempSync(join(tmpdir(), 'millrace-'));
  #count = 0;

  next(): string {
    this.#count += 1;
    return join(this.#directory, String(this.#count));
  }

  close(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

let names = 0;

/** A name in Linux's abstract namespace that nobody else has. */
export function abstractName(): string {
  names += 1;
  return `\0millrace-test-${process.pid}-${names}`;
}

/** Two ends of one connection. */
export function unixStreams(own: Own): [UnixStream, UnixStream] {
  const [left, right] = UnixStream.pair();
  return [own(left), own(right)];
}

export function acceptUnix(listener: UnixListener): UnixStream {
  for (;;) {
    const stream = listener.accept();
    if (stream !== null) return stream;
    awaitReady(listener, Interest.READABLE);
  }
}

type Reader = Source & Pick<PipeReader, 'read'>;
type Writer = Source & Pick<FdSource, 'write' | 'writev'>;

/** A one-way carrier of bytes: what is written to the second is read from the first. */
export type Carrier = [reader: Reader, writer: Writer];

/** The other end of what is passed, as the receiver has it. */
export function passed(own: Own, source: Source): FdSource {
  const [left, right] = UnixStream.pair();
  try {
    left.sendFd(new Uint8Array(1), source);
    source.close();
    return own(right.recvFd(new Uint8Array(1))!.source!);
  } finally {
    left.close();
    right.close();
  }
}

/** Every kind of source that carries a stream of bytes. */
export const CARRIERS: Record<string, (own: Own) => Carrier> = {
  'a pair of Unix streams': (own) => unixStreams(own),
  'a Unix connection': (own) => {
    const paths = own(new Paths());
    using listener = UnixListener.bind(paths.next());
    const client = own(UnixStream.connect(listener.localAddress.path!));
    return [own(acceptUnix(listener)), client];
  },
  'a pipe': (own) => {
    const [reader, writer] = pipe();
    return [own(reader), own(writer)];
  },
  'a pipe whose ends were passed on': (own) => {
    const [reader, writer] = pipe();
    return [passed(own, reader), passed(own, writer)];
  },
  'a stream whose ends were passed on': (own) => {
    const [left, right] = UnixStream.pair();
    return [passed(own, left), passed(own, right)];
  },
};
