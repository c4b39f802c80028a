/**
 * A thread of a pool as the pool sees it: what was sent to it, and what of
 * that can still be taken back.
 *
 *   positions   5    6    7    8    9          sent: 10
 *   tasks       .    run  .    sent sent       first: 6; of 5 the result has come,
 *                                              7 was recalled
 */
import { closeControl } from '../channel/control.js';
import { forgetMoved, transfer } from '../channel/transfer.js';
import { AHEAD_MAX, AHEAD_MS, AHEAD_ONE_MS } from '../limits.js';
import { crossing, type SenderHandle } from '../loop/crossing.js';
import { Sender } from '../loop/sender.js';
import type { WorkerThread } from '../thread/worker-thread.js';
import { Claim, CLAIMS, Claims } from './claims.js';
import type { Call, ComputeThreadApi, Definition } from './messages.js';
import type { Task } from './task.js';

export class ComputeThread {
  readonly number: number;
  readonly claims = new Claims();
  #worker: WorkerThread<ComputeThreadApi> | null = null;
  #address: SenderHandle | null = null;
  /** Null until it is up, and from the moment at which it is given up. */
  #sender: Sender<Call | Definition> | null = null;
  /** The functions that it knows, by number. */
  readonly #known = new Set<number>();

  readonly #tasks: (Task | null)[] = new Array(CLAIMS).fill(null);
  #first = 0;
  #sent = 0;
  /** Tasks sent and neither settled nor recalled, and how long they are expected to take. */
  #count = 0;
  #loadMs = 0;

  /** Answers that have come. */
  answers = 0;
  /** Their number when the pool last looked whether the thread gets on. */
  answersBefore = 0;
  /** It did not: nothing more is sent ahead until it gives an answer. */
  isStuck = false;
  isRetired = false;

  constructor(number: number) {
    this.number = number;
  }

  /** It is up, and tasks are sent to this address. */
  open(worker: WorkerThread<ComputeThreadApi>, address: SenderHandle): void {
    this.#worker = worker;
    this.#address = address;
    this.#sender = new Sender(crossing().connect(address, entrustsNothing));
  }

  /** It has ended, and may not have had the time to close its loop. */
  ended(): void {
    if (this.#address !== null) closeControl(new Int32Array(this.#address.control));
  }

  get worker(): WorkerThread<ComputeThreadApi> | null {
    return this.#worker;
  }

  /** Whether tasks can be sent to it. */
  get isUp(): boolean {
    return this.#sender !== null;
  }

  get count(): number {
    return this.#count;
  }

  get loadMs(): number {
    return this.#loadMs;
  }

  /**
   * Whether a task may be sent now, if need be ahead of its turn. As little is
   * sent ahead as keeps the thread busy, for what lies there may have to be
   * fetched back.
   */
  accepts(task: Task): boolean {
    if (this.#sender === null || this.#sent - this.#first >= CLAIMS) return false;
    if (this.#count === 0) return this.claims.hasRoom(this.#sent, 0);
    if (this.isStuck || task.isMoving || this.#count >= AHEAD_MAX) return false;
    if (!this.claims.hasRoom(this.#sent, CLAIMS / 2)) return false;
    const loadMs = this.#loadMs + task.target.expectedMs;
    return loadMs <= AHEAD_MS || (this.#count === 1 && loadMs <= AHEAD_ONE_MS);
  }

  /**
   * False if the thread takes nothing more: it is about to end.
   *
   * @throws DataCloneError, and what a getter of the arguments throws
   */
  send(task: Task): boolean {
    const sender = this.#sender;
    const position = this.#sent;
    this.claims.offer(position);
    if (sender === null || !this.#define(task, sender) || !this.#post(task, position, sender)) {
      this.#sender = null;
      return false;
    }
    this.#sent = position + 1;
    this.#tasks[Claims.indexOf(position)] = task;
    task.expectedMs = task.target.expectedMs;
    task.thread = this;
    task.position = position;
    this.#count += 1;
    this.#loadMs += task.expectedMs;
    return true;
  }

  /** The task at this position, unless it was settled or recalled. */
  at(position: number): Task | null {
    const task = this.#tasks[Claims.indexOf(position)];
    return task !== null && task.position === position ? task : null;
  }

  /** An answer has come for it, or nobody waits for one any more. */
  remove(task: Task): void {
    this.#tasks[Claims.indexOf(task.position)] = null;
    task.thread = null;
    this.#count -= 1;
    // The sum is of fractions; it must not drift.
    this.#loadMs = this.#count === 0 ? 0 : this.#loadMs - task.expectedMs;
    while (this.#first < this.#sent && this.at(this.#first) === null) this.#first += 1;
  }

  /** False if the thread has begun it, or has what cannot be sent again. */
  recall(task: Task): boolean {
    if (!this.claims.recall(task.position)) return false;
    this.remove(task);
    return true;
  }

  /**
   * Takes back what it has not begun, or those of it that `test` is true of.
   * What was moved with its arguments stays.
   */
  recallAll(recalled: (task: Task) => void, test: (task: Task) => boolean = isAny): void {
    for (let position = this.#sent - 1; position >= this.#first; position--) {
      const task = this.at(position);
      if (task === null || task.isMoving || !test(task)) continue;
      if (this.recall(task)) recalled(task);
    }
  }

  /**
   * From the last to the first, so that a thread that goes on meanwhile is
   * never seen with two tasks under way.
   */
  eachFromLast(visit: (task: Task, claim: Claim) => void): void {
    for (let position = this.#sent - 1; position >= this.#first; position--) {
      const task = this.at(position);
      if (task !== null) visit(task, this.claims.look(position));
    }
  }

  /** The pool has done with it: nothing more is sent to it, and nobody reads its reports. */
  retire(): void {
    this.isRetired = true;
    this.#sender = null;
    this.claims.giveUp();
  }

  #define({ target }: Task, sender: Sender<Call | Definition>): boolean {
    const { number, href, name } = target;
    if (this.#known.has(number)) return true;
    if (!sender.send({ target: number, href, name })) return false;
    this.#known.add(number);
    return true;
  }

  #post(task: Task, position: number, sender: Sender<Call | Definition>): boolean {
    const { request, target } = task;
    const reports = request?.onProgress !== undefined;
    const { isRelayed, args } = task;
    const call: Call = { position, target: target.number, reports, isRelayed, args: args ?? [] };
    const moved = request?.transfer;
    if (moved === undefined) return sender.send(call);
    try {
      return sender.send(transfer(call, moved));
    } finally {
      forgetMoved(call);
    }
  }
}

/** A task may be fetched back, and run elsewhere: its sources stay with its caller until then. */
function entrustsNothing(): boolean {
  return false;
}

function isAny(): boolean {
  return true;
}
