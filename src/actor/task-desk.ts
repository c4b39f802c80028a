/**
 * TaskDesk: where home takes the tasks of other shards, for the one pool of
 * the system, and sends back what comes of them.
 *
 *   RemoteDispatcher ── TASK ────────> TaskDesk ──> Dispatcher
 *                    <── REPORT ──────    │
 *                    <── ANSWER ──────  outbox <── settled
 *
 * Answers leave when the tick is over in which the pool has them, and after
 * its metrics were published: whoever has an answer finds it counted.
 */
import { callSafely } from '../call-safely.js';
import { closeFlights } from '../channel/close-flights.js';
import { discard } from '../channel/side-channel.js';
import { forgetMoved, movedWith } from '../channel/transfer.js';
import { Dispatcher } from '../compute/dispatcher.js';
import { MetricsBoard, type SharedMetrics } from '../compute/metrics-board.js';
import type { ResolvedPoolOptions } from '../compute/options.js';
import { type Caller, Ending, type Task } from '../compute/task.js';
import { BOARD_STALE_MS } from '../limits.js';
import { nativeDriver } from '../poll/native-driver.js';
import type { TaskCall } from './home-api.js';
import type { Link } from './link.js';
import { Mail, MailKind } from './mail.js';
import { RemoteRequest } from './remote-request.js';

/** What the threads of other shards are given. */
export interface PoolShare {
  readonly places: SharedArrayBuffer;
  readonly metrics: SharedMetrics;
}

export class TaskDesk {
  readonly pool: Dispatcher;
  readonly #board: MetricsBoard;
  /** What has not settled, by shard and by the number of its call. */
  readonly #tasks: Map<number, ShardTask>[];
  /** Tasks that have come from each shard, modulo 2^32. */
  readonly #arrived: Int32Array;
  #outbox: (() => void)[] = [];
  #isFlushDue = false;
  #refresh: NodeJS.Timeout | null = null;

  /** For shards with numbers below `shards`. */
  constructor(options: ResolvedPoolOptions, shards: number) {
    // Without other shards nobody reads what would be published.
    const changed = shards === 0 ? () => {} : () => this.#flushSoon();
    this.pool = new Dispatcher(options, { takers: shards, changed });
    this.#board = MetricsBoard.create(this.pool.metrics());
    this.#tasks = Array.from({ length: shards }, () => new Map());
    this.#arrived = new Int32Array(shards);
  }

  get share(): PoolShare {
    return { places: this.pool.places.buffer, metrics: this.#board.shared };
  }

  // --- What comes in -----------------------------------------------------

  submit(link: Link, mail: Mail): void {
    const task = new ShardTask(this, link, mail);
    const { priority, timeoutMs, transfer, reports, href, name, args, calledMs } = task.call;
    this.#arrived[link.shard] += 1;
    this.#tasks[link.shard].set(mail.id, task);
    try {
      task.relayed = this.pool.relay({
        href,
        name,
        args,
        request: {
          priority,
          signal: undefined,
          timeoutMs: timeoutMs ?? undefined,
          transfer: transfer ?? undefined,
          onProgress: reports ? (value) => task.report(value) : undefined,
        },
        caller: task,
        calledMs,
      });
    } catch (error) {
      task.reject(error, Ending.CANCELLED);
    }
  }

  /** Its caller has given it up, and was told so. */
  abort({ shard }: Link, { id }: Mail): void {
    const task = this.#tasks[shard].get(id);
    // It may have settled meanwhile.
    if (task !== undefined) this.pool.cancel(task.disown(), undefined);
  }

  // --- Deaths ------------------------------------------------------------

  /**
   * The shard is dead. To be called at once; what it returns, when all that it
   * had sent was received.
   */
  lose(shard: number): () => void {
    const taken = this.pool.places.taken(shard);
    return () => {
      const tasks = this.#tasks[shard];
      for (const task of [...tasks.values()]) {
        this.pool.cancelQueued(task.disown(), undefined);
      }
      tasks.clear();
      // It may have died between taking a place and sending the task for it.
      this.pool.places.release((taken - this.#arrived[shard]) | 0);
      this.#arrived[shard] = taken;
    };
  }

  // --- What goes out -----------------------------------------------------

  /** The task is over. */
  settled({ shard }: Link, { id }: Mail): void {
    this.#tasks[shard].delete(id);
  }

  send(letter: () => void): void {
    this.#outbox.push(letter);
    this.#flushSoon();
  }

  #flushSoon(): void {
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    this.#isFlushDue = false;
    this.#publish();
    const letters = this.#outbox;
    this.#outbox = [];
    for (const send of letters) send();
  }

  /** What lies with a thread begins without a word to the pool: that is looked for again. */
  #publish(): void {
    const metrics = this.pool.metrics();
    this.#board.publish(metrics);
    if (this.pool.sent === metrics.activeWorkers || this.#refresh !== null) return;
    this.#refresh = setTimeout(() => {
      this.#refresh = null;
      this.#publish();
    }, BOARD_STALE_MS).unref();
  }

  // --- The end -----------------------------------------------------------

  /** Gives up what is left in the pool, and ends its threads. */
  async close(): Promise<void> {
    await this.pool.close(false);
    if (this.#refresh !== null) clearTimeout(this.#refresh);
  }
}

/** A task of another shard, and in its stead who waits for it. */
class ShardTask implements Caller {
  readonly call: TaskCall;
  /** Null until the pool has taken it. */
  relayed: Task | null = null;
  readonly #desk: TaskDesk;
  readonly #link: Link;
  readonly #mail: Mail;
  /** Whether there is anybody to be told. */
  #isOwned = true;

  constructor(desk: TaskDesk, link: Link, mail: Mail) {
    this.#desk = desk;
    this.#link = link;
    this.#mail = mail;
    this.call = mail.payload as TaskCall;
  }

  /** Nobody waits for it any more. */
  disown(): Task {
    this.#isOwned = false;
    return this.relayed as Task;
  }

  report(value: unknown): void {
    if (!this.#isOwned) {
      drop(value);
      return;
    }
    const link = this.#link;
    const mail = new Mail(MailKind.REPORT, link.peers.from, 0, 0, this.#mail.id, null, value);
    this.#desk.send(() => callSafely('the report of a task', () => link.postMessage(mail)));
  }

  resolve(value: unknown): void {
    const isWanted = this.#isOwned && this.call.isAwaited;
    if (!isWanted) drop(value);
    this.#settle((request) => request.answer(isWanted ? value : undefined));
  }

  reject(error: unknown, ending: Ending): void {
    // What was moved here and not to a thread of the pool is nobody's.
    discard(this.call.transfer ?? []);
    const isTold = this.call.isAwaited || ending === Ending.FAILED;
    this.#settle((request) => {
      if (isTold) request.fail(error);
      else request.answer(undefined);
    });
  }

  #settle(tell: (request: RemoteRequest) => void): void {
    this.#desk.settled(this.#link, this.#mail);
    if (this.#isOwned) this.#desk.send(() => tell(new RemoteRequest(this.#link, this.#mail)));
  }
}

/** Nobody will have it, nor what it has moved here. */
function drop(value: unknown): void {
  closeFlights(nativeDriver, value);
  const moved = movedWith(value);
  if (moved === undefined) return;
  forgetMoved(value);
  discard([...moved]);
}
