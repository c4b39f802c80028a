/**
 * RingBuf: a growable ring of bytes, for protocols that do not end where reads
 * and writes do.
 *
 *   write 'abcdef', consume 4, write 'ghij'        capacity 8, length 6
 *
 *   [ i | j | . | . | e | f | g | h ]              readable(): 'efgh', 'ij'
 *             ^ tail  ^ head                       writable(): the two between
 *
 * What arrives is read straight into `writable()`, what is complete is parsed
 * in the views of `readable()`; no byte is moved unless the ring grows. It
 * grows by doubling, up to a maximum, because a peer decides how much it sends
 * before a message is complete.
 */
import { requireBytes, requireInteger, requireOptions, requirePart } from '../validate.js';

/** A socket's usual buffers hold a few MiB; a message beyond that is rather an attack. */
const DEFAULT_CAPACITY_MAX_BYTES = 16 * 1024 * 1024;
const CAPACITY_BYTES_MAX = 2 ** 30;

/** What a ring that began with nothing takes first. */
const FIRST_CAPACITY_BYTES = 64;

const OPTION_NAMES = ['capacityMaxBytes'] as const;

/** Options of a {@link RingBuf}. */
export interface RingBufOptions {
  /**
   * How far the ring may grow, in bytes: from its first capacity, which makes
   * it one of a fixed size, to 2^30.
   *
   * @default 16 MiB, or the first capacity if that is more
   */
  capacityMaxBytes?: number;
}

/**
 * A growable ring of bytes: written and committed at one end, read and consumed
 * at the other, without moving what is in it. Of one thread.
 */
export class RingBuf {
  readonly #capacityMaxBytes: number;
  #bytes: Uint8Array;
  #head = 0;
  #length = 0;
  /** How much of the last view of {@link writable} may still be committed. */
  #lentBytes = 0;

