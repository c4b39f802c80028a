/**
 * What becomes of an actor: start, crash, restart, stop. All of it happens in
 * ticks of the shard's loop, between callbacks and never inside of one.
 *
 *   callback throws, or its promise rejects     crash(): report, then decide
 *     restart    stopped(old) ── back-off ── constructor, started(new)
 *     stop       messages become dead letters ── end()
 *   stop()       takes no more, delivers the rest, waits for promises ── end()
 *   end()        children first ── stopped() ── everything is given back
 *
 * Children belong to the instance that spawned them, as in Akka: they stop before
 * it where the actor stops, and before its successor where it is restarted.
 */
import { DEFAULT_STOP_TIMEOUT_MS } from '../limits.js';
import { actorStopped, shardExited } from './actor-errors.js';
import type { Cell, Closing } from './cell.js';
import { State } from './cell-state.js';
import type { Context } from './context.js';
import { type CallbackKind, crashChannel } from './reports.js';
import type { StopReason } from './stop-reason.js';
import { type CrashAction, type Decision, Supervisor } from './supervision.js';

export type RestartDecision = Extract<Decision, { action: 'restart' }>;

/** A ticket has come to a cell that is not simply running. */
export function advance(cell: Cell): void {
  const { errands } = cell;
  if (errands !== null && errands.size > 0) {
    const errand = errands.message as () => void;
    errands.drop();
    errand();
  } else if (cell.state === State.CREATED) {
    begin(cell);
  } else if (canDeliver(cell) && cell.ring.size > 0) {
    cell.deliverNext();
  }
  refresh(cell);
}

/** Whether the cell is plain again, and has the tickets that it needs. */
function refresh(cell: Cell): void {
  const errandCount = cell.errands?.size ?? 0;
  const isDelivering = canDeliver(cell);
  cell.isPlain = isDelivering && errandCount === 0 && cell.closing === null;
  const wanted = errandCount + (isDelivering ? cell.ring.size : 0);
  while (cell.tickets < wanted) cell.issueTicket();
  if (cell.closing !== null && errandCount === 0 && isDrained(cell)) end(cell, cell.closing.reason);
}

function canDeliver(cell: Cell): boolean {
  return cell.state === State.RUNNING && !cell.isHeld;
}

/** Nothing is left that a stop waits for. */
function isDrained({ state, ring, unsettled, places, slot }: Cell): boolean {
  if (ring.size > 0) return false;
  // What other threads have a place for is on its way.
  if (places !== null && places.count(slot) > 0) return false;
  return (state === State.RUNNING && unsettled === 0) || state === State.BACKOFF;
}

// --- Start ---------------------------------------------------------------

function begin(cell: Cell): void {
  cell.state = State.STARTING;
  const unsettledBefore = cell.unsettled;
  cell.invoke('started', (handler, loop) => handler.started?.(loop));
  const isPending = cell.unsettled > unsettledBefore;
  if (cell.state === State.STARTING && !isPending) cell.state = State.RUNNING;
}

// --- Crash ---------------------------------------------------------------

/** Not inside of a callback: the one that threw has been left. */
export function crash(cell: Cell, kind: CallbackKind, error: unknown): void {
  const { shard } = cell;
  if (cell.state >= State.ENDING) {
    report(cell, kind, error, 'stop');
    return;
  }
  cell.supervisor ??= new Supervisor(cell.blueprint.options.supervision);
  const decision = cell.supervisor.decide(shard.driver.now());
  cell.isPlain = false;
  report(cell, kind, error, decision.action);
  if (decision.action === 'restart') {
    restart(cell, decision, error);
  } else if (decision.action === 'resume') {
    if (cell.state === State.STARTING) cell.state = State.RUNNING;
  } else {
    end(cell, { kind: 'crashed', error });
    if (decision.action === 'escalate') cell.parent?.childCrashed(error);
  }
  // For whoever is not on the way to refresh() anyway.
  if (cell.tickets === 0) cell.issueTicket();
}

export function report(
  cell: Cell,
  kind: CallbackKind,
  error: unknown,
  decision: CrashAction,
): void {
  const { shard, ref } = cell;
  shard.counters.crashes += 1;
  const event = { actor: ref, shard: shard.number, kind, error, decision };
  if (crashChannel.hasSubscribers) crashChannel.publish(event);
  shard.host.emit('crash', event);
}

