/**
 * Every bound and default, with where it comes from. What a user can set
 * carries the default here and its range in `loop/config.ts`, `net/config.ts`.
 */
import { availableParallelism } from 'node:os';

/** mio's: a channel that holds a burst of a few milliseconds. */
export const DEFAULT_NOTIFY_CAPACITY = 4096;
export const NOTIFY_CAPACITY_MAX = 2 ** 24;

/** mio's: bounds how long messages keep I/O waiting. */
export const DEFAULT_MESSAGES_PER_TICK = 256;

/** As many as other runtimes fetch at once; 12 bytes each. */
export const DEFAULT_EVENTS_CAPACITY = 1024;
export const EVENTS_CAPACITY_MAX = 2 ** 16;

export const DEFAULT_TIMER_TICK_MS = 1;
export const DEFAULT_TIMER_WHEEL_SIZE = 1024;
export const TIMER_WHEEL_SIZE_MAX = 2 ** 16;

/** mio's. A bound on mistakes, not memory set aside. */
export const DEFAULT_TIMER_CAPACITY = 65536;
export const TIMER_CAPACITY_MAX = 2 ** 24;

/**
 * How long callbacks of one tick, and ticks in a row, may hold the thread
 * before the rest of Node has its turn.
 */
export const DEFAULT_TICK_BUDGET_MS = 10;

/**
 * A poll that filled its event array leaves open whether more was ready, and
 * holds timers back. After so many in a row timers fire anyway: endless I/O
 * must not starve them (rule L2).
 */
export const DEFAULT_FULL_POLLS_MAX = 8;

/** Quick callbacks of a tick are checked against its budget once in so many. */
export const BUDGET_STRIDE_MAX = 8;

/**
 * A second poll after a batch of events is worth its system call if it finds
 * something at least this often: a wake-up costs about eight times as much.
 */
export const FOLLOW_UP_YIELD_MIN = 1 / 8;

/** How much the latest follow-up counts in the average. */
export const FOLLOW_UP_WEIGHT = 1 / 8;

/** Where follow-ups do not pay, one in so many is made all the same. */
export const FOLLOW_UP_RETRY = 16;

/**
 * How long a loop looks out for messages of other threads before it sleeps,
 * where that pays: a good part of what a wake-up takes, and hundreds of times
 * what a message takes between threads that are awake. With one processor the
 * other thread could not even run meanwhile.
 */
export const DEFAULT_SPIN_US = availableParallelism() > 1 ? 20 : 0;
export const SPIN_US_MAX = 1000;

/**
 * A lookout is worth its time if it finds something at least this often: one
 * in vain costs about as much as a wake-up.
 */
export const SPIN_YIELD_MIN = 1 / 2;

/** How much the latest lookout counts in the average. */
export const SPIN_WEIGHT = 1 / 8;

/**
 * Lookouts of a trial go on this much longer, so that they outlast a wake-up
 * of the other side; and sleeps shorter than that make for trials.
 */
export const SPIN_TRIAL_FACTOR = 5;

/**
 * A trial has as many lookouts as sleeps make for the first one, so that two
 * threads that wait for each other come to try at the same time. It is broken
 * off when some have been in vain.
 */
export const SPIN_TRIAL_SPINS = 64;
export const SPIN_TRIAL_MISSES_MAX = 4;

/** Sleeps between trials: doubled by each that fails. */
export const SPIN_TRIAL_GAP_MIN = 64;
export const SPIN_TRIAL_GAP_MAX = 4096;

/**
 * A deadline that lies closer ahead than this counts as used up when a tick
 * begins, and is set again: a poller may be ready a little early.
 */
export const DEADLINE_SLACK_MS = 1;

/**
 * Where `nextToken()` begins: above the small numbers that people choose by
 * hand, and a small integer to the engine.
 */
export const FIRST_AUTOMATIC_TOKEN = 0x10000;

/** Lateness up to an hour is told apart; in nanoseconds. */
export const LATENESS_NS_MAX = 3600e9;

/** As many as a loop's channel holds. */
export const DEFAULT_MAILBOX_CAPACITY = 4096;
export const MAILBOX_CAPACITY_MAX = 2 ** 24;

