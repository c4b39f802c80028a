/**
 * Traffic over a source that moves from thread to thread.
 *
 * Both directions carry a sequence that is known in advance, in chunks of any
 * size, so that each byte shows at once whether one before it was lost, came
 * twice or out of order; and no thread need know what another has read.
 */
import { expect } from 'chai';
import {
  type EventLoop,
  FdSource,
  Interest,
  PipeReader,
  PipeWriter,
  type PollOpt,
  type Source,
  type SourceHandle,
  TcpStream,
  UdpSocket,
  UnixDatagram,
  UnixStream,
} from '../../src/index.js';
import { random } from './random.js';

/** Prime, so that no chunk that is lost leaves the rest looking right. */
const PERIOD = 65521;
const CHUNK_MAX = 8192;
const { next: nextByte } = random(1);
const pattern = Buffer.from(Array.from({ length: PERIOD }, () => nextByte() * 256));
const sequence = Buffer.concat([pattern, pattern.subarray(0, CHUNK_MAX)]);

const { next } = random();
const buffer = Buffer.alloc(CHUNK_MAX);

/** What moves, by the name in its handle. */
const CLASSES = {
  TcpStream,
  UdpSocket,
  UnixStream,
  UnixDatagram,
  PipeReader,
  PipeWriter,
  FdSource,
};

/** What a loop is to a source. */
type Registrar = Pick<EventLoop, 'register' | 'reregister' | 'deregister'>;

type Bytes = Partial<Pick<TcpStream, 'read' | 'write'>>;
type Datagrams = Pick<UdpSocket, 'recv' | 'send'>;

export type Carrying = Source & (Bytes | Datagrams);

/** How far a source has come: bytes of streams, numbers of datagrams. */
export interface Progress {
  readAt: number;
  readEnd: number;
  writeAt: number;
  writeEnd: number;
  opt: PollOpt;
  /** Where the two directions begin in the sequence, so that they differ. */
  readFrom: number;
  writeFrom: number;
}

/** What goes from thread to thread: the source, and what to do there. */
export interface Baggage {
  handle: SourceHandle;
  progress: Progress;
  /** How much to carry in each thread before the source moves on. */
  legs: number[];
}

/** A source on one loop, reading and writing what is due. */
export class Traffic {
  readonly source: Carrying;
  readonly progress: Progress;
  #interest: number;

  constructor(loop: Registrar, token: number, source: Carrying, progress: Progress) {
    this.source = source;
    this.progress = progress;
    this.#interest = this.#wanted();
    loop.register(source, token, this.#interest, progress.opt);
  }

  static arrive(loop: Registrar, token: number, { handle, progress }: Baggage): Traffic {
    const source = CLASSES[handle.kind as keyof typeof CLASSES].from(handle);
    return new Traffic(loop, token, source, progress);
  }

  get isDone(): boolean {
    const { readAt, readEnd, writeAt, writeEnd } = this.progress;
    return readAt === readEnd && writeAt === writeEnd;
  }

  /** Reads and writes until both would block, or so much was done. Returns how much. */
  serve(loop: Registrar, token: number, quota: number): number {
    const { progress } = this;
    const startAt = progress.readAt + progress.writeAt;
    const done = () => progress.readAt + progress.writeAt - startAt;
    for (let isMoving = true; isMoving && done() < quota; ) {
      const isReading = progress.readAt < progress.readEnd && this.#read();
      const isWriting = progress.writeAt < progress.writeEnd && this.#write();
      isMoving = isReading || isWriting;
    }
    this.#listen(loop, token);
    return done();
  }

  depart(loop: Registrar): Pick<Baggage, 'handle' | 'progress'> {
    loop.deregister(this.source);
    return { handle: this.source.transfer(), progress: this.progress };
  }

  #listen(loop: Registrar, token: number): void {
    const wanted = this.#wanted();
    if (wanted === this.#interest) return;
    this.#interest = wanted;
    if (wanted === Interest.NONE) loop.deregister(this.source);
    else loop.reregister(this.source, token, wanted, this.progress.opt);
  }

  #wanted(): number {
    const { readAt, readEnd, writeAt, writeEnd } = this.progress;
    const reading = readAt < readEnd ? Interest.READABLE : Interest.NONE;
    const writing = writeAt < writeEnd ? Interest.WRITABLE : Interest.NONE;
    return reading | writing;
  }

  /** False if it would block. */
  #read(): boolean {
    const { progress, source } = this;
    const { readAt, readFrom } = progress;
    if ('recv' in source) {
      const size = source.recv(buffer);
      if (size === null) return false;
      expect(buffer.subarray(0, size).equals(datagramOf(readFrom, readAt))).to.equal(true);
      progress.readAt += 1;
      return true;
    }
    const size = source.read!(buffer, 0, Math.ceil(next() * CHUNK_MAX));
    if (size === null) return false;
    expect(size, 'an end that nobody made').to.be.above(0);
    const isRight = buffer.subarray(0, size).equals(chunkOf(readFrom, readAt, size));
    expect(isRight, `bytes ${readAt} to ${readAt + size}`).to.equal(true);
    progress.readAt += size;
    return true;
  }

  #write(): boolean {
    const { progress, source } = this;
    const { writeAt, writeEnd, writeFrom } = progress;
    if ('send' in source) {
      if (source.send(datagramOf(writeFrom, writeAt)) === null) return false;
      progress.writeAt += 1;
      return true;
    }
    const sizeMax = Math.min(Math.ceil(next() * CHUNK_MAX), writeEnd - writeAt);
    const size = source.write!(chunkOf(writeFrom, writeAt, sizeMax));
    progress.writeAt += size ?? 0;
    return size !== null;
  }
}

function chunkOf(from: number, at: number, size: number): Buffer {
  const start = (from + at) % PERIOD;
  return sequence.subarray(start, start + size);
}

/** Each has a place of its own in the sequence, and a size. */
function datagramOf(from: number, index: number): Buffer {
  return chunkOf(from, index * 977, 1 + ((index * 37) % 1200));
}
