/**
 * The seam to the compute layer, which stands above the loop: a loop has a
 * pool of its own, and knows no more of it than this.
 */

/** The pool of a loop. The compute layer merges the whole of a ComputePool into this type. */
export interface LoopPool {
  /** False if it is full; the task was not taken. */
  spawn(
    module: URL,
    fn: string,
    args?: readonly unknown[],
    options?: { priority?: 0 | 1 | 2 | 3 },
  ): boolean;
  close(options?: { drain?: boolean }): Promise<void>;
}

/** What the compute layer provides. */
export type OpenPool = () => LoopPool;

let provided: OpenPool | null = null;

/** Called once by the compute layer, when it is loaded. */
export function provideComputing(openPool: OpenPool): void {
  provided = openPool;
}

export function openLoopPool(): LoopPool {
  if (provided === null) throw new Error('the compute layer is not loaded');
  return provided();
}
