import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { LATENESS_NS_MAX } from '../limits.js';

/** What a loop has counted since it was made. */
export interface LoopMetrics {
  /** Ticks, idle ones among them. */
  ticks: number;
  /** I/O events delivered. */
  events: number;
  /** Messages delivered. */
  messages: number;
  /** Timeouts delivered. */
  timers: number;
  /** Signals delivered. */
  signals: number;
  /** Messages refused, on whichever thread, because the channel was full or closed. */
  refused: number;
  /** Messages lost because the thread that sent them died in the middle of one. */
  lost: number;
  /** Waits that a signal interrupted. */
  interrupted: number;
  /** Polls that filled the event array. */
  fullPolls: number;
  /** Events dropped because their registration had gone. */
  staleEvents: number;
  /** Messages that wait at this moment, those of other threads included. */
  pendingMessages: number;
  /** Timeouts and intervals that are armed at this moment. */
  pendingTimers: number;
  /** Sources that are registered at this moment. */
  sources: number;
  /** How late timeouts were delivered, in nanoseconds, 1 to an hour, two significant digits. */
  lateness: RecordableHistogram;
}

/** The counts that the ticks keep. */
export type Counters = Omit<
  LoopMetrics,
  'refused' | 'lost' | 'pendingMessages' | 'pendingTimers' | 'sources'
>;

export function createCounters(): Counters {
  return {
    ticks: 0,
    events: 0,
    messages: 0,
    timers: 0,
    signals: 0,
    interrupted: 0,
    fullPolls: 0,
    staleEvents: 0,
    // Two significant digits: a few dozen kilobytes, and good to one percent.
    lateness: createHistogram({ lowest: 1, highest: LATENESS_NS_MAX, figures: 2 }),
  };
}

/** Of a loop that there is not. */
export function emptyLoopMetrics(): LoopMetrics {
  const nothing = { refused: 0, lost: 0, pendingMessages: 0, pendingTimers: 0, sources: 0 };
  return { ...createCounters(), ...nothing };
}

export function recordLateness(counters: Counters, lateMs: number): void {
  counters.lateness.record(Math.max(1, Math.min(LATENESS_NS_MAX, Math.round(lateMs * 1e6))));
}
