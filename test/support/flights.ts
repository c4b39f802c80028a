/** Sources in flight, for tests of what may be done with their handles. */
import { MillraceError, type Source, type SourceHandle } from '../../src/index.js';
import type { Own } from './sockets.js';

/** A handle that leads to a source; after the test the source is closed, if nobody took it. */
export function inFlight<S extends Source>(
  own: Own,
  source: S,
  from: (handle: SourceHandle) => S,
): [SourceHandle] {
  const handle = source.transfer();
  own({ close: () => closeInFlight(handle, from) });
  return [handle];
}

function closeInFlight(handle: SourceHandle, from: (handle: SourceHandle) => Source): void {
  try {
    from(handle).close();
  } catch (error) {
    if (!(error instanceof MillraceError && error.code === 'ERR_HANDLE_SPENT')) throw error;
  }
}
