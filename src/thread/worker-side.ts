/** The inside of a worker thread that a {@link WorkerThread} has started. */
import { workerData } from 'node:worker_threads';
import { unpack } from '../channel/codec/packed.js';
import { openThreadPort } from '../channel/thread-ports.js';
import { MillraceError } from '../errors.js';
import { DEFAULT_STOP_TIMEOUT_MS, LEFT_OVER_GRACE_MS } from '../limits.js';
import { type ControlLink, connect, methodsOf, type Remote } from './control-link.js';
import type { OwnerLife, StartMessage, ThreadLife } from './lifecycle.js';

export interface ServedThread {
  /** What the owner may call. */
  api: object;
  /**
   * Closes what keeps the thread alive: loops, servers. The thread ends when
   * it has settled, and at the latest after `timeoutMs`, counted from the call.
   */
  stop?: (timeoutMs: number) => void | Promise<void>;
}

/** What an entry point does with the data of its thread, and with what its owner serves. */
export type ThreadMain<Data = unknown, OwnerApi = object> = (
  data: Data,
  owner: Remote<OwnerApi>,
) => ServedThread | Promise<ServedThread>;

/**
 * Makes this thread one that can be called and stopped. Called once, by its
 * entry point. Rejects with what `main` throws, which fails the start.
 *
 * A thread whose owner has gone ends as if it had been stopped.
 */
export async function serveThread<Data, OwnerApi>(main: ThreadMain<Data, OwnerApi>): Promise<void> {
  const { control, posts, data } = workerData as StartMessage;
  const port = openThreadPort(posts);
  const life: ThreadLife = {
    threadReady: () =>
      starting.then(
        () => null,
        (error: unknown) => ({ error }),
      ),
    // Not awaited: an error of it ends the thread, and the owner hears of it so.
    threadStop: (timeoutMs) => void end(timeoutMs),
  };
  let serve = methodsOf(life);
  const link = connect<OwnerLife>(control, {
    serve: (method, args) => serve(method, args),
    keepAlive: true,
    peerGone: () => {
      void end(DEFAULT_STOP_TIMEOUT_MS);
      return new MillraceError('ERR_LINK_CLOSED', 'the owner of this thread has gone');
    },
  });
  reportLastWords(link);

  const start = async (): Promise<ServedThread> => {
    const thread = await main(unpack(data) as Data, link.remote as unknown as Remote<OwnerApi>);
    serve = methodsOf(life, thread.api);
    return thread;
  };
  const starting = start();

  let isEnding = false;
  const end = async (timeoutMs: number): Promise<void> => {
    if (isEnding) return;
    isEnding = true;
    // Before the owner would terminate the thread; an exit from inside is the safer of the two.
    const limitMs = timeoutMs * 0.75;
    setTimeout(() => process.exit(), limitMs).unref();
    const thread = await starting.catch(() => null);
    await thread?.stop?.(limitMs);
    link.close();
    port.end();
    // The thread ends when nothing keeps it alive. What a user has left open is cut off.
    setTimeout(() => process.exit(), LEFT_OVER_GRACE_MS).unref();
  };
  await starting;
}

/** Posted while the exception is on its way up, and so before the thread's end. */
function reportLastWords(link: ControlLink<OwnerLife>): void {
  process.on('uncaughtExceptionMonitor', (error) => {
    void tell(link, error);
  });
}

async function tell(link: ControlLink<OwnerLife>, error: unknown): Promise<void> {
  try {
    await link.remote.threadLastWords(error);
  } catch {
    // What could not be posted the owner learns from Node.
  }
}
