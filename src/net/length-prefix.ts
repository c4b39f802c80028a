/**
 * Frames with their length in front, as most binary protocols have them:
 *
 *   [ length, 1, 2 or 4 bytes | payload, as many bytes as that says ]
 *
 * The length is an unsigned number, and does not count itself.
 */
import { MillraceError, outOfRange, shown } from '../errors.js';
import { DEFAULT_FRAME_BYTES_MAX, FRAME_BYTES_MAX } from '../limits.js';
import { requireBoolean, requireBytes, requireInteger, requireOptions } from '../validate.js';

const OPTION_NAMES = ['headerBytes', 'maxFrameBytes', 'littleEndian'] as const;

const utf8 = new TextEncoder();

/** How long frames are, and how they say so. */
export interface LengthPrefixOptions {
  /**
   * Bytes of the length in front of each frame.
   *
   * @default 4
   */
  headerBytes?: 1 | 2 | 4;
  /**
   * The longest payload, 0 to 2^30 bytes, or what the header can say if that is
   * less. What a peer may make this side keep.
   *
   * @default 1 MiB, or what the header can say if that is less
   */
  maxFrameBytes?: number;
  /**
   * Whether the lowest byte of the length comes first.
   *
   * @default false, which is the order of the network
   */
  littleEndian?: boolean;
}

/** Fills in what was left out, and refuses what makes no sense. */
export function requirePrefix(options: LengthPrefixOptions | undefined): {
  headerBytes: number;
  maxFrameBytes: number;
  littleEndian: boolean;
} {
  const given = requireOptions('options', options, OPTION_NAMES);
  const headerBytes = requireInteger('headerBytes', given.headerBytes ?? 4, { min: 1, max: 4 });
  if (headerBytes === 3) throw outOfRange('headerBytes', '1, 2 or 4', headerBytes);
  const max = Math.min(2 ** (8 * headerBytes) - 1, FRAME_BYTES_MAX);
  const wanted = given.maxFrameBytes ?? Math.min(max, DEFAULT_FRAME_BYTES_MAX);
  return {
    headerBytes,
    maxFrameBytes: requireInteger('maxFrameBytes', wanted, { min: 0, max }),
    littleEndian: requireBoolean('littleEndian', given.littleEndian ?? false),
  };
}

/**
 * A frame as bytes: the length, then `payload`, of which a string goes as
 * UTF-8. Costs one copy; who writes large payloads may send the two parts of
 * `stream.writev([header, payload])` instead.
 *
 * @throws TypeError ERR_INVALID_ARG_TYPE, ERR_UNKNOWN_OPTION; RangeError
 * ERR_OUT_OF_RANGE; MillraceError ERR_FRAME_TOO_LARGE
 */
export function encodeFrame(
  payload: Uint8Array | string,
  options?: LengthPrefixOptions,
): Uint8Array {
  const { headerBytes, maxFrameBytes, littleEndian } = requirePrefix(options);
  const isText = typeof payload === 'string';
  const size = isText ? Buffer.byteLength(payload) : requireBytes('payload', payload).length;
  if (size > maxFrameBytes) {
    throw new MillraceError('ERR_FRAME_TOO_LARGE', tooLarge(size, maxFrameBytes));
  }
  const frame = new Uint8Array(headerBytes + size);
  for (let index = 0, rest = size; index < headerBytes; index++, rest = Math.floor(rest / 256)) {
    frame[littleEndian ? index : headerBytes - 1 - index] = rest;
  }
  // A buffer whose memory was transferred is empty, and refuses even to be read.
  if (isText) utf8.encodeInto(payload, frame.subarray(headerBytes));
  else if (size > 0) frame.set(payload, headerBytes);
  return frame;
}

export function tooLarge(size: number, maxFrameBytes: number): string {
  return `a frame of ${shown(size)} bytes is longer than maxFrameBytes (${maxFrameBytes})`;
}
