/**
 * Ways to run a loop. What is promised of a loop holds for each of them, so
 * the conformance suites are written once and run in every way:
 *
 *   describeWays('timers', (way) => {
 *     it('T1: ...', async () => {
 *       const loop = way.open();
 *       await way.drive(loop, { timeout: (l) => l.shutdown() });
 *     });
 *   });
 */
import { EventLoop, type EventLoopConfig, type Handler, type PollerMode } from '../../src/index.js';
import { closingAfterEach, type Own } from './sockets.js';

export type Running = 'run' | 'runSync' | 'runOnce';

const RUNNINGS: readonly Running[] = ['run', 'runSync', 'runOnce'];
const POLLERS: readonly PollerMode[] = ['thread', 'inline'];

/** A blocked thread cannot be interrupted by mocha's own timeout. */
const GUARD_MS = 8000;
const GUARD = Symbol('guard');

/**
 * A budget of a tick for tests that expect several callbacks in one: on a busy
 * machine any of them may take longer than the usual one.
 */
export const UNHURRIED_MS = 10_000;

export class Way {
  readonly running: Running;
  readonly poller: PollerMode;
  readonly #own: Own;

  constructor(running: Running, poller: PollerMode, own: Own) {
    this.running = running;
    this.poller = poller;
    this.#own = own;
  }

  /** Whether Node's own loop goes on meanwhile. */
  get isShared(): boolean {
    return this.running === 'run';
  }

  /** A loop that is closed after the test. */
  open<M = unknown, T = unknown>(config: EventLoopConfig = {}): EventLoop<M, T> {
    return this.#own(new EventLoop<M, T>({ poller: this.poller, ...config }));
  }

  /** Runs the loop until `shutdown()`. */
  async drive<M, T>(loop: EventLoop<M, T>, handler: Handler<M, T>): Promise<void> {
    if (this.running === 'run') {
      await loop.run(handler);
      return;
    }
    const guarded = new Guarded(handler);
    const timeout = loop.timeout(GUARD as T, GUARD_MS);
    try {
      if (this.running === 'runSync') {
        loop.runSync(guarded.handler);
      } else {
        while (!guarded.ended) loop.runOnce(guarded.handler);
      }
    } finally {
      loop.clearTimeout(timeout);
    }
  }
}

/** A handler that also looks after the deadline, and notices `shutdown()`. */
class Guarded<M, T> {
  readonly handler: Handler<M, T>;
  ended = false;

  constructor(inner: Handler<M, T>) {
    const timeout: Handler<M, T>['timeout'] = (loop, payload, late) => {
      if (payload === GUARD) throw new Error(`no shutdown() within ${GUARD_MS} ms`);
      inner.timeout?.(loop, payload, late);
    };
    const tick: Handler<M, T>['tick'] = (loop) => {
      inner.tick?.(loop);
      this.ended = !loop.isRunning;
    };
    this.handler = new Proxy(inner, {
      get: (_, name) => {
        if (name === 'timeout') return timeout;
        if (name === 'tick') return tick;
        // Called on the handler itself: private fields are not seen through a proxy.
        const member: unknown = Reflect.get(inner, name);
        return typeof member === 'function' ? member.bind(inner) : member;
      },
    });
  }
}

/** Declares the suite once for each way to run a loop. */
export function describeWays(
  title: string,
  suite: (way: Way, own: Own) => void,
  runnings: readonly Running[] = RUNNINGS,
): void {
  for (const running of runnings) {
    for (const poller of POLLERS) {
      describe(`${title} (${running}, ${poller})`, function () {
        this.timeout(10_000);
        const own = closingAfterEach();
        suite(new Way(running, poller, own), own);
      });
    }
  }
}
