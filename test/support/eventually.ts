/** Waiting for what comes in its own time, without guessing how long it takes. */

const DEADLINE_MS = 5000;

/** Tries again and again until `check` does not throw; then its last error is thrown. */
export async function eventually<R>(
  check: () => R | Promise<R>,
  deadlineMs = DEADLINE_MS,
): Promise<R> {
  const endMs = performance.now() + deadlineMs;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() >= endMs) throw error;
    }
    await new Promise((resolve) => {
      setTimeout(resolve, 1);
    });
  }
}
