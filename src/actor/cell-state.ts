/** The states of a cell; `cell.ts` draws how they follow each other. */
export const State = {
  /** Constructed; `started()` comes with the next ticket. */
  CREATED: 0,
  /** The promise of `started()` is pending; messages wait. */
  STARTING: 1,
  RUNNING: 2,
  /** Crashed; there is no instance until the restart. */
  BACKOFF: 3,
  /** Takes and delivers nothing any more; children and `stopped()` are under way. */
  ENDING: 4,
  STOPPED: 5,
} as const;
export type State = (typeof State)[keyof typeof State];
