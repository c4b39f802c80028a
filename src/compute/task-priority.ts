/**
 * How urgent a task is. Waiting raises a task by one level for each `agingMs`
 * of its pool, up to the level of Critical, so that none waits for ever.
 */
export const TaskPriority = Object.freeze({
  Low: 0,
  Normal: 1,
  High: 2,
  Critical: 3,
} as const);

/** One of the values of {@link TaskPriority}. */
export type TaskPriority = (typeof TaskPriority)[keyof typeof TaskPriority];