function restart(cell: Cell, decision: RestartDecision, error: unknown): void {
  const { shard } = cell;
  cell.state = State.BACKOFF;
  const gone = retire(cell, { kind: 'restart', error });
  let left = gone === null ? 1 : 2;
  const proceed = () => {
    left -= 1;
    if (left === 0 && cell.state === State.BACKOFF) cell.later(() => rebuild(cell, decision));
  };
  cell.retiring = gone;
  void gone?.then(proceed);
  cell.backoff = shard.deadlines.arm({ expire: proceed }, decision.delayMs);
}

/** The last of an instance. Returns what it takes time for, if it does. */
function retire(cell: Cell, reason: StopReason): Promise<void> | null {
  const { shard } = cell;
  const waits = stopChildren(cell, { kind: 'parent' });
  const farewell = callStopped(cell, reason);
  const { context } = cell;
  if (farewell !== null) waits.push(farewell);
  cell.handler = null;
  cell.context = null;
  cell.isHeld = false;
  cell.unsettled = 0;
  failPending(cell);
  if (waits.length === 0) {
    context?.release();
    return null;
  }
  return releaseAfter(shard.within(Promise.allSettled(waits), DEFAULT_STOP_TIMEOUT_MS), context);
}

async function releaseAfter(wait: Promise<void>, context: Context | null): Promise<void> {
  await wait;
  context?.release();
}

function rebuild(cell: Cell, { attempt, delayMs }: RestartDecision): void {
  if (cell.state !== State.BACKOFF) return;
  const { shard, ref } = cell;
  cell.backoff = null;
  cell.retiring = null;
  try {
    cell.handler = shard.construct(cell.blueprint);
  } catch (error) {
    crash(cell, 'constructor', error);
    return;
  }
  cell.instance += 1;
  shard.adopt(cell);
  cell.state = State.CREATED;
  shard.restarted({ actor: ref, attempt, delayMs });
  if (cell.state === State.CREATED) begin(cell);
}

/**
 * An actor of a shard that has died, in the one that was started in its place:
 * its first instance here comes after the back-off. `load` brings its class.
 */
export function revive(cell: Cell, decision: RestartDecision, load: () => Promise<void>): void {
  const proceed = async () => {
    try {
      await load();
      cell.later(() => rebuild(cell, decision));
    } catch (error) {
      cell.later(() => {
        if (cell.state === State.BACKOFF) crash(cell, 'constructor', error);
      });
    }
  };
  cell.backoff = cell.shard.deadlines.arm({ expire: () => void proceed() }, decision.delayMs);
}

// --- Stop ----------------------------------------------------------------

export function stop(cell: Cell, reason: StopReason, timeoutMs: number): Promise<void> {
  if (cell.state === State.STOPPED) return Promise.resolve();
  const { shard } = cell;
  const deadlineMs = shard.driver.now() + timeoutMs;
  if (cell.closing === null) {
    cell.closing = close(cell, reason, { deadlineMs, timeoutMs });
    shut(cell);
    if (cell.tickets === 0) cell.issueTicket();
  } else if (deadlineMs < cell.closing.deadlineMs) {
    shard.deadlines.clear(cell.closing.deadline);
    cell.closing.deadlineMs = deadlineMs;
    const expire = () => force(cell, cell.closing?.reason ?? reason);
    cell.closing.deadline = shard.deadlines.arm({ expire }, timeoutMs);
  }
  return cell.closing.promise;
}

function close(
  cell: Cell,
  reason: StopReason,
  { deadlineMs, timeoutMs }: { deadlineMs: number; timeoutMs: number },
): Closing {
  let resolve!: () => void;
  const promise = new Promise<void>((resolvePromise) => {
    resolve = resolvePromise;
  });
  const deadline = cell.shard.deadlines.arm({ expire: () => force(cell, reason) }, timeoutMs);
  return { reason, promise, resolve, deadline, deadlineMs };
}

/** No more messages from here on. */
function shut(cell: Cell): void {
  cell.isOpen = false;
  cell.isPlain = false;
  cell.places?.close(cell.slot);
  cell.waiting?.rejectAll(() => actorStopped(cell.ref));
}