  /**
   * @param capacityBytes what is taken at once, 0 to 2^30, exact: with 0 an idle
   * connection costs next to nothing
   * @throws TypeError ERR_INVALID_ARG_TYPE, ERR_UNKNOWN_OPTION; RangeError ERR_OUT_OF_RANGE
   */
  constructor(capacityBytes: number, options?: RingBufOptions) {
    const range = { min: 0, max: CAPACITY_BYTES_MAX };
    requireInteger('capacityBytes', capacityBytes, range);
    const { capacityMaxBytes = Math.max(capacityBytes, DEFAULT_CAPACITY_MAX_BYTES) } =
      requireOptions('options', options, OPTION_NAMES);
    this.#capacityMaxBytes = requireInteger('capacityMaxBytes', capacityMaxBytes, {
      ...range,
      min: capacityBytes,
    });
    this.#bytes = new Uint8Array(capacityBytes);
  }

  /** Bytes that can be read. */
  get length(): number {
    return this.#length;
  }

  /** Bytes that the ring holds without growing. */
  get capacity(): number {
    return this.#bytes.length;
  }

  /** Bytes that can be written, once it has grown as far as it may. */
  get room(): number {
    return this.#capacityMaxBytes - this.#length;
  }

  /**
   * Appends `bytes`, or their part from `start` to `end`. Returns how many of
   * them were taken: all, unless there is less {@link room}.
   *
   * @throws TypeError ERR_INVALID_ARG_TYPE; RangeError ERR_OUT_OF_RANGE
   */
  write(bytes: Uint8Array, start?: number, end?: number): number {
    const part = requirePart(bytes, start, end);
    const size = Math.min(part.end - part.start, this.room);
    this.#lentBytes = 0;
    if (size === 0) return 0;
    if (this.#length + size > this.capacity) this.#moveTo(this.#capacityFor(size));
    if (this.#length === 0) this.#head = 0;
    const tail = this.#at(this.#length);
    const first = Math.min(size, this.capacity - tail);
    this.#bytes.set(bytes.subarray(part.start, part.start + first), tail);
    this.#bytes.set(bytes.subarray(part.start + first, part.start + size), 0);
    this.#length += size;
    return size;
  }

  /**
   * The memory into which the next bytes go, for `stream.read()` and the like;
   * {@link commit} says how many there were. Has at least `sizeBytes`, or all
   * the {@link room} if there is less, so it is empty only for a full ring.
   * Valid until the ring is written, cleared or asked for another one.
   *
   * @throws TypeError ERR_INVALID_ARG_TYPE; RangeError ERR_OUT_OF_RANGE
   */
  writable(sizeBytes = 1): Uint8Array {
    requireInteger('sizeBytes', sizeBytes, { min: 1 });
    const wanted = Math.min(sizeBytes, this.room);
    if (this.#length === 0) this.#head = 0;
    if (this.#freeAhead() < wanted) this.#moveTo(this.#capacityFor(wanted));
    const tail = this.#at(this.#length);
    this.#lentBytes = this.#freeAhead();
    return this.#bytes.subarray(tail, tail + this.#lentBytes);
  }

  /**
   * Appends the first `size` bytes of the view that {@link writable} gave.
   *
   * @throws TypeError ERR_INVALID_ARG_TYPE; RangeError ERR_OUT_OF_RANGE for more
   * than that view had, also when it is no longer valid
   */
  commit(size: number): void {
    requireInteger('size', size, { min: 0, max: this.#lentBytes });
    this.#lentBytes -= size;
    this.#length += size;
  }

  /**
   * Moves bytes into `buffer`, or into its part from `start` to `end`. Returns
   * how many: as many as there are or as fit, 0 for none.
   *
   * @throws TypeError ERR_INVALID_ARG_TYPE; RangeError ERR_OUT_OF_RANGE
   */
  read(buffer: Uint8Array, start?: number, end?: number): number {
    const part = requirePart(buffer, start, end);
    const isWhole = part.start === 0 && part.end === buffer.length;
    const size = this.#copy(isWhole ? buffer : buffer.subarray(part.start, part.end), 0);
    this.#drop(size);
    return size;
  }

  /**
   * Copies bytes from `offset` on into `buffer` and leaves them where they
   * are. Returns how many: as many as there are or as fit.
   *
   * @throws TypeError ERR_INVALID_ARG_TYPE; RangeError ERR_OUT_OF_RANGE
   */
  peek(buffer: Uint8Array, offset = 0): number {
    requireBytes('buffer', buffer);
    requireInteger('offset', offset, { min: 0, max: this.#length });
    return this.#copy(buffer, offset);
  }

  /**
   * All bytes without a copy, in two views; the second is empty unless the
   * bytes wrap around. Valid until the ring is written or cleared.
   */
  readable(): [Uint8Array, Uint8Array] {
    const first = Math.min(this.#length, this.capacity - this.#head);
    return [
      this.#bytes.subarray(this.#head, this.#head + first),
      this.#bytes.subarray(0, this.#length - first),
    ];
  }

  /**
   * Drops the first `size` bytes.
   *
   * @throws TypeError ERR_INVALID_ARG_TYPE; RangeError ERR_OUT_OF_RANGE for more than there are
   */
  consume(size: number): void {
    requireInteger('size', size, { min: 0, max: this.#length });
    this.#drop(size);
  }

  /**
   * How far behind the first byte this one comes, looking from `offset` on;
   * -1 if it does not.
   *
   * @throws TypeError ERR_INVALID_ARG_TYPE; RangeError ERR_OUT_OF_RANGE
   */
  indexOf(byte: number, offset = 0): number {
    requireInteger('byte', byte, { min: 0, max: 255 });
    requireInteger('offset', offset, { min: 0, max: this.#length });
    const [first, second] = this.readable();
    const index = first.indexOf(byte, offset);
    if (index >= 0) return index;
    const wrapped = second.indexOf(byte, Math.max(0, offset - first.length));
    return wrapped < 0 ? -1 : first.length + wrapped;
  }

  /** Drops all bytes. The ring keeps its capacity. */
  clear(): void {
    this.#lentBytes = 0;
    this.#drop(this.#length);
  }

  /** Free bytes behind the last one, up to the end of the memory or to the first one. */
  #freeAhead(): number {
    const tail = this.#head + this.#length;
    return tail < this.capacity ? this.capacity - tail : this.capacity - this.#length;
  }

  /** The index of a byte by its distance from the first one. */
  #at(offset: number): number {
    const index = this.#head + offset;
    return index < this.capacity ? index : index - this.capacity;
  }

  /**
   * The head stays where it is even if nothing is left, so that a view which
   * {@link writable} gave before can still be committed.
   */
  #drop(size: number): void {
    this.#head = this.capacity === 0 ? 0 : this.#at(size);
    this.#length -= size;
  }

  #copy(target: Uint8Array, offset: number): number {
    const size = Math.min(target.length, this.#length - offset);
    // A buffer whose memory was transferred has no room, and refuses even nothing.
    if (size === 0) return 0;
    const from = this.#at(offset);
    const first = Math.min(size, this.capacity - from);
    target.set(this.#bytes.subarray(from, from + first));
    target.set(this.#bytes.subarray(0, size - first), first);
    return size;
  }

  /** The present capacity, doubled until so many more bytes have room. */
  #capacityFor(size: number): number {
    const needed = this.#length + size;
    let capacity = this.capacity === 0 ? FIRST_CAPACITY_BYTES : this.capacity;
    while (capacity < needed) capacity *= 2;
    return Math.min(capacity, this.#capacityMaxBytes);
  }

  /** Into new memory, from its beginning on: all that is free is then in one piece. */
  #moveTo(capacityBytes: number): void {
    const bytes = new Uint8Array(capacityBytes);
    this.#copy(bytes, 0);
    this.#bytes = bytes;
    this.#head = 0;
  }
}
