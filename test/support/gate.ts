/** A gate at which an import waits; one in each thread. */

export interface Gate {
  /** Whether somebody waits at it, or has been there. */
  isReached: boolean;
  readonly opened: Promise<void>;
  open(): void;
}

const threads = globalThis as { millraceTestGate?: Gate };

export function gateOfThread(): Gate {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  threads.millraceTestGate ??= { isReached: false, opened, open };
  return threads.millraceTestGate;
}