/** The time for an orderly stop is over; whatever is still pending is given up. */
export function force(cell: Cell, reason: StopReason): void {
  if (cell.state < State.ENDING) end(cell, reason);
  if (cell.state === State.ENDING) {
    void sayFarewell(cell);
    finish(cell);
  }
}

/** The way out: children first, then `stopped()`, then everything is given back. */
export function end(cell: Cell, reason: StopReason): void {
  const isBorn = cell.state !== State.CREATED;
  shut(cell);
  cell.state = State.ENDING;
  cell.exit = reason;
  bury(cell);
  failPending(cell);
  if (!isBorn) cell.handler = null;
  const waits = stopChildren(cell, reason.kind === 'system' ? reason : { kind: 'parent' });
  if (cell.retiring !== null) waits.push(cell.retiring);
  if (waits.length === 0) conclude(cell);
  else void Promise.all(waits).then(() => cell.later(() => conclude(cell)));
}

function conclude(cell: Cell): void {
  if (cell.state !== State.ENDING) return;
  const farewell = sayFarewell(cell);
  if (farewell === null) finish(cell);
  else void cell.shard.within(farewell, remainingMs(cell)).then(() => finish(cell));
}

function sayFarewell(cell: Cell): Promise<unknown> | null {
  const farewell = callStopped(cell, cell.exit as StopReason);
  // Not twice, if the deadline comes while its promise is pending.
  cell.handler = null;
  return farewell;
}

function finish(cell: Cell): void {
  if (cell.state !== State.ENDING) return;
  const { shard, closing, backoff, watchers } = cell;
  const reason = cell.exit as StopReason;
  cell.state = State.STOPPED;
  cell.context?.release();
  cell.context = null;
  cell.handler = null;
  cell.children = null;
  cell.errands = null;
  cell.supervisor = null;
  cell.watchers = null;
  cell.closing = null;
  if (backoff !== null) shard.deadlines.clear(backoff);
  if (closing !== null) shard.deadlines.clear(closing.deadline);
  cell.parent?.childStopped(cell.ref);
  shard.remove(cell, reason);
  for (const watcher of watchers ?? []) shard.inform(watcher, reason);
  closing?.resolve();
}

// --- Parts of both -------------------------------------------------------

/** The promise of `stopped()`, which never rejects; null if there is none. */
function callStopped(cell: Cell, reason: StopReason): Promise<unknown> | null {
  const { handler } = cell;
  if (handler?.stopped === undefined) return null;
  const failed = (error: unknown) => report(cell, 'stopped', error, actionOf(reason));
  try {
    const result = handler.stopped(cell.loop, reason);
    return result instanceof Promise ? result.catch(failed) : null;
  } catch (error) {
    failed(error);
    return null;
  }
}

/** What is happening to an actor that is told of this. */
function actionOf(reason: StopReason): CrashAction {
  return reason.kind === 'restart' ? 'restart' : 'stop';
}

/** Answers that will not come any more. */
function failPending(cell: Cell): void {
  const { pending } = cell;
  cell.pending = null;
  for (const request of pending ?? []) request.fail(actorGone(cell));
}

function actorGone({ exit, ref }: Cell): Error {
  return exit?.kind === 'shardExit' ? shardExited(ref, exit.error) : actorStopped(ref);
}

/** What was not delivered will not be. */
function bury(cell: Cell): void {
  const { ring, shard, ref, places, slot } = cell;
  const reason = cell.exit?.kind === 'shardExit' ? 'shardExit' : 'stopped';
  while (ring.size > 0) {
    const { message, request } = ring;
    ring.drop();
    places?.release(slot);
    request?.fail(actorGone(cell));
    shard.lose(ref, reason, message);
  }
}

function stopChildren(cell: Cell, reason: StopReason): Promise<unknown>[] {
  if (cell.children === null) return [];
  const timeoutMs = remainingMs(cell);
  return [...cell.children].map((child) => child.stopWith(reason, timeoutMs));
}

function remainingMs({ closing, shard }: Cell): number {
  if (closing === null) return DEFAULT_STOP_TIMEOUT_MS;
  return Math.max(0, closing.deadlineMs - shard.driver.now());
}
