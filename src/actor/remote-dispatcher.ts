/**
 * RemoteDispatcher: the pool of a system on the shards that are not home. A
 * task takes its place in shared memory, which is refused here and now if
 * there is none, and goes to home as mail; `task-desk.ts` takes it there.
 */
import { callSafely } from '../call-safely.js';
import { forgetMoved, transfer } from '../channel/transfer.js';
import { AbortSignals } from '../compute/abort-signals.js';
import { poolClosed, queueFull } from '../compute/compute-errors.js';
import { publishFailure } from '../compute/failures.js';
import type { ComputeMetrics } from '../compute/metrics.js';
import { MetricsBoard } from '../compute/metrics-board.js';
import type { PoolBackend } from '../compute/pool-backend.js';
import { Ending, type Order } from '../compute/task.js';
import { TaskPlaces } from '../compute/task-places.js';
import { nativeDriver } from '../poll/native-driver.js';
import { poolNotOwned } from './actor-errors.js';
import type { TaskCall } from './home-api.js';
import type { Link, Replied } from './link.js';
import { Mail, MailKind } from './mail.js';
import type { PoolShare } from './task-desk.js';

export class RemoteDispatcher implements PoolBackend {
  readonly #home: Link;
  readonly #places: TaskPlaces;
  readonly #board: MetricsBoard;
  readonly #tasks = new Set<RemoteTask>();
  readonly #signals = new AbortSignals<RemoteTask>((task) => this.#abort(task));
  #isClosed = false;

  constructor(home: Link, { places, metrics }: PoolShare) {
    this.#home = home;
    this.#places = new TaskPlaces(places);
    this.#board = new MetricsBoard(metrics);
  }

  get isClosing(): boolean {
    return this.#isClosed || this.#places.closed;
  }

  submit(order: Order): void {
    const { signal } = order.request;
    if (this.isClosing) throw poolClosed();
    signal?.throwIfAborted();
    if (!this.#places.takeFor(this.#shard)) throw queueFull(this.#places.capacity);
    const task = new RemoteTask(order, (settled) => this.#settled(settled));
    task.id = this.#home.expect(task);
    this.#tasks.add(task);
    if (signal !== undefined) this.#signals.add(signal, task);
    try {
      this.#post(task);
    } catch (error) {
      this.#places.giveBack(this.#shard);
      this.#home.forget(task.id);
      this.#home.note('taskUnsent', []);
      task.fail(error);
    }
  }

  get #shard(): number {
    return this.#home.peers.shard;
  }

  /** @throws DataCloneError, and what a getter of the arguments throws */
  #post({ id, order }: RemoteTask): void {
    const { href, name, args, request, caller } = order;
    const { priority, timeoutMs, transfer: moved, onProgress } = request;
    const call: TaskCall = {
      href,
      name,
      priority,
      timeoutMs: timeoutMs ?? null,
      calledMs: nativeDriver.nowOrLater(),
      reports: onProgress !== undefined,
      isAwaited: caller !== null,
      transfer: moved ?? null,
      args,
    };
    const mail = new Mail(MailKind.TASK, this.#home.peers.from, 0, 0, id, null, call);
    if (moved === undefined) {
      this.#home.post(mail);
      return;
    }
    try {
      this.#home.post(transfer(mail, moved));
    } finally {
      forgetMoved(mail);
    }
  }

  // --- Ends --------------------------------------------------------------

  /** The caller hears of it at once, the pool as soon as home does. */
  #abort(task: RemoteTask): void {
    const { id, order } = task;
    this.#home.forget(id);
    this.#home.post(new Mail(MailKind.TASK_ABORT, this.#home.peers.from, 0, 0, id, null, null));
    task.cancel(order.request.signal?.reason);
  }

  #settled(task: RemoteTask): void {
    const { signal } = task.order.request;
    this.#tasks.delete(task);
    if (signal !== undefined) this.#signals.remove(signal, task);
  }

  metrics(): ComputeMetrics {
    return this.#board.read();
  }

  close(): Promise<never> {
    return Promise.reject(poolNotOwned());
  }

  /** The shard ends: no answer will come any more. */
  abandon(): void {
    this.#isClosed = true;
    for (const task of [...this.#tasks]) {
      this.#home.forget(task.id);
      task.cancel(poolClosed());
    }
  }
}

/** A task on its way, as far as its own shard knows. */
class RemoteTask implements Replied {
  readonly order: Order;
  id = 0;
  readonly #settled: (task: RemoteTask) => void;

  constructor(order: Order, settled: (task: RemoteTask) => void) {
    this.order = order;
    this.#settled = settled;
  }

  reported(value: unknown): void {
    const { onProgress } = this.order.request;
    if (onProgress !== undefined) callSafely('onProgress of a task', () => onProgress(value));
  }

  answer(value: unknown): void {
    this.#settled(this);
    this.order.caller?.resolve(value);
  }

  fail(error: unknown): void {
    const { caller } = this.order;
    this.#settled(this);
    if (caller !== null) caller.reject(error, Ending.FAILED);
    else publishFailure(this.order, error);
  }

  cancel(reason: unknown): void {
    this.#settled(this);
    this.order.caller?.reject(reason, Ending.CANCELLED);
  }
}
