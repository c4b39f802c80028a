/**
 * The words that the two ends of a lane share.
 *
 *   word  0  PUBLISHED   messages that can be read, modulo 2^30, and ASLEEP; or RETIRED
 *         1  TAKEN       messages for which the writer took a place
 *        16  ADOPTED     1: the reader listens on the lane's own side channel
 *
 * PUBLISHED is all that the reader goes by: what a writer has begun and not
 * published does not exist, however the writer ends (rule C6).
 */

export const LaneWord = { PUBLISHED: 0, TAKEN: 1, ADOPTED: 16 } as const;

export const LANE_HEADER_BYTES = 128;

/** Counts of messages go round here; a channel holds far less than half of it. */
export const COUNT_MASK = 2 ** 30 - 1;

/**
 * Added to the count by a reader whose loop goes to sleep, and by the writer
 * of a new lane, which the reader does not know yet: the next message has to
 * ask whether to wake the loop. Since it is in the word that each message
 * exchanges, that question costs nothing while the loop is awake.
 */
export const ASLEEP = 2 ** 30;

/** In place of the count: the reader has left, and does not see what is published from now on. */
export const RETIRED = -1;

/** What begins where no frame does; a frame never begins with a byte this high. */
export const Marker = {
  /** The next frame has values on the side channel. */
  FOREIGN: 0xfd,
  /** Go on at the beginning of the segment that is on the side channel, */
  SEGMENT: 0xfe,
  /** or of this one. */
  WRAP: 0xff,
} as const;

export const MARKER_MIN = Marker.FOREIGN;

/** A frame ends with the low bits of its number, which tells a misread ring from a sound one. */
export function seal(count: number): number {
  return count & 0xff;
}
