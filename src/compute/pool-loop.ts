/**
 * The loop of a pool's own thread: brings the answers of its threads, the
 * deadlines of its tasks, and the news that a thread has ended.
 */
import { MillraceError } from '../errors.js';
import { STUCK_MS, TIMER_CAPACITY_MAX, UNBOUNDED } from '../limits.js';
import type { SenderHandle } from '../loop/crossing.js';
import { EventLoop } from '../loop/event-loop.js';
import { Handler } from '../loop/handler.js';
import { nativeDriver } from '../poll/native-driver.js';
import type { ThreadExit } from '../thread/worker-thread.js';
import type { ComputeThread } from './compute-thread.js';
import type { Answer } from './messages.js';
import type { Task } from './task.js';

export interface PoolLoopHost {
  answered(answer: Answer): void;
  /** The time of a task is over. */
  expired(task: Task): void;
  /** A while after {@link PoolLoop.watch}. */
  watched(): void;
  /** A thread has ended, and all that it had sent before was answered. */
  ended(thread: ComputeThread, exit: ThreadExit): void;
  /** Everything of this tick was delivered. */
  ticked(): void;
  /** The system refuses what the loop stands on: nothing is received any more. */
  failed(error: unknown): void;
}

/** What the loop puts behind the answers of a thread that has ended. */
interface ExitNote {
  readonly exited: ComputeThread;
  readonly exit: ThreadExit;
  readonly isLast: boolean;
}

type Message = Answer | ExitNote;

/** The payload of the timeout that looks after stuck threads; others are tasks. */
const WATCH = Symbol('watch');
type Due = Task | typeof WATCH;

export class PoolLoop extends Handler<Message, Due> {
  readonly #host: PoolLoopHost;
  readonly #loop: EventLoop<Message, Due>;
  readonly #running: Promise<void>;

  /** @throws a system error */
  constructor(host: PoolLoopHost) {
    super();
    this.#host = host;
    const config = { driver: nativeDriver, timerCapacity: TIMER_CAPACITY_MAX };
    // What is sent to threads is bounded, and so are their answers: see claims.ts.
    this.#loop = new EventLoop(config, UNBOUNDED);
    this.#running = this.#run();
    // Tasks keep the process alive, the loop by itself does not.
    this.#loop.unref();
  }

  /** Where threads send their answers. */
  get address(): SenderHandle {
    return this.#loop.channel().transfer();
  }

  ref(): void {
    this.#loop.ref();
  }

  unref(): void {
    this.#loop.unref();
  }

  setDeadline(task: Task, timeoutMs: number): void {
    task.timeout = this.#loop.timeout(task, timeoutMs);
  }

  clearDeadline(task: Task): void {
    if (task.timeout !== null) this.#loop.clearTimeout(task.timeout);
  }

  watch(): void {
    this.#loop.timeout(WATCH, STUCK_MS);
  }

  /** Answers that the thread has sent come first, and are let in by the next tick at the latest. */
  noteExit(exited: ComputeThread, exit: ThreadExit): void {
    this.#loop.channel().send({ exited, exit, isLast: false });
  }

  async close(): Promise<void> {
    this.#loop.shutdown();
    await this.#running;
    this.#loop.close();
  }

  async #run(): Promise<void> {
    for (;;) {
      try {
        await this.#loop.run(this);
        return;
      } catch (error) {
        // A thread died in the middle of an answer. Its exit settles what it had.
        if (error instanceof MillraceError && error.code === 'ERR_CHANNEL_BROKEN') continue;
        this.#host.failed(error);
        return;
      }
    }
  }

  override notify(_: unknown, message: Message): void {
    if (!('exited' in message)) {
      this.#host.answered(message);
      return;
    }
    const { exited, exit, isLast } = message;
    if (isLast) this.#host.ended(exited, exit);
    else this.#loop.channel().send({ exited, exit, isLast: true });
  }

  override timeout(_: unknown, due: Due): void {
    if (due === WATCH) this.#host.watched();
    else this.#host.expired(due);
  }

  override tick(): void {
    this.#host.ticked();
  }
}
