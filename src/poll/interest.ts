/**
 * What a registration wants to hear of. Bit flags, joined with `|`:
 * `Interest.READABLE | Interest.WRITABLE`.
 */
export const Interest = Object.freeze({
  /** Nothing; no interest to register with. */
  NONE: 0x00,
  /** Data, a connection to accept, or the end of the stream can be read. */
  READABLE: 0x01,
  /** Bytes can be written, or a connect has succeeded. */
  WRITABLE: 0x02,
  /** The source failed. Always reported, wanted or not. */
  ERROR: 0x04,
  /** The peer hung up. A full hang-up is always reported, wanted or not. */
  HUP: 0x08,
  /** All of these. */
  ALL: 0x0f,
} as const);

/** A combination of the flags of {@link Interest}. */
export type Interest = number;
