/**
 * The inside of a thread of a pool: runs the tasks that it is sent, one at a
 * time, in the order in which they come.
 *
 *   lane ──> notify() ──> claim ──> call ──> result ──> lane to the pool
 *               └── backlog, while an asynchronous task is under way
 *
 * Nothing of a task may throw in here: the loop would end.
 */
import { forgetMoved, movedWith, transfer } from '../channel/transfer.js';
import { shown } from '../errors.js';
import { Handler } from '../loop/handler.js';
import type { Sender } from '../loop/sender.js';
import { nativeDriver } from '../poll/native-driver.js';
import { Claim, CLAIMS, type Claims } from './claims.js';
import { Functions, type TaskFunction } from './functions.js';
import { type Answer, type Call, type Definition, Outcome } from './messages.js';
import { callInTask, enterSilentTask, leaveTask, type Reporter } from './report-progress.js';

export interface TaskRunnerParts {
  /** The number of this thread. */
  thread: number;
  claims: Claims;
  pool: Sender<Answer>;
}

export class TaskRunner extends Handler<Call | Definition> {
  readonly #thread: number;
  readonly #claims: Claims;
  readonly #pool: Sender<Answer>;
  readonly #functions = new Functions();

  /** The task under way, while it is asynchronous; null: the thread is free. */
  #call: Call | null = null;
  #beganMs = 0;
  #isRelayed = false;
  /** What arrived since that began; taken from the front. */
  #backlog: (Call | Definition)[] = [];
  #backlogHead = 0;

  constructor({ thread, claims, pool }: TaskRunnerParts) {
    super();
    this.#thread = thread;
    this.#claims = claims;
    this.#pool = pool;
  }

  override notify(_: unknown, message: Call | Definition): void {
    if (this.#call === null) this.#take(message);
    else this.#backlog.push(message);
  }

  #take(message: Call | Definition): void {
    if ('href' in message) this.#functions.define(message);
    else if (this.#claims.begin(message.position)) this.#begin(message);
    else this.#claims.handled(message.position);
  }

  #begin(call: Call): void {
    this.#call = call;
    this.#isRelayed = call.isRelayed;
    this.#beganMs = nativeDriver.now();
    const known = this.#functions.known(call.target);
    if (known === null) {
      this.#functions.find(call.target).then(this.#found, this.#rejected);
    } else {
      this.#run(call, known);
    }
  }

  readonly #found = (known: TaskFunction): void => {
    this.#run(this.#call as Call, known);
    this.#goOn();
  };

  #run(call: Call, run: TaskFunction): void {
    let result: unknown;
    let isPending = false;
    try {
      if (call.reports) {
        result = callInTask(this.#reporter(call), () => run(...call.args));
      } else {
        enterSilentTask();
        result = run(...call.args);
      }
      isPending = typeof (result as PromiseLike<unknown> | null | undefined)?.then === 'function';
      // What is no promise of Node's may do anything in its then().
      if (isPending) Promise.resolve(result).then(this.#resolved, this.#rejected);
    } catch (error) {
      this.#end(Outcome.THREW, error);
      return;
    }
    if (!isPending) this.#end(Outcome.RETURNED, result);
  }

  readonly #resolved = (result: unknown): void => {
    this.#end(Outcome.RETURNED, result);
    this.#goOn();
  };

  readonly #rejected = (error: unknown): void => {
    this.#end(Outcome.THREW, error);
    this.#goOn();
  };

  /** An asynchronous task has ended: what came meanwhile is next. */
  #goOn(): void {
    while (this.#call === null && this.#backlogHead < this.#backlog.length) {
      this.#take(this.#backlog[this.#backlogHead++]);
    }
    // Under load it may never run empty, and would only grow.
    if (this.#backlogHead < this.#backlog.length && this.#backlogHead < CLAIMS) return;
    this.#backlog.splice(0, this.#backlogHead);
    this.#backlogHead = 0;
  }

  #end(outcome: Outcome, value: unknown): void {
    leaveTask();
    const { position } = this.#call as Call;
    this.#call = null;
    const sent = this.#answer(position, outcome, value);
    this.#claims.end(position, sent === Outcome.RETURNED ? Claim.RETURNED : Claim.THREW);
    this.#claims.handled(position);
  }

  /** Sends what came of a task; returns what was sent, as a result may not be clonable. */
  #answer(position: number, outcome: Outcome, value: unknown): Outcome {
    try {
      this.#send(position, outcome, value);
      return outcome;
    } catch (error) {
      try {
        this.#send(position, Outcome.THREW, outcome === Outcome.THREW ? described(value) : error);
      } catch {
        // A getter of the result has thrown something that cannot be cloned itself.
        this.#send(position, Outcome.THREW, described(error));
      }
      return Outcome.THREW;
    }
  }

  #send(position: number, outcome: Outcome, value: unknown): void {
    const beganMs = this.#beganMs;
    const tookMs = nativeDriver.now() - beganMs;
    const noted = movedWith(value);
    const list = noted === undefined ? null : ([...noted] as object[]);
    const moved = this.#isRelayed ? list : null;
    const thread = this.#thread;
    const answer: Answer = { thread, position, outcome, value, moved, beganMs, tookMs };
    if (list === null) {
      this.#pool.send(answer);
      return;
    }
    forgetMoved(value);
    this.#pool.send(transfer(answer, list));
  }

  #reporter({ position }: Call): Reporter {
    return {
      report: (value) => {
        if (!this.#claims.admitReport()) return;
        try {
          this.#send(position, Outcome.PROGRESS, value);
        } catch (error) {
          this.#claims.releaseReport();
          throw error;
        }
      },
    };
  }
}

/** For what was thrown and cannot be cloned. */
function described(thrown: unknown): Error {
  return new Error(shown(thrown));
}
