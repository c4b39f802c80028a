/** Timers of Millrace, armed and cleared inside a callback, as handlers do it. */
import { EventLoop, type EventLoopConfig, Handler } from 'millrace';
import { seededRandom } from '../harness/statistics.js';
import {
  BATCH,
  type LatenessesMs,
  type LatenessRequest,
  type PairsRequest,
  pairDelays,
  pendingDelays,
  type Rate,
  type Request,
  rateOf,
  serve,
  type TicksRequest,
} from './protocol.js';

/** Room for 65,536 pending timers and the one that is armed and cleared. */
const TIMER_CAPACITY = 131_072;

/** No timer of these measurements ever fires; its payload means nothing. */
const PAYLOAD = 0;

const random = seededRandom(1);

serve((request: Request) => {
  if (request.measure === 'pairs') return pairs(request);
  if (request.measure === 'ticks') return ticks(request);
  return lateness(request);
});

function pairs({ ms, pending, delays }: PairsRequest): Rate {
  const loop = loopWithPending(pending);
  const handler = new PairsHandler(ms, pairDelays(random, delays));
  loop.runOnce(handler, 0);
  loop.close();
  if (handler.rate === null) throw new Error('the tick was not delivered');
  return handler.rate;
}

class PairsHandler extends Handler<never, number> {
  readonly #ms: number;
  readonly #delaysMs: readonly number[];
  rate: Rate | null = null;

  constructor(ms: number, delaysMs: readonly number[]) {
    super();
    this.#ms = ms;
    this.#delaysMs = delaysMs;
  }

  override tick(loop: EventLoop<never, number>): void {
    this.rate = rateOf(this.#ms, () => {
      for (const delayMs of this.#delaysMs) {
        const wasPending = loop.clearTimeout(loop.timeout(PAYLOAD, delayMs));
        if (!wasPending) throw new Error('a timer just armed was not pending');
      }
    });
  }
}

function ticks({ ms, pending }: TicksRequest): Rate {
  const loop = loopWithPending(pending);
  const handler = new IdleHandler();
  const rate = rateOf(ms, () => {
    for (let i = 0; i < BATCH; i++) loop.runOnce(handler, 0);
  });
  loop.close();
  if (handler.ticks !== rate.count) throw new Error('ticks were not delivered');
  return rate;
}

class IdleHandler extends Handler<never, number> {
  ticks = 0;

  override tick(): void {
    this.ticks++;
  }

  override timeout(): void {
    throw new Error('a timer fired an hour early');
  }
}

function loopWithPending(pending: number): EventLoop<never, number> {
  const loop = new EventLoop<never, number>({ timerCapacity: TIMER_CAPACITY });
  for (const delayMs of pendingDelays(random, pending)) loop.timeout(PAYLOAD, delayMs);
  return loop;
}

async function lateness({ way, delaysMs }: LatenessRequest): Promise<LatenessesMs> {
  const config: EventLoopConfig = { poller: way === 'run, inline' ? 'inline' : 'thread' };
  const loop = new EventLoop<'arm', number>(config);
  const handler = new LatenessHandler(delaysMs);
  // Armed by a message, so that the loop is up and running when the first delay begins.
  loop.channel().send('arm');
  if (way === 'runSync') loop.runSync(handler);
  else await loop.run(handler);
  loop.close();
  return handler.latenessesMs;
}

/** The payload of a timer is its deadline. */
class LatenessHandler extends Handler<'arm', number> {
  readonly #delaysMs: readonly number[];
  readonly latenessesMs: number[] = [];

  constructor(delaysMs: readonly number[]) {
    super();
    this.#delaysMs = delaysMs;
  }

  override notify(loop: EventLoop<'arm', number>): void {
    for (const delayMs of this.#delaysMs) loop.timeout(performance.now() + delayMs, delayMs);
  }

  override timeout(loop: EventLoop<'arm', number>, deadlineMs: number): void {
    this.latenessesMs.push(performance.now() - deadlineMs);
    if (this.latenessesMs.length === this.#delaysMs.length) loop.shutdown();
  }
}