/** As in other actor runtimes: long for an answer, short for a person. */
export const DEFAULT_ASK_TIMEOUT_MS = 5000;

/** How long a stop drains; less than what service managers wait before they kill. */
export const DEFAULT_STOP_TIMEOUT_MS = 5000;

/** Five times what callbacks of one tick may take together. */
export const DEFAULT_SLOW_HANDLER_MS = 50;

/** Worker threads of a system. More than a machine has processors helps nobody. */
export const SHARDS_MAX = 256;

/** One processor is left to the thread that starts the system. */
export const DEFAULT_SHARDS = Math.max(1, availableParallelism() - 1);

/** Actors of a shard to which other threads may send; 16 bytes each, when used. */
export const PLACES_MAX = 2 ** 20;

/** What may be on its way to a mailbox that drops what is too much. */
export const DROPPED_IN_FLIGHT_MAX = 2 ** 16;

/** Objects of a dead letter that are looked through for sources in flight; the upper ones first. */
export const FLIGHT_SEARCH_MAX = 10_000;

/** A shard that lived this long is not one that dies at once. */
export const SHARD_CALM_MS = 500;

/** Between such deaths a shard waits, in milliseconds, doubling from the first to the second. */
export const SHARD_BACKOFF_MS = 10;
export const SHARD_BACKOFF_MAX_MS = 2000;

/** Deaths at once, in a row, after which a shard is not started any more. */
export const SHARD_RESTARTS_MAX = 10;

/** Reasons of stops that a shard remembers for those who ask later. */
export const EXITS_KEPT = 1024;

/** For a shard to say that the time it was given is over. */
export const DRAIN_GRACE_MS = 1000;

/** For a thread to end, once its actors have stopped. */
export const SHARD_STOP_MS = 5000;

/** Threads of a pool. More than a machine has processors helps nobody. */
export const COMPUTE_THREADS_MAX = 256;

/** One processor is left to the thread that submits the tasks. */
export const DEFAULT_COMPUTE_THREADS = Math.max(1, availableParallelism() - 1);

/** Tasks that wait: some 20 MB of them, and seconds of work. A bound on mistakes. */
export const DEFAULT_QUEUE_CAPACITY = 65536;
export const QUEUE_CAPACITY_MAX = 2 ** 24;

/** Raises a task from Low to Critical within three seconds. */
export const DEFAULT_AGING_MS = 1000;

/**
 * What is sent to a thread ahead of its turn: enough to keep it busy until the
 * next answer of the pool, which takes some 50 us, and more while that is busy;
 */
export const AHEAD_MS = 0.5;
/** however little each is expected to take, this many; */
export const AHEAD_MAX = 128;
/** and a single one if it and the one that runs take no longer together than this. */
export const AHEAD_ONE_MS = 5;

/** A thread that gave no answer for so long, or twice, is not to keep what it has not begun. */
export const STUCK_MS = 5;

/**
 * What other threads read of a pool's metrics is brought up to date at the end
 * of each of its ticks, and after so long while a task that lies with a thread
 * may begin.
 */
export const BOARD_STALE_MS = 5;

/** For a thread whose task was given up to end by itself: to be terminated is the last resort. */
export const RECYCLE_STOP_MS = 100;

/** For the other threads of a pool that closes. */
export const COMPUTE_STOP_MS = 5000;

/** Between starts of threads that fail, in milliseconds, doubling from the first to the second. */
export const COMPUTE_BACKOFF_MS = 10;
export const COMPUTE_BACKOFF_MAX_MS = 2000;

/** Failed starts in a row after which tasks do not wait for another. */
export const COMPUTE_START_FAILURES_MAX = 3;

/** Waits and runs of up to an hour are told apart; in nanoseconds. */
export const TASK_TIME_NS_MAX = 3600e9;

/** A channel without a capacity of its own: more than memory holds, less than its counters. */
export const UNBOUNDED = 2 ** 29;

/** As in the kernel's own default for new systems. */
export const DEFAULT_BACKLOG = 1024;
export const BACKLOG_MAX = 65535;

/** UIO_MAXIOV: what one sendmmsg(2) takes. */
export const DATAGRAM_BATCH_MAX = 1024;

/** The length field of UDP has 16 bits; headers make the real limit a little less. */
export const DATAGRAM_BYTES_MAX = 65535;

