/**
 * Streams of frames and of lines, cut at random, and what must come out of
 * them: found by looking at the whole stream at once, which is easy.
 */
import {
  encodeFrame,
  LengthPrefixedDecoder,
  type LengthPrefixOptions,
  LineDecoder,
} from '../../src/net/index.js';
import type { Random } from './random.js';

/** What a decoder is expected to say of a stream, and to have handed out before. */
export interface Decoded {
  frames: string[];
  /** The code of the error at the end of the frames; null without one. */
  error: string | null;
}

export function below(numbers: Random, limit: number): number {
  return Math.floor(numbers.next() * limit);
}

export function randomBytes(numbers: Random, size: number): Uint8Array {
  return Uint8Array.from({ length: size }, () => below(numbers, 256));
}

/** As one string, so that a difference is easy to read. */
export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** Pieces of random sizes, empty ones too, mostly small or mostly large. */
export function cut(stream: Uint8Array, numbers: Random): Uint8Array[] {
  const sizeMax = [2, 8, 100, 3000][below(numbers, 4)];
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < stream.length; ) {
    const size = below(numbers, sizeMax + 1);
    pieces.push(stream.subarray(at, at + size));
    at += size;
  }
  return pieces;
}

/**
 * Feeds a decoder with pieces that do not outlive their call, as those of a
 * server do not, and takes down all that it says.
 */
export function decodeAll(
  pieces: readonly Uint8Array[],
  make: (take: (frame: string) => void) => { push(chunk: Uint8Array): void; end(): void },
  onStep: (decoder: never) => void = () => {},
): Decoded {
  const frames: string[] = [];
  const decoder = make((frame) => frames.push(frame));
  try {
    for (const piece of pieces) {
      const lent = new Uint8Array(piece);
      decoder.push(lent);
      lent.fill(0xee);
      onStep(decoder as never);
    }
    decoder.end();
  } catch (error) {
    return { frames, error: (error as { code?: string }).code ?? String(error) };
  }
  return { frames, error: null };
}

export function frameDecoder(options: LengthPrefixOptions) {
  return (take: (frame: string) => void) =>
    new LengthPrefixedDecoder(options, (frame) => take(hex(frame)));
}

export function lineDecoder(maxLineBytes: number) {
  return (take: (line: string) => void) => new LineDecoder({ maxLineBytes }, take);
}

/** The frames of a whole stream, by the book. */
export function framesOf(stream: Uint8Array, options: Required<LengthPrefixOptions>): Decoded {
  const { headerBytes, maxFrameBytes, littleEndian } = options;
  const bytes = Buffer.from(stream);
  const frames: string[] = [];
  let at = 0;
  while (at + headerBytes <= bytes.length) {
    const size = littleEndian
      ? bytes.readUIntLE(at, headerBytes)
      : bytes.readUIntBE(at, headerBytes);
    if (size > maxFrameBytes) return { frames, error: 'ERR_FRAME_TOO_LARGE' };
    if (at + headerBytes + size > bytes.length) break;
    frames.push(hex(bytes.subarray(at + headerBytes, at + headerBytes + size)));
    at += headerBytes + size;
  }
  return { frames, error: at < bytes.length ? 'ERR_FRAME_INCOMPLETE' : null };
}

/** The lines of a whole stream, by the book. */
export function linesOf(stream: Uint8Array, maxLineBytes: number): Decoded {
  const parts = Buffer.from(stream).toString('latin1').split('\n');
  const frames: string[] = [];
  for (const [index, part] of parts.entries()) {
    if (index === parts.length - 1 && part === '') break;
    const line = part.endsWith('\r') ? part.slice(0, -1) : part;
    if (line.length > maxLineBytes) return { frames, error: 'ERR_FRAME_TOO_LARGE' };
    frames.push(Buffer.from(line, 'latin1').toString());
  }
  return { frames, error: null };
}

/** Frames of random sizes, now and then with a hostile length or cut off at the end. */
export function randomFrames(numbers: Random, options: Required<LengthPrefixOptions>): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let count = below(numbers, 12); count > 0; count--) {
    const sizeMax = [0, 3, 40, options.maxFrameBytes][below(numbers, 4)];
    const size = below(numbers, Math.min(sizeMax, options.maxFrameBytes) + 1);
    parts.push(encodeFrame(randomBytes(numbers, size), options));
  }
  const end = below(numbers, 4);
  if (end === 0) parts.push(randomBytes(numbers, below(numbers, 20)));
  if (end === 1) parts.push(new Uint8Array(options.headerBytes).fill(0xff));
  return Buffer.concat(parts);
}

/** Mostly of what matters to lines: their ends, characters of several bytes, halves of such. */
export function randomLines(numbers: Random): Uint8Array {
  const words = ['\n', '\r\n', '\r', 'a', 'bcdef', 'ä', '€', '𝄞', '\0'].map((text) =>
    Buffer.from(text),
  );
  words.push(Buffer.from([0xe2, 0x82]), Buffer.from([0xff]));
  return Buffer.concat(
    Array.from({ length: below(numbers, 80) }, () => words[below(numbers, words.length)]),
  );
}

const HEADERS = [1, 2, 4] as const;

export function randomOptions(numbers: Random): Required<LengthPrefixOptions> {
  const headerBytes = HEADERS[below(numbers, 3)];
  const limits = [0, 1, 10, 255, ...(headerBytes > 1 ? [4000] : [])];
  return {
    headerBytes,
    maxFrameBytes: limits[below(numbers, limits.length)],
    littleEndian: below(numbers, 2) === 0,
  };
}
