/** What can be set on an EventLoop: names, ranges, defaults. */
import { invalidType, invalidValue } from '../errors.js';
import {
  DEFAULT_EVENTS_CAPACITY,
  DEFAULT_FULL_POLLS_MAX,
  DEFAULT_MESSAGES_PER_TICK,
  DEFAULT_NOTIFY_CAPACITY,
  DEFAULT_SPIN_US,
  DEFAULT_TICK_BUDGET_MS,
  DEFAULT_TIMER_CAPACITY,
  DEFAULT_TIMER_TICK_MS,
  DEFAULT_TIMER_WHEEL_SIZE,
  EVENTS_CAPACITY_MAX,
  NOTIFY_CAPACITY_MAX,
  SPIN_US_MAX,
  TIMER_CAPACITY_MAX,
  TIMER_WHEEL_SIZE_MAX,
} from '../limits.js';
import { currentDriver, requireDriver } from '../poll/current-driver.js';
import type { Driver, PollerMode } from '../poll/driver.js';
import { requireInteger, requireNumber, requireOptions, requirePeriod } from '../validate.js';

/** Options of an `EventLoop`. */
export interface EventLoopConfig {
  /** Messages that may wait in the channel; exact. 1 to 2^24. @default 4096 */
  notifyCapacity?: number;
  /** `notify()` calls per tick at most. At least 1. @default 256 */
  messagesPerTick?: number;
  /** I/O events fetched per poll at most. 1 to 65536. @default 1024 */
  eventsCapacity?: number;
  /**
   * Width of a slot of the timer wheel in milliseconds. Above 0. Timers keep
   * their exact deadlines whatever the width; it trades the number of slots
   * to look at against the number of timers in each. @default 1
   */
  timerTickMs?: number;
  /** Slots of the timer wheel, rounded up to a power of two. 1 to 65536. @default 1024 */
  timerWheelSize?: number;
  /** Pending timeouts at most. 1 to 2^24. @default 65536 */
  timerCapacity?: number;
  /**
   * How `run()` learns of events: 'thread' has the process-wide poll thread
   * wake this one; 'inline' puts the poller into Node's own loop. Same
   * behaviour, other costs. @default 'thread'
   */
  poller?: PollerMode;
  /**
   * How long callbacks may go on before the rest of Node has its turn, in
   * milliseconds. Above 0. The callback under way is always finished. @default 10
   */
  tickBudgetMs?: number;
  /**
   * Polls in a row that fill the event array, or of which an event is dropped by
   * a new registration, before timers fire regardless. At least 1. @default 8
   */
  fullPollsMax?: number;
  /**
   * How long to look out for messages of other threads before going to sleep,
   * in microseconds. 0 to 1000; 0: not at all. Only where recent messages came
   * that soon, and now and then up to five times as long to find out whether
   * they would; never when idle. @default 20; 0 with a single processor
   */
  spinUs?: number;
  /** What the loop stands on. @default the driver of the loop being run, else the native one */
  driver?: Driver;
}

export type ResolvedConfig = Required<EventLoopConfig>;

const POLLER_MODES: readonly PollerMode[] = ['thread', 'inline'];

const DEFAULTS: Required<Omit<EventLoopConfig, 'driver'>> = {
  notifyCapacity: DEFAULT_NOTIFY_CAPACITY,
  messagesPerTick: DEFAULT_MESSAGES_PER_TICK,
  eventsCapacity: DEFAULT_EVENTS_CAPACITY,
  timerTickMs: DEFAULT_TIMER_TICK_MS,
  timerWheelSize: DEFAULT_TIMER_WHEEL_SIZE,
  timerCapacity: DEFAULT_TIMER_CAPACITY,
  poller: 'thread',
  tickBudgetMs: DEFAULT_TICK_BUDGET_MS,
  fullPollsMax: DEFAULT_FULL_POLLS_MAX,
  spinUs: DEFAULT_SPIN_US,
};

const KNOWN = [...Object.keys(DEFAULTS), 'driver'];

/**
 * @throws TypeError ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE,
 * ERR_UNKNOWN_OPTION; RangeError ERR_OUT_OF_RANGE
 */
export function resolveConfig(config: EventLoopConfig | undefined): ResolvedConfig {
  const given = requireOptions('config', config, KNOWN);
  const resolved: ResolvedConfig = { ...DEFAULTS, driver: currentDriver() };
  for (const [key, value] of Object.entries(given)) {
    if (value !== undefined) Object.assign(resolved, { [key]: value });
  }
  requireInteger('notifyCapacity', resolved.notifyCapacity, { min: 1, max: NOTIFY_CAPACITY_MAX });
  requireInteger('messagesPerTick', resolved.messagesPerTick, { min: 1 });
  requireInteger('eventsCapacity', resolved.eventsCapacity, { min: 1, max: EVENTS_CAPACITY_MAX });
  requirePeriod('timerTickMs', resolved.timerTickMs);
  requireInteger('timerWheelSize', resolved.timerWheelSize, { min: 1, max: TIMER_WHEEL_SIZE_MAX });
  requireInteger('timerCapacity', resolved.timerCapacity, { min: 1, max: TIMER_CAPACITY_MAX });
  requirePeriod('tickBudgetMs', resolved.tickBudgetMs);
  requireInteger('fullPollsMax', resolved.fullPollsMax, { min: 1 });
  requireNumber('spinUs', resolved.spinUs, { min: 0, max: SPIN_US_MAX });
  if (typeof resolved.poller !== 'string') {
    throw invalidType('poller', "'thread' or 'inline'", resolved.poller);
  }
  if (!POLLER_MODES.includes(resolved.poller)) {
    throw invalidValue('poller', "'thread' or 'inline'", resolved.poller);
  }
  requireDriver('driver', resolved.driver);
  return resolved;
}
