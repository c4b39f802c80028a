/**
 * RequestParser: requests out of a stream of bytes, cut wherever it was cut.
 *
 *   requestLine ──> field ──> sized ─────────────────────────────┐
 *                     │ └───> chunkSize ─> chunk ─> chunkEnd ──┐ ├──> a request
 *                     │           ^ └─────────────────────────┘│ │
 *                     │           └──> trailer ────────────────┘─┘
 *                     └──────────────────────────────────────────┘
 *
 * All but the bytes of a body are lines, which end with CRLF and nothing else.
 * A line that lies whole in a chunk is parsed where it lies; so each is refused
 * as soon as it is there, and every byte is looked at once however slowly it
 * comes. All that a peer can make this side keep has a limit.
 */
import { RingBuf } from 'millrace';
import { addField, Fields, framingOf, type Head, parseRequestLine, persists } from './head.js';
import { HttpError } from './http-error.js';

const NOTHING = new Uint8Array(0);
const LF = 0x0a;
const CR = 0x0d;

export interface RequestLimits {
  /** Of the request line. */
  targetBytes: number;
  /** Of the head with its request line, and of the trailer. */
  headBytes: number;
  bodyBytes: number;
}

export interface Request extends Head {
  readonly isPersistent: boolean;
  /** Whether the body came in chunks, without a length in the head. */
  readonly isChunked: boolean;
  readonly body: Uint8Array;
}

type State = 'requestLine' | 'field' | 'sized' | 'chunkSize' | 'chunk' | 'chunkEnd' | 'trailer';

/** The size of a chunk, and extensions, which mean nothing here: RFC 9112, 7.1.1. */
const CHUNK_SIZE = /^([0-9A-Fa-f]{1,8})(?:[\t ]*;[\t\x20-\x7e\x80-\xff]*)?$/;
const CHUNK_SIZE_BYTES_MAX = 256;

export class RequestParser {
  readonly #limits: RequestLimits;
  readonly #onContinue: () => void;
  #state: State = 'requestLine';
  #head: Head | null = null;
  /** The beginning of a line that did not come whole. */
  readonly #line: RingBuf;
  /** Bytes of the present head or trailer, or of the line with a chunk's size. */
  #lineBytes = 0;
  #body: RingBuf | null = null;
  /** Of the body, or of its present chunk, still to come. */
  #missingBytes = 0;

  /** The request that {@link take} has completed; who takes it sets it to null. */
  request: Request | null = null;

  /** `onContinue`: a client waits to be told before it sends the body. */
  constructor(limits: RequestLimits, onContinue: () => void) {
    this.#limits = limits;
    this.#onContinue = onContinue;
    this.#line = new RingBuf(0, { capacityMaxBytes: limits.headBytes });
  }

  /** Whether a request has begun and is not there yet. */
  get isInside(): boolean {
    return this.#state !== 'requestLine' || this.#lineBytes > 0;
  }

  /**
   * Takes bytes from `from` on: a line, or of a body what there is. Returns
   * where it stopped.
   *
   * @throws HttpError after which nothing of the stream makes sense any more
   */
  take(bytes: Buffer, from: number): number {
    if (this.#state === 'sized' || this.#state === 'chunk') return this.#takeBody(bytes, from);
    return this.#takeLine(bytes, from);
  }

  // --- Lines ---------------------------------------------------------------

  #takeLine(bytes: Buffer, from: number): number {
    // What speaks another protocol may never send the end of a line.
    if (!this.isInside && !isVisible(bytes[from]) && bytes[from] !== CR) {
      throw new HttpError(400, 'no request');
    }
    const end = bytes.indexOf(LF, from);
    const next = end < 0 ? bytes.length : end + 1;
    this.#countLine(next - from);
    if (end < 0) {
      this.#line.write(bytes, from, next);
      return next;
    }
    const isWhole = this.#line.length === 0;
    const line = isWhole ? bytes.toString('latin1', from, next) : this.#joined(bytes, from, next);
    if (line.charCodeAt(line.length - 2) !== CR) throw new HttpError(400, 'a line without CR');
    this.#parseLine(line.slice(0, -2));
    return next;
  }

