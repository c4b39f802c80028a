/** How often a registration is told of what it wants to hear. Bit flags. */
export const PollOpt = Object.freeze({
  /** Once for each change: read until `null`, or wait for the next change. */
  EDGE: 0x20,
  /** On each poll for as long as the condition holds. Wins over EDGE. */
  LEVEL: 0x40,
  /** Once, then silent until `reregister()`. Goes with either. */
  ONESHOT: 0x80,
} as const);

/** A combination of the flags of {@link PollOpt}; 0 means LEVEL. */
export type PollOpt = number;

export const POLL_OPT_ALL = PollOpt.EDGE | PollOpt.LEVEL | PollOpt.ONESHOT;
