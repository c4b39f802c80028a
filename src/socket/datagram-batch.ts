import { invalidType, invalidValue, MillraceError, outOfRange } from '../errors.js';
import { DATAGRAM_BATCH_MAX, DATAGRAM_BYTES_MAX } from '../limits.js';
import {
  BATCH_DATAGRAM_WORDS,
  BATCH_HEADER_WORDS,
  DatagramFlag,
  type DatagramIo,
  type DriverBatch,
} from '../poll/datagram-io.js';
import { requireBytes, requireInteger } from '../validate.js';
import { type AddressLike, readAddress, type SocketAddress, writeAddress } from './address.js';

const ADDRESS_WORDS = 8;

/** One address on its way in or out: no view is made for each datagram. */
const words = new Uint32Array(ADDRESS_WORDS);

/**
 * Datagrams that are received or sent with one system call, and the memory
 * they lie in: `capacity` slots of `maxSizeBytes`, allocated once. Any number
 * of sockets of one thread may use a batch, one after the other.
 *
 * `socket.sendMany(batch)` right after `socket.recvMany(batch)` sends each
 * datagram back to where it came from; neither bytes nor addresses are copied.
 */
export class DatagramBatch {
  /** Datagrams that fit in. */
  readonly capacity: number;
  /** Bytes that fit into one of them. */
  readonly maxSizeBytes: number;
  readonly #payloads: Uint8Array;
  readonly #headers: Uint32Array;
  readonly #addresses: Uint32Array;
  /** Views that were handed out: datagrams of a protocol often have the size of the last ones. */
  readonly #views: (Uint8Array | undefined)[];
  #count = 0;
  #io: DatagramIo | null = null;
  #driverBatch: DriverBatch | null = null;

  /**
   * @param capacity datagrams, 1 to 1024 (what one sendmmsg(2) takes)
   * @param maxSizeBytes room for each, 1 to 65535; what is longer is truncated
   * @throws TypeError ERR_INVALID_ARG_TYPE; RangeError ERR_OUT_OF_RANGE
   */
  constructor(capacity: number, maxSizeBytes: number) {
    this.capacity = requireInteger('capacity', capacity, { min: 1, max: DATAGRAM_BATCH_MAX });
    const sizes = { min: 1, max: DATAGRAM_BYTES_MAX };
    this.maxSizeBytes = requireInteger('maxSizeBytes', maxSizeBytes, sizes);
    const headerWords = BATCH_HEADER_WORDS + capacity * BATCH_DATAGRAM_WORDS;
    this.#payloads = new Uint8Array(new ArrayBuffer(capacity * maxSizeBytes));
    // Buffers of their own, because the engine may move the words of small arrays.
    this.#headers = new Uint32Array(new ArrayBuffer(headerWords * 4));
    this.#addresses = new Uint32Array(new ArrayBuffer(capacity * ADDRESS_WORDS * 4));
    this.#views = Array.from({ length: capacity });
  }

  /**
   * How many datagrams are in it: set by `recvMany()`, raised by {@link set}.
   * May be assigned: lowered to forget the last ones (0 to begin anew), raised
   * to {@link set} them in any order; until then they are empty and have no
   * address.
   */
  get count(): number {
    return this.#count;
  }