  #joined(bytes: Buffer, from: number, to: number): string {
    this.#line.write(bytes, from, to);
    const [held] = this.#line.readable();
    this.#line.clear();
    return Buffer.from(held.buffer, held.byteOffset, held.length).toString('latin1');
  }

  #countLine(size: number): void {
    const { targetBytes, headBytes } = this.#limits;
    this.#lineBytes += size;
    if (this.#state === 'requestLine' && this.#lineBytes > targetBytes) {
      throw new HttpError(414, 'request line too long');
    }
    if (this.#state === 'chunkSize' && this.#lineBytes > CHUNK_SIZE_BYTES_MAX) {
      throw new HttpError(400, 'line of a chunk too long');
    }
    if (this.#lineBytes > headBytes) throw new HttpError(431, 'head too large');
  }

  #parseLine(line: string): void {
    switch (this.#state) {
      case 'requestLine':
        // An empty line or two may come first: RFC 9112, 2.2. They count as parts of the head.
        if (line === '') return;
        this.#head = parseRequestLine(line);
        this.#state = 'field';
        return;
      case 'field':
        if (line === '') this.#endHead(this.#head!);
        else addField(this.#head!.fields, line);
        return;
      case 'chunkSize':
        this.#beginChunk(line);
        return;
      case 'chunkEnd':
        if (line !== '') throw new HttpError(400, 'chunk longer than its size');
        this.#expectLine('chunkSize');
        return;
      case 'trailer':
        // Checked, and then dropped, as RFC 9112, 7.1.2 has it for fields that nobody asks for.
        if (line === '') this.#complete(true);
        else addField(new Fields(), line);
        return;
    }
  }

  #expectLine(state: State): void {
    this.#state = state;
    this.#lineBytes = 0;
  }

  // --- Bodies --------------------------------------------------------------

  #endHead(head: Head): void {
    const framing = framingOf(head);
    if (framing.kind === 'sized' && framing.bytes === 0) {
      this.#complete(false);
      return;
    }
    if (framing.kind === 'sized') this.#requireRoom(framing.bytes);
    this.#body = new RingBuf(0, { capacityMaxBytes: this.#limits.bodyBytes });
    this.#expectLine('chunkSize');
    if (framing.kind === 'sized') {
      this.#state = 'sized';
      this.#missingBytes = framing.bytes;
    }
    const expected = head.fields.get('expect');
    if (expected === undefined || head.minorVersion === 0) return;
    if (expected.toLowerCase() !== '100-continue') throw new HttpError(417, 'unknown expectation');
    this.#onContinue();
  }

  #takeBody(bytes: Buffer, from: number): number {
    const next = Math.min(bytes.length, from + this.#missingBytes);
    this.#body!.write(bytes, from, next);
    this.#missingBytes -= next - from;
    if (this.#missingBytes > 0) return next;
    if (this.#state === 'sized') this.#complete(false);
    else this.#expectLine('chunkEnd');
    return next;
  }

  #beginChunk(line: string): void {
    const [, digits] = CHUNK_SIZE.exec(line) ?? [];
    if (digits === undefined) throw new HttpError(400, 'malformed size of a chunk');
    const size = Number.parseInt(digits, 16);
    if (size === 0) {
      this.#expectLine('trailer');
      return;
    }
    this.#requireRoom(this.#body!.length + size);
    this.#missingBytes = size;
    this.#state = 'chunk';
  }

  #requireRoom(bodyBytes: number): void {
    if (bodyBytes > this.#limits.bodyBytes) throw new HttpError(413, 'body too large');
  }

  #complete(isChunked: boolean): void {
    const { method, target, minorVersion, fields } = this.#head!;
    const body = this.#body === null ? NOTHING : this.#body.readable()[0];
    const isPersistent = persists(this.#head!);
    this.request = { method, target, minorVersion, fields, isPersistent, isChunked, body };
    this.#head = null;
    this.#body = null;
    this.#expectLine('requestLine');
  }
}

function isVisible(byte: number): boolean {
  return byte > 0x20 && byte < 0x7f;
}