/** What the kernel takes for a socket buffer's size: a C int, doubled inside. */
export const SOCKET_BUFFER_BYTES_MAX = 2 ** 30;

/** What `sun_path` holds: 108 bytes on Linux, 104 elsewhere. */
export const UNIX_PATH_BYTES = process.platform === 'linux' ? 108 : 104;

/** More than most messages have, and little enough for a peer that is not known yet. */
export const DEFAULT_FRAME_BYTES_MAX = 2 ** 20;
/** What a ring of bytes may grow to. */
export const FRAME_BYTES_MAX = 2 ** 30;

/** Several times what servers of mail and of the web take for a line. */
export const DEFAULT_LINE_BYTES_MAX = 2 ** 16;

/** A decoder at rest keeps no more memory than this, whatever it has decoded before. */
export const DECODER_KEPT_BYTES_MAX = 4096;

/** A control call takes tens of microseconds; what takes this long will not come. */
export const DEFAULT_CALL_TIMEOUT_MS = 10_000;

/** A thread is up after some 30 ms, on a busy machine after seconds. */
export const DEFAULT_START_TIMEOUT_MS = 10_000;

/** In MiB. With 2, or 0.1, some versions of Node end the process instead of the thread. */
export const OLD_GENERATION_MB_MIN = 3;
export const STACK_MB_MIN = 0.5;

/** A thread that did not come up has little to put in order. */
export const FAILED_START_STOP_MS = 1_000;

/** For a thread whose loops are closed to end by itself, before it is told to. */
export const LEFT_OVER_GRACE_MS = 100;

/** What a lane between two threads begins with: a few thousand small messages. */
export const SEGMENT_BYTES = 2 ** 16;

/** Positions in a segment are 31 bits; the largest message is a little smaller. */
export const SEGMENT_BYTES_MAX = 2 ** 30;

/** A lane goes back to a small segment after a burst, when it was found empty so often. */
export const SEGMENT_CALM = 64;

/** Places that became free are told to other threads in batches: this part of the capacity, */
export const RELEASES_PER_CAPACITY = 1 / 64;
/** and at most so many. */
export const RELEASES_MAX = 64;

/** How often a sender that waits for room looks whether the receiving thread still lives. */
export const RECEIVER_CHECK_MS = 1000;

/** A sender that was refused looks so too, the first time and once in so many. */
export const REFUSED_PER_CHECK = 64;

/** As in mill-net: what one read of a connection of a server or client takes at most. */
export const DEFAULT_BUFFER_BYTES = 8192;
export const READ_BUFFER_BYTES_MAX = 2 ** 30;

/** Read from one connection before others have their turn: some tens of microseconds. */
export const READ_BUDGET_BYTES = 2 ** 16;

/** Accepted in one go, for the same reason. */
export const ACCEPTS_PER_EVENT = 64;

/** Long enough for a slow peer to be kept busy, short enough for thousands of them. */
export const DEFAULT_HIGH_WATER_MARK_BYTES = 2 ** 20;
export const DEFAULT_LOW_WATER_MARK_BYTES = 2 ** 18;

/** mill-net's; the kernel's own would be two hours. */
export const DEFAULT_KEEP_ALIVE_MS = 60_000;
/** The kernel's own limit: a little over nine hours. */
export const KEEP_ALIVE_MS_MAX = 32767 * 1000;

/** A connection that is being closed is given up when its peer takes nothing for so long. */
export const CLOSE_TIMEOUT_MS = 10_000;

/**
 * A connection that this side has ended stays until its peer ends it too, so
 * that what was sent last is not lost: while something comes within so long,
 * which is a few round trips and retransmissions;
 */
export const LINGER_QUIET_MS = 2000;
/** not longer than this in all, whatever comes; */
export const LINGER_MS = 10_000;
/** and not for more than this: what a fast peer sends in a good part of that time. */
export const LINGER_BYTES_MAX = 2 ** 30;

/** For a handshake; the kernel's own would be two minutes. */
export const DEFAULT_CONNECT_TIMEOUT_MS = 10_000;

/** Between attempts to connect. */
export const DEFAULT_BACKOFF_MS = 100;
export const DEFAULT_BACKOFF_MAX_MS = 30_000;