  set count(count: number) {
    requireInteger('count', count, { min: 0, max: this.capacity });
    for (let index = this.#count; index < count; index++) this.#clear(index);
    this.#count = count;
  }

  /**
   * The bytes of a datagram, in the memory of the batch: valid until the next
   * `recvMany()`. Changing them changes what `sendMany()` sends. The same
   * object again as long as the size of this slot does not change.
   *
   * @throws RangeError ERR_OUT_OF_RANGE; TypeError ERR_INVALID_ARG_TYPE,
   * ERR_INVALID_ARG_VALUE when the memory was transferred away
   */
  data(index: number): Uint8Array {
    this.#require(index);
    const size = this.#headers[headerOf(index)];
    const view = this.#views[index];
    if (view !== undefined && view.length === size && size > 0) return view;
    if (this.#payloads.length === 0) throw memoryGone(this);
    const start = index * this.maxSizeBytes;
    const fresh = this.#payloads.subarray(start, start + size);
    this.#views[index] = fresh;
    return fresh;
  }

  /**
   * Where a datagram came from, or goes to. Frozen, and the same object again
   * while it is in recent use.
   *
   * @throws as {@link data}; RangeError ERR_OUT_OF_RANGE also for a datagram
   * that goes to the connected peer
   */
  address(index: number): SocketAddress {
    this.#require(index);
    const flags = this.#headers[headerOf(index) + 1];
    if ((flags & DatagramFlag.ADDRESS_WORDS) === 0 && this.#driverBatch !== null) {
      this.#io?.readBatchAddress(this.#driverBatch, index);
    }
    const start = index * ADDRESS_WORDS;
    for (let word = 0; word < ADDRESS_WORDS; word++) words[word] = this.#addresses[start + word];
    if (words[0] === 0) {
      throw outOfRange('index', 'that of a datagram with an address; set() gives it one', index);
    }
    return readAddress(words);
  }

  /** Whether a received datagram was longer than `maxSizeBytes`, and its rest is lost. */
  truncated(index: number): boolean {
    this.#require(index);
    return (this.#headers[headerOf(index) + 1] & DatagramFlag.TRUNCATED) !== 0;
  }

  /**
   * Copies a datagram into the batch. `index` is at most {@link count}, which
   * it raises then.
   *
   * @param data at most `maxSizeBytes`
   * @param address absent: the peer of the connected socket that sends it
   * @throws TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ADDRESS; RangeError
   * ERR_OUT_OF_RANGE
   */
  set(index: number, data: Uint8Array, address?: AddressLike): void {
    const last = Math.min(this.#count, this.capacity - 1);
    requireInteger('index', index, { min: 0, max: last });
    const { length } = requireBytes('data', data);
    if (length > this.maxSizeBytes) {
      const room = `at most ${this.maxSizeBytes} bytes long (maxSizeBytes of the batch)`;
      throw outOfRange('data', room, length);
    }
    if (this.#payloads.length === 0) throw memoryGone(this);
    if (address === undefined) words.fill(0);
    else writeAddress(words, address);
    // An array whose memory was transferred away is empty, and set() would throw.
    if (length > 0) this.#payloads.set(data, index * this.maxSizeBytes);
    this.#addresses.set(words, index * ADDRESS_WORDS);
    this.#describe(index, length);
    if (index === this.#count) this.#count = index + 1;
  }

  /** @internal The first datagram that `sendMany(batch, start)` has not sent. */
  get sentCount(): number {
    return this.#headers[0];
  }

  /** @internal For sockets: what the driver says, its count kept. */
  receiveOn(io: DatagramIo, handle: number): number {
    this.#count = 0;
    const result = io.recvMany(handle, this.#driverBatchOf(io), this.#payloads);
    if (result > 0) this.#count = result;
    if (result < 0 && this.#payloads.length === 0) throw memoryGone(this);
    return result;
  }

  /** @internal For sockets: what the driver says. */
  sendOn(io: DatagramIo, handle: number, start: number): number {
    const driverBatch = this.#driverBatchOf(io);
    const result = io.sendMany(handle, driverBatch, this.#payloads, start, this.#count);
    if (result < 0 && this.#payloads.length === 0) throw memoryGone(this);
    return result;
  }

  /** Prepared by the driver of the first socket, since a batch may be older than its loop. */
  #driverBatchOf(io: DatagramIo): DriverBatch {
    if (this.#driverBatch === null) {
      const { capacity, maxSizeBytes } = this;
      this.#driverBatch = io.openBatch(capacity, maxSizeBytes, this.#headers, this.#addresses);
      this.#io = io;
    }
    if (this.#io !== io) {
      throw new MillraceError(
        'ERR_DRIVER_MISMATCH',
        'this DatagramBatch was used with a socket of another driver; make one for each driver',
      );
    }
    return this.#driverBatch;
  }

  #clear(index: number): void {
    this.#addresses.fill(0, index * ADDRESS_WORDS, (index + 1) * ADDRESS_WORDS);
    this.#describe(index, 0);
  }

  #describe(index: number, size: number): void {
    const header = headerOf(index);
    this.#headers[header] = size;
    this.#headers[header + 1] = DatagramFlag.NEW_ADDRESS | DatagramFlag.ADDRESS_WORDS;
  }

  #require(index: unknown): void {
    // Without this, an empty batch would be told of a range from 0 to -1.
    if (this.#count === 0) {
      if (typeof index !== 'number') throw invalidType('index', 'a number', index);
      throw outOfRange('index', 'that of a datagram, and the batch is empty', index);
    }
    requireInteger('index', index, { min: 0, max: this.#count - 1 });
  }

  /** @internal Tells a batch from an object that merely looks like one. */
  static isBatch(value: unknown): value is DatagramBatch {
    return typeof value === 'object' && value !== null && #payloads in value;
  }
}

function headerOf(index: number): number {
  return BATCH_HEADER_WORDS + index * BATCH_DATAGRAM_WORDS;
}

function memoryGone(batch: DatagramBatch): TypeError {
  const whole = 'a DatagramBatch whose memory was not transferred away; make another one';
  return invalidValue('batch', whole, batch);
}
